package rotation_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/rotation"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const (
	realm  = key.DefaultRealm
	region = "eu-central-1"
	day    = 24 * time.Hour
)

var start = time.Date(2027, 1, 1, 9, 0, 0, 0, time.UTC)

// ledger is an audit.Recorder that keeps entries in memory.
type ledger struct {
	mu      sync.Mutex // guards entries
	entries []audit.Entry
}

func (l *ledger) Enqueue(e *audit.Entry) (audit.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := *e
	kept.Details = slices.Clone(e.Details)
	l.entries = append(l.entries, kept)
	return audit.Position(len(l.entries)), nil
}

func (l *ledger) Wait(context.Context, audit.Position) error { return nil }

// people are the identities of the tests: each user's policies by name.
type people map[string][]*policy.Policy

func (p people) Policies(c *key.Caller) []*policy.Policy { return p[c.Principal.Name] }

// disk is a store whose Updates fail from a number of them on, as when the
// process is killed.
type disk struct {
	store.Store
	left atomic.Int64 // how many still succeed; negative for all
}

var errKilled = &fault.Error{Kind: fault.Unavailable, Public: "killed"}

func (d *disk) Update(ctx context.Context, f func(store.Tx) error) error {
	switch n := d.left.Load(); {
	case n == 0:
		return errKilled
	case n > 0:
		d.left.Add(-1)
	}
	return d.Store.Update(ctx, f)
}

// counted is an engine that counts what it makes and ends, and may fail.
type counted struct {
	*soft.Engine
	made, ended atomic.Int64
	failing     error
}

func (c *counted) Generate(ctx context.Context, ref engine.Ref, kind engine.Kind) (engine.Material, error) {
	if c.failing != nil {
		return engine.Material{}, c.failing
	}
	c.made.Add(1)
	return c.Engine.Generate(ctx, ref, kind)
}

func (c *counted) Destroy(ctx context.Context, ref engine.Ref, wrapped []byte) error {
	c.ended.Add(1)
	return c.Engine.Destroy(ctx, ref, wrapped)
}

// fixture is rules over real keys in memory, with a clock that the test moves.
type fixture struct {
	*rotation.Service
	t      *testing.T
	keys   *kms.Service
	disk   *disk
	engine *counted
	log    *ledger
	guard  *guard.Guard
	at     time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, disk: &disk{Store: mem.New()}, log: &ledger{}, at: start}
	f.disk.left.Store(-1)
	all, err := policy.Compile([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`), policy.ForIdentity, aws.Vocabulary())
	must(t, err)
	f.guard = guard.New(f.log, people{"admin": {all}})
	root, err := seal.Ephemeral()
	must(t, err)
	e, err := soft.New(seal.NewKeyring(root, f.disk), soft.Options{PureGo: true})
	must(t, err)
	t.Cleanup(func() { must(t, e.Close()) })
	f.engine = &counted{Engine: e}
	f.keys, f.Service = f.server()
	return f
}

// server opens keys and rules over the store, as another server or a restart
// does.
func (f *fixture) server() (*kms.Service, *rotation.Service) {
	f.t.Helper()
	now := func() time.Time { return f.at }
	keys, err := kms.New(f.t.Context(), kms.Config{
		Guard: f.guard, Store: f.disk, Engine: f.engine, DefaultPolicy: aws.DefaultKeyPolicy, Now: now,
		Compile: func(d key.Document) (*policy.Policy, error) {
			return policy.Compile([]byte(d.Text), policy.ForResource, aws.Vocabulary())
		},
	})
	must(f.t, err)
	return keys, rotation.New(rotation.Config{Keys: keys, Guard: f.guard, Store: f.disk, Now: now})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) as(name string) *key.Call {
	return &key.Call{
		Caller:    key.Caller{Principal: key.Principal{Realm: realm, Kind: key.User, Name: name}, Method: "sigv4"},
		RequestID: "r", API: "test", Operation: "Test", Region: region, Time: f.at, Secure: true,
	}
}

func (f *fixture) admin() *key.Call { return f.as("admin") }

// create makes a key with an alias, unless that is "".
func (f *fixture) create(spec alg.Spec, usage alg.Usage, alias string, tags ...key.Tag) *key.Key {
	f.t.Helper()
	k, err := f.keys.CreateKey(f.t.Context(), f.admin(), &kms.CreateKeyRequest{Spec: spec, Usage: usage, Alias: alias, Tags: tags})
	must(f.t, err)
	return k
}

func (f *fixture) put(r rotation.Rule) {
	f.t.Helper()
	_, err := f.Put(f.t.Context(), f.admin(), &r)
	must(f.t, err)
}

// tick has the clocks of some servers do what is due.
func tick(t *testing.T, ticks ...func(context.Context) (bool, error)) {
	t.Helper()
	for _, tick := range ticks {
		for {
			more, err := tick(t.Context())
			must(t, err)
			if !more {
				break
			}
		}
	}
}

// pass lets time pass in steps.
func (f *fixture) pass(d, step time.Duration) {
	f.t.Helper()
	for end := f.at.Add(d); f.at.Before(end); {
		f.at = f.at.Add(min(step, end.Sub(f.at)))
		tick(f.t, f.Tick, f.keys.Tick)
	}
}

func (f *fixture) key(ref kms.Ref) *key.Key {
	f.t.Helper()
	k, err := f.keys.DescribeKey(f.t.Context(), f.admin(), ref)
	must(f.t, err)
	return k
}

func byAlias(name string) kms.Ref { return kms.Ref{Alias: name} }

func byID(id key.ID) kms.Ref { return kms.Ref{ID: id} }

// events returns what people are told, "kind subject-name days", in the order of
// its times, and takes it over.
func (f *fixture) events() (list []string) {
	f.t.Helper()
	err := f.disk.Update(f.t.Context(), func(tx store.Tx) error {
		due, err := event.Due(tx, f.at, 10_000)
		slices.SortStableFunc(due, func(a, b *event.Event) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID)) })
		for _, e := range due {
			list = append(list, fmt.Sprintf("%s %s %s", e.Time.Format(time.DateOnly), e.Kind, e.Name))
			if err := event.Handled(tx, e, f.at); err != nil {
				return err
			}
		}
		return err
	})
	must(f.t, err)
	return list
}

// acts returns the entries of the clock's: "operation result rule".
func (f *fixture) acts() (list []string) {
	f.log.mu.Lock()
	defer f.log.mu.Unlock()
	for i := range f.log.entries {
		e := &f.log.entries[i]
		if e.Principal != string(realm)+":service:lifecycle" {
			continue
		}
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s: %s", e.Operation, e.Result, e.Why)))
	}
	return list
}

// sign signs "text".
func (f *fixture) sign(ref kms.Ref) []byte {
	f.t.Helper()
	r, err := f.keys.Sign(f.t.Context(), f.admin(), &kms.SignRequest{Key: ref, Algorithm: alg.ECDSASHA256, Message: engine.Message{Form: alg.Raw, Bytes: []byte("text")}})
	must(f.t, err)
	return r.Signature
}

func (f *fixture) verify(call *key.Call, ref kms.Ref, text string, signature []byte) (*key.Key, error) {
	return f.keys.Verify(f.t.Context(), call, &kms.VerifyRequest{
		SignRequest: kms.SignRequest{Key: ref, Algorithm: alg.ECDSASHA256, Message: engine.Message{Form: alg.Raw, Bytes: []byte(text)}}, Signature: signature,
	})
}

var errEngine = errors.New("the token is away")
