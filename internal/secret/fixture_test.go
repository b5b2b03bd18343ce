package secret_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/secret"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const (
	realm   = key.DefaultRealm
	foreign = key.RealmID("999999999999")
	region  = "eu-central-1"
)

// ledger is an audit.Recorder that keeps entries in memory.
type ledger struct {
	mu      sync.Mutex // guards entries
	entries []audit.Entry
}

func (l *ledger) Enqueue(e *audit.Entry) (audit.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, *e)
	return audit.Position(len(l.entries)), nil
}

func (l *ledger) Wait(context.Context, audit.Position) error { return nil }

// said returns the actions, results and resources of the entries after the
// first n.
func (l *ledger) said(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []string
	for _, e := range l.entries[n:] {
		list = append(list, e.Action.String()+" "+e.Result)
	}
	return strings.Join(list, ", ")
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

// people are the identities of the tests: each user's policies by name.
type people map[string][]*policy.Policy

func (p people) Policies(c *key.Caller) []*policy.Policy { return p[c.Principal.Name] }

// fixture is secrets over real keys, in memory, with a clock that the test
// moves.
type fixture struct {
	*secret.Service
	t      *testing.T
	keys   *kms.Service
	store  store.Store
	log    *ledger
	people people
	mu     sync.Mutex // guards clock
	clock  time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, store: mem.New(), log: &ledger{}, people: people{}, clock: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	f.let("admin", `"Allow","Action":"*","Resource":"*"`)
	root, err := seal.Ephemeral()
	must(t, err)
	engine, err := soft.New(seal.NewKeyring(root, f.store), soft.Options{PureGo: true})
	must(t, err)
	t.Cleanup(func() { must(t, engine.Close()) })
	g := guard.New(f.log, f.people)
	compile := func(d key.Document) (*policy.Policy, error) {
		return policy.Compile([]byte(d.Text), policy.ForResource, aws.Vocabulary())
	}
	f.keys, err = kms.New(t.Context(), kms.Config{
		Guard: g, Store: f.store, Engine: engine, DefaultPolicy: aws.DefaultKeyPolicy, Compile: compile, Now: f.now,
	})
	must(t, err)
	f.Service = secret.New(secret.Config{
		Keys: f.keys, Guard: g, Store: f.store, Compile: compile, Alias: aws.SecretsAlias, KeyPolicy: aws.SecretsKeyPolicy,
		Context: aws.SecretContext, Now: f.now,
	})
	return f
}

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clock
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clock = f.clock.Add(d)
}

// let gives a user an identity policy of one statement: what comes after
// "Effect":.
func (f *fixture) let(user, statement string) {
	f.t.Helper()
	p, err := policy.Compile([]byte(`{"Version":"2012-10-17","Statement":{"Effect":`+statement+`}}`), policy.ForIdentity, aws.Vocabulary())
	must(f.t, err)
	f.people[user] = []*policy.Policy{p}
}

// as returns the envelope of a call by a user, of another realm when the name
// begins with "foreign".
func (f *fixture) as(user string) *key.Call {
	in := realm
	if strings.HasPrefix(user, "foreign") {
		in = foreign
	}
	return &key.Call{
		Caller:    key.Caller{Principal: key.Principal{Realm: in, Kind: key.User, Name: user}, Credential: "AKIA" + user, Method: "sigv4"},
		RequestID: "r", API: "test", Operation: "test", Region: region, Time: f.now(),
	}
}

func (f *fixture) admin() *key.Call { return f.as("admin") }

// newKey makes a symmetric key with an alias, and returns its ref.
func (f *fixture) newKey(alias string) kms.Ref {
	f.t.Helper()
	_, err := f.keys.CreateKey(f.t.Context(), f.admin(), &kms.CreateKeyRequest{Spec: alg.AES256, Alias: alias})
	must(f.t, err)
	return kms.Ref{Alias: alias}
}

func text(s string) *secret.Value { return secret.NewText([]byte(s)) }

func ref(name string) secret.Ref { return secret.Ref{Text: name} }

// make makes a secret with a value, as the admin.
func (f *fixture) make(name, value string) *secret.Result {
	f.t.Helper()
	r, err := f.Create(f.t.Context(), f.admin(), &secret.CreateRequest{Name: name, Value: text(value)})
	must(f.t, err)
	return r
}

// put gives a secret a value, as the admin, and returns the version.
func (f *fixture) put(name, value string, stages ...secret.Stage) string {
	f.t.Helper()
	r, err := f.Put(f.t.Context(), f.admin(), &secret.PutRequest{Secret: ref(name), Value: text(value), Stages: stages})
	must(f.t, err)
	return r.Given
}

// value returns what a stage of a secret holds, or why nobody learns it.
func (f *fixture) value(name string, stage secret.Stage) string {
	f.t.Helper()
	r, err := f.Get(f.t.Context(), f.admin(), &secret.Choice{Secret: ref(name), Stage: stage})
	if err != nil {
		return fault.KindOf(err).String()
	}
	return string(r.Value.Reveal())
}

// stages returns the stages of the versions, in their order.
func stages(x *secret.Secret) string {
	var list []string
	for _, v := range x.Versions {
		var of []string
		for _, stage := range v.Stages {
			of = append(of, string(stage))
		}
		list = append(list, strings.Join(of, "+"))
	}
	return strings.Join(list, " ")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want checks a failure's kind and reason.
func want(t *testing.T, err error, kind fault.Kind, reason fault.Reason) {
	t.Helper()
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Kind != kind || e.Reason != reason {
		t.Errorf("the error is %v, want %s with reason %d", err, kind, reason)
	}
}
