package managed_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/managed"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const (
	realm     = key.DefaultRealm
	region    = "eu-central-1"
	principal = "renewals.example.com"
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

// since returns the actions of the entries after the first n.
func (l *ledger) since(n int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []string
	for _, e := range l.entries[n:] {
		list = append(list, e.Action.String()+" "+e.Result)
	}
	return list
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

// people are the identities of the tests: each user's policies by name.
type people map[string][]*policy.Policy

func (p people) Policies(c *key.Caller) []*policy.Policy { return p[c.Principal.Name] }

// fixture is managed certificates over real keys and authorities, in memory,
// with a clock that the test moves.
type fixture struct {
	*managed.Service
	t         *testing.T
	keys      *kms.Service
	ca        *ca.Service
	store     store.Store
	log       *ledger
	people    people
	clock     time.Time
	authority *ca.Authority
	config    managed.Config
	disk      *failing
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	disk := &failing{Store: mem.New()}
	f := &fixture{t: t, store: disk, disk: disk, log: &ledger{}, people: people{}, clock: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	f.let("admin", `"*"`)
	root, err := seal.Ephemeral()
	must(t, err)
	engine, err := soft.New(seal.NewKeyring(root, f.store), soft.Options{PureGo: true})
	must(t, err)
	t.Cleanup(func() { must(t, engine.Close()) })
	g, now := guard.New(f.log, f.people), func() time.Time { return f.clock }
	compile := func(d key.Document) (*policy.Policy, error) {
		return policy.Compile([]byte(d.Text), policy.ForResource, aws.Vocabulary())
	}
	f.keys, err = kms.New(t.Context(), kms.Config{
		Guard: g, Store: f.store, Engine: engine, DefaultPolicy: aws.DefaultKeyPolicy, Compile: compile, Now: now,
	})
	must(t, err)
	f.ca, err = ca.New(t.Context(), ca.Config{Keys: f.keys, Guard: g, Store: f.store, Now: now, Compile: compile})
	must(t, err)
	f.config = managed.Config{Keys: f.keys, Authorities: f.ca, Guard: g, Store: f.store, Principal: principal, Now: now}
	f.Service = managed.New(f.config)
	f.authority = f.newAuthority("root", 10*365*24*time.Hour)
	return f
}

// failing is a store whose Updates fail from a number of them on, as when the
// process is killed.
type failing struct {
	store.Store
	done, limit atomic.Int64 // 0 for no limit
}

func (s *failing) Update(ctx context.Context, f func(store.Tx) error) error {
	if n := s.done.Add(1); s.limit.Load() > 0 && n > s.limit.Load()-1 {
		return &fault.Error{Kind: fault.Unavailable, Public: "killed"}
	}
	return s.Store.Update(ctx, f)
}

// used returns how many Updates were asked for in the latest killAfter.
func (s *failing) used() int { return int(s.done.Load()) }

// killAfter runs f, during which the disk stops after so many transactions.
func (f *fixture) killAfter(n int, run func() error) error {
	f.t.Helper()
	f.disk.done.Store(0)
	f.disk.limit.Store(int64(n) + 1)
	defer f.disk.limit.Store(0)
	return run()
}

func (f *fixture) subject(name string) profile.Subject { return profile.Subject{CommonName: name} }

// let gives a user an identity policy that allows actions, as JSON.
func (f *fixture) let(user, actions string) {
	f.t.Helper()
	p, err := policy.Compile([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":`+actions+`,"Resource":"*"}}`),
		policy.ForIdentity, aws.Vocabulary())
	must(f.t, err)
	f.people[user] = []*policy.Policy{p}
}

func (f *fixture) newAuthority(name string, validity time.Duration) *ca.Authority {
	f.t.Helper()
	k, err := f.keys.CreateKey(f.t.Context(), f.admin(), &kms.CreateKeyRequest{Spec: alg.P256, Usage: alg.SignVerify})
	must(f.t, err)
	a, err := f.ca.CreateAuthority(f.t.Context(), f.admin(), &ca.CreateAuthorityRequest{
		Name: name, Key: kms.Ref{ID: k.Name.ID}, Subject: profile.Subject{CommonName: name}, Validity: validity,
	})
	must(f.t, err)
	return a
}

// permit gives the service that renews its permission on the authority.
func (f *fixture) permit() {
	f.t.Helper()
	_, err := f.ca.CreatePermission(f.t.Context(), f.admin(), f.authority.ID, ca.Permission{
		Principal: principal, Actions: []key.Action{key.IssueCertificate, key.GetCertificate},
	})
	must(f.t, err)
}

// as returns the envelope of a call by a user.
func (f *fixture) as(user string) *key.Call {
	return &key.Call{
		Caller: key.Caller{
			Principal: key.Principal{Realm: realm, Kind: key.User, Name: user}, Credential: "AKIA" + user, Method: "sigv4",
		},
		RequestID: "request", API: "test", Operation: "Test", Region: region, Time: f.clock, Secure: true,
	}
}

func (f *fixture) admin() *key.Call { return f.as("admin") }

// request makes a certificate of the fixture's authority.
func (f *fixture) request(domain string) *managed.Certificate {
	f.t.Helper()
	c, err := f.Request(f.t.Context(), f.admin(), &managed.Request{Authority: f.authority.ID, Domain: domain, Spec: alg.P256})
	must(f.t, err)
	return c
}

// describe reads a certificate back.
func (f *fixture) describe(id string) *managed.Certificate {
	f.t.Helper()
	c, err := f.Describe(f.t.Context(), f.admin(), id)
	must(f.t, err)
	return c
}

func (f *fixture) tick() {
	f.t.Helper()
	if _, err := f.Tick(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want fails the test unless err has the kind and reason.
func want(t *testing.T, err error, kind fault.Kind, reason fault.Reason) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind || fault.ReasonOf(err) != reason {
		t.Errorf("got error %v (reason %d), want kind %q with reason %d", err, fault.ReasonOf(err), kind, reason)
	}
}

// foreign is a hierarchy from elsewhere: a root, and what it issues.
type foreign struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	root *x509.Certificate
	now  time.Time
}

func newForeign(t *testing.T, now time.Time) *foreign {
	t.Helper()
	f := &foreign{t: t, key: newEC(t, elliptic.P256()), now: now}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Foreign Root"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(9, 0, 0), KeyUsage: x509.KeyUsageCertSign,
	}
	f.root = f.sign(template, template, f.key)
	return f
}

func newEC(t *testing.T, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	must(t, err)
	return k
}

func (f *foreign) sign(template, issuer *x509.Certificate, k crypto.Signer) *x509.Certificate {
	f.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, k.Public(), f.key)
	must(f.t, err)
	c, err := x509.ParseCertificate(der)
	must(f.t, err)
	return c
}

// leaf returns the template of a server's certificate.
func (f *foreign) leaf(names ...string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	must(f.t, err)
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, BasicConstraintsValid: true,
		NotBefore: f.now.AddDate(0, -1, 0), NotAfter: f.now.AddDate(0, 2, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

// bring returns the request to import a certificate of the template.
func (f *foreign) bring(template *x509.Certificate, k crypto.Signer) *managed.Import {
	f.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(k)
	must(f.t, err)
	return &managed.Import{Certificate: f.sign(template, f.root, k).Raw, Chain: [][]byte{f.root.Raw}, Key: der}
}
