package inventory

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// start is when the tests begin.
var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// fixture is an inventory with authorities that are there for it alone.
type fixture struct {
	*Service
	house *house
	store store.Store
	log   *recorder
	sink  *sink
	mu    sync.Mutex // held while clock is changed, and by others than the test
	clock time.Time
}

// pass lets time pass.
func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clock = f.clock.Add(d)
}

// house has authorities, and issues for them.
type house struct {
	mu     sync.Mutex // guards what follows
	list   []*ca.Authority
	keys   map[string]crypto.Signer
	issued func(*ca.Certificate)
}

func (h *house) Find(call *key.Call, idOrName string) (*ca.Authority, error) {
	for _, a := range h.All() {
		if a.ID == idOrName || a.Name == idOrName && a.Realm == call.Caller.Principal.Realm {
			return a, nil
		}
	}
	return nil, fault.New(fault.NotFound, "the authority does not exist")
}

func (h *house) All() []*ca.Authority {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.SortedFunc(slices.Values(h.list), func(a, b *ca.Authority) int { return strings.Compare(a.ID, b.ID) })
}

func (h *house) OnIssued(f func(*ca.Certificate)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.issued = f
}

// recorder keeps audit entries.
type recorder struct {
	mu      sync.Mutex // guards entries
	entries []audit.Entry
}

func (r *recorder) Enqueue(e *audit.Entry) (audit.Position, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = append(r.entries, *e)
	return audit.Position(len(r.entries)), nil
}

func (r *recorder) Wait(context.Context, audit.Position) error { return nil }

func (r *recorder) last() audit.Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entries[len(r.entries)-1]
}

// directory lets "admin" do everything and "reader" list certificates of one
// authority.
type directory struct{ admin, reader *policy.Policy }

func (d *directory) Policies(c *key.Caller) []*policy.Policy {
	switch c.Principal.Name {
	case "admin":
		return []*policy.Policy{d.admin}
	case "reader":
		return []*policy.Policy{d.reader}
	}
	return nil
}

// sink keeps what is put into it.
type sink struct {
	mu    sync.Mutex // guards what follows
	files map[string]string
	err   error
	// hold, when it is not nil, has Put wait until it is closed.
	hold chan struct{}
}

func (s *sink) Put(ctx context.Context, bucket, name, contentType string, content io.Reader) error {
	s.mu.Lock()
	hold, failure := s.hold, s.err
	s.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if failure != nil {
		return failure
	}
	text, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[bucket+"/"+name+" "+contentType] = string(text)
	return nil
}

// idle is a sink that takes nothing.
type idle struct{}

func (idle) Put(context.Context, string, string, string, io.Reader) error { return nil }

