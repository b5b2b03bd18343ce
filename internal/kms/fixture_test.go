package kms_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const (
	realm  = key.DefaultRealm
	region = "eu-central-1"
)

// ledger is an audit.Recorder that keeps entries in memory, and fails when
// it is told to.
type ledger struct {
	mu      sync.Mutex // guards what follows
	entries []audit.Entry
	broken  error
}

func (l *ledger) Enqueue(e *audit.Entry) (audit.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return 0, l.broken
	}
	l.entries = append(l.entries, *e)
	return audit.Position(len(l.entries)), nil
}

func (l *ledger) Wait(context.Context, audit.Position) error { return nil }

func (l *ledger) last() audit.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries[len(l.entries)-1]
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

func (l *ledger) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = err
}

// people are the identities of the tests: each user's policy by name.
type people map[string][]*policy.Policy

func (p people) Policies(c *key.Caller) []*policy.Policy { return p[c.Principal.Name] }

// fixture is a door over a real engine and a store in memory.
type fixture struct {
	*kms.Service
	t      testing.TB
	store  store.Store
	log    *ledger
	people people
	root   *seal.Root
	clock  func() time.Time
	// others are the engines beside the default one, stores the key stores.
	others []engine.Engine
	stores kms.Stores
	// adopting are the realms that adopt keys, by engines.
	adopting map[string][]key.RealmID
	// keys has an RSA key made before for each one that is made, if it is not
	// nil: see ready.
	keys func() []byte
}

func compile(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Compile([]byte(text), policy.ForIdentity, aws.Vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	root, err := seal.Ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, store: mem.New(), log: &ledger{}, root: root, clock: time.Now}
	f.people = people{"admin": {compile(t,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)}}
	f.open()
	return f
}

// open makes the door anew over the same store, as a restart does.
func (f *fixture) open() {
	f.t.Helper()
	var err error
	f.Service, err = kms.New(f.t.Context(), kms.Config{
		Guard: guard.New(f.log, f.people), Store: f.store, Engine: &ready{Engine: f.engine(), key: f.keys}, DefaultPolicy: aws.DefaultKeyPolicy,
		Engines: f.others, Stores: f.stores, Adopting: f.adopting,
		Compile: func(d key.Document) (*policy.Policy, error) {
			return policy.Compile([]byte(d.Text), policy.ForResource, aws.Vocabulary())
		},
		Now: func() time.Time { return f.clock() },
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// engine returns a soft engine over the fixture's store.
func (f *fixture) engine() *soft.Engine {
	f.t.Helper()
	e, err := soft.New(seal.NewKeyring(f.root, f.store), soft.Options{PureGo: true})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		if err := e.Close(); err != nil {
			f.t.Error(err)
		}
	})
	return e
}

// ready is a soft engine that takes RSA keys from where they are ready, since
// making one takes a while.
type ready struct {
	*soft.Engine
	key func() []byte
}

func (r *ready) Generate(ctx context.Context, ref engine.Ref, kind engine.Kind) (engine.Material, error) {
	if kind.Spec == alg.RSA2048 && r.key != nil {
		return r.Import(ctx, ref, kind, r.key())
	}
	return r.Engine.Generate(ctx, ref, kind)
}

// as returns the envelope of a call by a user.
func (f *fixture) as(user string) *key.Call {
	return &key.Call{
		Caller: key.Caller{
			Principal: key.Principal{Realm: realm, Kind: key.User, Name: user}, Credential: "AKIA" + user, Method: "sigv4",
		},
		RequestID: "request", API: "test", Operation: "Test", Region: region, Time: f.clock(), Secure: true,
	}
}

func (f *fixture) admin() *key.Call { return f.as("admin") }

// create makes a key of a spec with its only, or its first, usage.
func (f *fixture) create(spec alg.Spec, usage alg.Usage) *key.Key {
	f.t.Helper()
	k, err := f.CreateKey(f.t.Context(), f.admin(), &kms.CreateKeyRequest{Spec: spec, Usage: usage})
	if err != nil {
		f.t.Fatal(err)
	}
	return k
}

func refTo(k *key.Key) kms.Ref { return kms.Ref{ID: k.Name.ID} }

// want fails the test unless err has the kind and reason.
func want(t *testing.T, err error, kind fault.Kind, reason fault.Reason) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind || fault.ReasonOf(err) != reason {
		t.Errorf("got error %v (reason %d), want kind %q with reason %d", err, fault.ReasonOf(err), kind, reason)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var errDisk = errors.New("no space left on device")
