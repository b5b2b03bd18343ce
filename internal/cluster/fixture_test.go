package cluster_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"maps"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/cluster"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const region = "eu-central-1"

// token is a token of the fake pool.
type token struct {
	serial  string
	away    bool
	blank   bool
	broken  bool // Identify fails
	marks   map[string]crypto.Signer
	objects []cluster.Object
}

// pool is tokens in memory.
type pool struct {
	mu     sync.Mutex // guards tokens
	names  []string
	tokens map[string]*token
}

func newPool(names ...string) *pool {
	p := &pool{names: names, tokens: map[string]*token{}}
	for _, n := range names {
		p.tokens[n] = &token{serial: "serial of " + n, marks: map[string]crypto.Signer{}}
	}
	return p
}

func (p *pool) Names() []string { return p.names }

// use runs f on a token that is there.
func (p *pool) use(name string, f func(*token) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.tokens[name]
	if t.away {
		return fault.New(fault.Unavailable, "the token is away")
	}
	return f(t)
}

func (p *pool) Look(_ context.Context, name string) (l *cluster.Look, err error) {
	err = p.use(name, func(t *token) error {
		l = &cluster.Look{
			Label: "label", Serial: t.serial, Manufacturer: "maker", Model: "model", Blank: t.blank,
		}
		return nil
	})
	return l, err
}

func (p *pool) Contents(_ context.Context, name string) (c *cluster.Contents, err error) {
	err = p.use(name, func(t *token) error {
		c = &cluster.Contents{Marks: slices.Sorted(maps.Keys(t.marks)), Objects: slices.Clone(t.objects)}
		return nil
	})
	return c, err
}

func (p *pool) Initialise(_ context.Context, name, _ string) error {
	return p.use(name, func(t *token) error {
		if t.blank {
			t.blank, t.serial = false, "new serial of "+name
		}
		return nil
	})
}

func (p *pool) Identify(_ context.Context, name, label string) (s crypto.Signer, err error) {
	err = p.use(name, func(t *token) error {
		if t.broken {
			return fault.New(fault.Internal, "the token is broken")
		}
		if t.marks[label] == nil {
			t.marks[label], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		}
		s = t.marks[label]
		return err
	})
	return s, err
}

func (p *pool) Forget(_ context.Context, name, label string) error {
	return p.use(name, func(t *token) error {
		delete(t.marks, label)
		return nil
	})
}

// people are the identities of the tests: each user's policies by name.
type people map[string][]*policy.Policy

func (p people) Policies(c *key.Caller) []*policy.Policy { return p[c.Principal.Name] }

// fixture is clusters over a fake pool, in memory, with a clock that the test
// moves.
type fixture struct {
	*cluster.Service
	t       *testing.T
	pool    *pool
	store   store.Store
	log     *audit.Memory
	people  people
	clock   time.Time
	changed []string
	// authority signs the clusters' certificates.
	authority *x509.Certificate
	key       *ecdsa.PrivateKey
}

func newFixture(t *testing.T, tokens ...string) *fixture {
	t.Helper()
	f := &fixture{
		t: t, pool: newPool(tokens...), store: mem.New(), log: audit.NewMemory(1000), people: people{},
		clock: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
	}
	f.let("admin", `"*"`)
	f.authority, f.key = newAuthority(t, "owner", f.clock)
	f.Service = f.open()
	return f
}

// open returns a service on the fixture's store, as after a restart.
func (f *fixture) open() *cluster.Service { return f.over(f.pool) }

func (f *fixture) over(p cluster.Pool) *cluster.Service {
	return cluster.New(cluster.Config{
		Guard: guard.New(f.log, f.people), Store: f.store, Pool: p, Log: slog.New(slog.DiscardHandler),
		Compile: func(d key.Document) (*policy.Policy, error) {
			return policy.Compile([]byte(d.Text), policy.ForResource, aws.Vocabulary())
		},
		Changed: func(id string) { f.changed = append(f.changed, id) },
		Now:     func() time.Time { return f.clock },
	})
}

// let gives a user an identity policy that allows actions, as JSON.
func (f *fixture) let(user, actions string) {
	f.t.Helper()
	p, err := policy.Compile([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":`+actions+`,"Resource":"*"}}`),
		policy.ForIdentity, aws.Vocabulary())
	must(f.t, err)
	f.people[user] = []*policy.Policy{p}
}

// as returns a call of a user.
func (f *fixture) as(user string) *key.Call {
	return &key.Call{
		Caller: key.Caller{Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: user}, Method: "test"},
		API:    "test", Region: region, Time: f.clock,
	}
}

func (f *fixture) admin() *key.Call { return f.as("admin") }

// create makes a cluster of two zones.
func (f *fixture) create() *cluster.Cluster {
	f.t.Helper()
	c, err := f.Create(f.t.Context(), f.admin(), &cluster.CreateRequest{
		Model: "model", Zones: []cluster.Zone{{Name: "a", Network: "net-a"}, {Name: "b", Network: "net-b"}},
	})
	must(f.t, err)
	return c
}

func (f *fixture) hsm(id string) *cluster.HSM {
	f.t.Helper()
	h, err := f.CreateHSM(f.t.Context(), f.admin(), id, "a")
	must(f.t, err)
	return h
}

// get returns a cluster as it is now.
func (f *fixture) get(id string) *cluster.Cluster {
	f.t.Helper()
	f.clock = f.clock.Add(5 * time.Second) // beyond what was looked at before
	list, next, err := f.List(f.t.Context(), f.admin(), cluster.List{IDs: []string{id}})
	must(f.t, err)
	if len(list) != 1 || next != "" {
		f.t.Fatalf("%d clusters, next %q", len(list), next)
	}
	return list[0]
}

// sign returns the certificate that the owner makes for a request.
func (f *fixture) sign(request []byte) []byte {
	f.t.Helper()
	r, err := x509.ParseCertificateRequest(request)
	must(f.t, err)
	must(f.t, r.CheckSignature())
	return issue(f.t, f.authority, f.key, r.PublicKey, f.clock)
}

// claimed makes a cluster with one HSM and claims it.
func (f *fixture) claimed() *cluster.Cluster {
	f.t.Helper()
	c := f.create()
	f.hsm(c.ID)
	c = f.get(c.ID)
	c, err := f.Initialise(f.t.Context(), f.admin(), c.ID, &cluster.Claim{Certificate: f.sign(c.Request), Anchor: inPEM(f.authority.Raw)})
	must(f.t, err)
	return c
}

func newAuthority(t testing.TB, name string, now time.Time) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: now.AddDate(0, 0, -1), NotAfter: now.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	must(t, err)
	c, err := x509.ParseCertificate(der)
	must(t, err)
	return c, k
}

func issue(t testing.TB, by *x509.Certificate, k crypto.Signer, public crypto.PublicKey, now time.Time) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "cluster"}, NotBefore: now.AddDate(0, 0, -1), NotAfter: now.AddDate(1, 0, 0),
	}, by, public, k)
	must(t, err)
	return inPEM(der)
}

func inPEM(der []byte) []byte {
	var b bytes.Buffer
	_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // a buffer takes everything
	return b.Bytes()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused ends the test unless err is of the kind and reason.
func refused(t testing.TB, what string, err error, kind fault.Kind, reason fault.Reason) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind || fault.ReasonOf(err) != reason {
		t.Errorf("%s: %v, want %s (reason %d)", what, err, kind, reason)
	}
}