func compile(t testing.TB, document string) *policy.Policy {
	t.Helper()
	p, err := policy.Compile([]byte(document), policy.ForIdentity, aws.Vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{
		house: &house{keys: map[string]crypto.Signer{}}, store: mem.New(), log: &recorder{},
		sink: &sink{files: map[string]string{}}, clock: start,
	}
	f.authority(t, key.DefaultRealm, "alpha")
	f.open(t)
	return f
}

// open starts the inventory on the fixture's store, as after a restart.
func (f *fixture) open(t testing.TB) {
	t.Helper()
	allow := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	ids := &directory{admin: compile(t, allow), reader: compile(t, strings.NewReplacer(`"Action":"*"`, `"Action":"holdfast:ListCertificates"`,
		`"Resource":"*"`, `"Resource":"arn:aws:acm-pca:us-east-1:*:certificate-authority/`+f.house.All()[0].ID+`"`).Replace(allow))}
	s, err := New(t.Context(), Config{
		Authorities: f.house, Guard: guard.New(f.log, ids), Store: f.store, Sink: f.sink, Styles: map[string]Style{"plain": plain{}},
		Now: func() time.Time {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.clock
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Service = s
	t.Cleanup(func() {
		if err := s.Close(); err != nil && fault.KindOf(err) != fault.Unavailable {
			t.Error(err)
		}
	})
}

// caughtUp waits until the index is ready.
func (f *fixture) caughtUp(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !f.index.ready(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the index does not become ready")
		}
	}
}

// authority makes an authority with a self-signed certificate.
func (f *fixture) authority(t testing.TB, realm key.RealmID, name string) *ca.Authority {
	t.Helper()
	signer := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Authority " + name}, NotBefore: start, NotAfter: start.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a := &ca.Authority{
		ID: uuid.NewString(), Name: name, Realm: realm, Region: "us-east-1", State: ca.Active,
		Certificate: newCertificate(t, template, template, signer.Public(), signer),
	}
	f.house.mu.Lock()
	defer f.house.mu.Unlock()
	f.house.list = append(f.house.list, a)
	f.house.keys[a.ID] = signer
	return a
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newCertificate(t testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// spec is what a test wants of a certificate.
type spec struct {
	common    string
	names     []string
	profile   string
	requester string
	days      int // until it ends, from the clock; 0 means 90
	age       int // in days
	signer    crypto.Signer
	revoked   ca.Reason // with its time when it is not 0
}

// template returns the certificate of a spec.
func (f *fixture) template(t testing.TB, s spec) *x509.Certificate {
	t.Helper()
	serial, err := cert.NewSerial(f.clock, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if s.days == 0 {
		s.days = 90
	}
	out := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: s.common, Organization: []string{"Holdfast"}},
		NotBefore: f.clock.AddDate(0, 0, -s.age).Add(-time.Minute).Truncate(time.Second), NotAfter: f.clock.AddDate(0, 0, s.days).Truncate(time.Second),
	}
	for _, n := range s.names {
		switch {
		case strings.Contains(n, "://"):
			u, err := url.Parse(n)
			if err != nil {
				t.Fatal(err)
			}
			out.URIs = append(out.URIs, u)
		case strings.Contains(n, "@"):
			out.EmailAddresses = append(out.EmailAddresses, n)
		case net.ParseIP(n) != nil:
			out.IPAddresses = append(out.IPAddresses, net.ParseIP(n))
		default:
			out.DNSNames = append(out.DNSNames, n)
		}
	}
	return out
}

// issue has an authority issue a certificate, as package ca does.
func (f *fixture) issue(t testing.TB, a *ca.Authority, s spec) *ca.Certificate {
	t.Helper()
	if s.signer == nil {
		s.signer = newKey(t)
	}
	issuer, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	template := f.template(t, s)
	der := newCertificate(t, template, issuer, s.signer.Public(), f.house.keys[a.ID])
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	c := &ca.Certificate{
		Authority: a.ID, Serial: cert.SerialText(template.SerialNumber), DER: der, Subject: parsed.Subject.String(), Names: namesOf(parsed),
		Profile: s.profile, Requester: s.requester, IssuedAt: f.clock, NotBefore: parsed.NotBefore, NotAfter: parsed.NotAfter,
	}
	if s.revoked != 0 {
		at := f.clock.Truncate(time.Second)
		c.RevokedAt, c.Reason = &at, s.revoked
	}
	f.put(t, c)
	return c
}

// put stores a certificate as package ca does.
func (f *fixture) put(t testing.TB, c *ca.Certificate) {
	t.Helper()
	err := f.store.Update(t.Context(), func(tx store.Tx) error {
		if c.RevokedAt != nil {
			r := ca.Revocation{Authority: c.Authority, Serial: c.Serial, At: *c.RevokedAt, Reason: c.Reason, Expires: c.NotAfter}
			if err := tx.Put(store.Revocations, r.Row()); err != nil {
				return err
			}
		}
		if err := tx.Insert(store.Certificates, c.Row()); err != nil {
			return err
		}
		f.house.mu.Lock()
		defer f.house.mu.Unlock()
		if f.house.issued != nil {
			f.house.issued(c)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// as returns a new call by a user of the default realm.
func (f *fixture) as(user string) *key.Call {
	return &key.Call{
		Caller:    key.Caller{Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: user}, Method: "test"},
		RequestID: uuid.NewString(), API: "test", Region: "us-east-1", Time: f.clock,
	}
}

// foreigner returns a call by the root of another realm.
func (f *fixture) foreigner() *key.Call {
	call := f.as("")
	call.Caller.Principal = key.Principal{Realm: "000000000042", Kind: key.Root}
	return call
}

// wantFault checks an error's kind and text.
func wantFault(t testing.TB, err error, kind fault.Kind, text string) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want %v with %q", err, kind, text)
	}
}

// plain is a style of reports.
type plain struct{}

func (plain) Columns() []string { return []string{"authority", "serial", "revoked"} }

func (plain) Row(a *ca.Authority, c *ca.Certificate) []string {
	revoked := ""
	if c.RevokedAt != nil {
		revoked = c.RevokedAt.Format(time.RFC3339)
	}
	return []string{a.Name, c.Serial, revoked}
}

func (plain) Name(a *ca.Authority, report string, f Format) string {
	return "reports/" + a.Name + "/" + report + "." + string(f)
}

var errBroken = errors.New("broken")
