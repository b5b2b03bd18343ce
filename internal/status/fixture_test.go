package status

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	xocsp "golang.org/x/crypto/ocsp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// plainWrapper wraps nothing: the seal is not what these tests are about.
type plainWrapper struct{}

func (plainWrapper) Wrap(_ key.RealmID, plaintext, _ []byte) ([]byte, error) {
	return bytes.Clone(plaintext), nil
}

func (plainWrapper) Unwrap(_ key.RealmID, wrapped, _ []byte) ([]byte, error) {
	return bytes.Clone(wrapped), nil
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

func (*recorder) Wait(context.Context, audit.Position) error { return nil }

// count returns how many entries there are of an operation.
func (r *recorder) count(operation string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, e := range r.entries {
		if e.Operation == operation && e.Result == "ok" {
			n++
		}
	}
	return n
}

// people lets everybody called "admin" do everything.
type people struct{ policy *policy.Policy }

func (p people) Policies(c *key.Caller) []*policy.Policy {
	if c.Principal.Name == "admin" {
		return []*policy.Policy{p.policy}
	}
	return nil
}

// fixture is a Service with real keys and authorities, on a clock of its own.
type fixture struct {
	*Service
	ca    *ca.Service
	keys  *kms.Service
	guard *guard.Guard
	store store.Store
	log   *recorder
	dir   string
	sink  Sink

	mu    sync.Mutex // guards clock
	clock time.Time
}

const publicURL = "http://pki.example.com"

func newFixture(t testing.TB) *fixture { return newFixtureOn(t, mem.New(), t.TempDir()) }

func newFixtureOn(t testing.TB, s store.Store, dir string) *fixture {
	t.Helper()
	all, err := policy.Compile([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`), policy.ForIdentity, aws.Vocabulary())
	must(t, err)
	f := &fixture{store: s, log: &recorder{}, dir: dir, clock: time.Now().UTC().Truncate(time.Second)}
	f.guard = guard.New(f.log, people{all})
	engine, err := soft.New(plainWrapper{}, soft.Options{Log: slog.New(slog.DiscardHandler), PureGo: true})
	must(t, err)
	f.keys, err = kms.New(t.Context(), kms.Config{Guard: f.guard, Store: f.store, Engine: engine, Compile: compile, DefaultPolicy: aws.DefaultKeyPolicy})
	must(t, err)
	f.open(t)
	return f
}

func compile(d key.Document) (*policy.Policy, error) {
	return policy.Compile([]byte(d.Text), policy.ForResource, aws.Vocabulary())
}

// open starts the authorities and the Service, as after a restart.
func (f *fixture) open(t testing.TB) {
	t.Helper()
	var err error
	f.ca, err = ca.New(t.Context(), ca.Config{Keys: f.keys, Guard: f.guard, Store: f.store, PublicURL: publicURL, Now: f.now, Compile: compile})
	must(t, err)
	f.Service, err = New(t.Context(), Config{
		Authorities: f.ca, Keys: f.keys, Guard: f.guard, Store: f.store, Dir: f.dir, Now: f.now, Sink: f.sink,
	})
	must(t, err)
}

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clock
}

func (f *fixture) sleep(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clock = f.clock.Add(d)
}

func (f *fixture) admin() *key.Call {
	return &key.Call{
		Caller:    key.Caller{Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: "admin"}, Method: "test"},
		RequestID: uuid.NewString(), API: "test", Region: "us-east-1", Time: f.now(),
	}
}

// authority makes an authority on a new key.
func (f *fixture) authority(t testing.TB, name string, spec alg.Spec, algorithm alg.Algorithm) *ca.Authority {
	t.Helper()
	k, err := f.keys.CreateKey(t.Context(), f.admin(), &kms.CreateKeyRequest{Spec: spec, Usage: alg.SignVerify})
	must(t, err)
	a, err := f.ca.CreateAuthority(t.Context(), f.admin(), &ca.CreateAuthorityRequest{
		Name: name, Key: kms.Ref{ID: k.Name.ID}, Algorithm: algorithm, Subject: profile.Subject{CommonName: "Test " + name, Organization: "Holdfast"},
	})
	must(t, err)
	return a
}

// configure changes how an authority publishes.
func (f *fixture) configure(t testing.TB, id string, edit func(*ca.RevocationConfig)) {
	t.Helper()
	c := ca.DefaultRevocation()
	edit(&c)
	_, err := f.ca.UpdateAuthority(t.Context(), f.admin(), id, ca.Update{Revocation: &c})
	must(t, err)
}

// issue issues a server's certificate.
func (f *fixture) issue(t testing.TB, authority string) *ca.Certificate {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"a.example.com"}}, k)
	must(t, err)
	c, err := f.ca.Issue(t.Context(), f.admin(), &ca.IssueRequest{Authority: authority, Profile: "tls-server", CSR: csr})
	must(t, err)
	return c.Certificate
}

func (f *fixture) revoke(t testing.TB, c *ca.Certificate, r ca.Reason) {
	t.Helper()
	_, err := f.ca.Revoke(t.Context(), f.admin(), c.Authority, c.Serial, r)
	must(t, err)
}

func (f *fixture) release(t testing.TB, c *ca.Certificate) {
	t.Helper()
	_, err := f.ca.Release(t.Context(), f.admin(), c.Authority, c.Serial)
	must(t, err)
}

// tick ticks until nothing is due.
func (f *fixture) tick(t testing.TB) {
	t.Helper()
	for {
		more, err := f.Tick(t.Context())
		must(t, err)
		if !more {
			return
		}
	}
}

// list returns a list and what is on it.
func (f *fixture) list(t testing.TB, id, shard string, delta bool) (*List, *x509.RevocationList) {
	t.Helper()
	l, err := f.PublicCRL(t.Context(), id, shard, delta)
	must(t, err)
	der, err := l.DER()
	must(t, err)
	parsed, err := x509.ParseRevocationList(der)
	must(t, err)
	a, _ := f.ca.ByID(id)
	if a.Spec.Info().Family != alg.MLDSA {
		must(t, parsed.CheckSignatureFrom(a.X509()))
	}
	if parsed.Number.Uint64() != l.Number || !parsed.NextUpdate.Equal(l.NextUpdate) || !parsed.ThisUpdate.Equal(l.ThisUpdate) ||
		len(parsed.RevokedCertificateEntries) != l.Entries || int64(len(der)) != l.Size {
		t.Errorf("the list says %s, %s, %s, %d entries; the record %+v", parsed.Number, parsed.ThisUpdate, parsed.NextUpdate, len(parsed.RevokedCertificateEntries), l)
	}
	return l, parsed
}

// listed returns the reasons on a list by serial number.
func (f *fixture) listed(t testing.TB, id, shard string, delta bool) map[string]ca.Reason {
	t.Helper()
	_, parsed := f.list(t, id, shard, delta)
	out := map[string]ca.Reason{}
	for _, e := range parsed.RevokedCertificateEntries {
		out[cert.SerialText(e.SerialNumber)] = ca.Reason(e.ReasonCode)
	}
	return out
}

// ask asks for a certificate's status, as golang.org/x/crypto/ocsp does, and
// returns what it reads and the answer.
func (f *fixture) ask(t testing.TB, c *ca.Certificate) (*xocsp.Response, *Answer) {
	t.Helper()
	a, _ := f.ca.ByID(c.Authority)
	leaf, err := x509.ParseCertificate(c.DER)
	must(t, err)
	request, err := xocsp.CreateRequest(leaf, a.X509(), &xocsp.RequestOptions{Hash: crypto.SHA256})
	must(t, err)
	answer := f.Respond(t.Context(), c.Authority, request)
	got, err := xocsp.ParseResponseForCert(answer.DER, leaf, a.X509())
	if err != nil {
		t.Fatalf("%v (%s)", err, answer.Failure)
	}
	return got, answer
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write writes PEM blocks of one type to a file and returns its path.
func write(t testing.TB, file, blockType string, ders ...[]byte) string {
	t.Helper()
	var b bytes.Buffer
	for _, der := range ders {
		must(t, pem.Encode(&b, &pem.Block{Type: blockType, Bytes: der}))
	}
	path := filepath.Join(t.TempDir(), file)
	must(t, os.WriteFile(path, b.Bytes(), 0o600))
	return path
}

// tool runs a program that is not ours and returns its output. A machine
// without it skips the rest of the test, and says so.
func tool(t testing.TB, program string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("SKIP: %s is not installed: its judgement of our lists and answers is missing", program)
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// bucket is a Sink that keeps files in memory, or fails.
type bucket struct {
	mu    sync.Mutex // guards what follows
	files map[string][]byte
	err   error
}

func (b *bucket) Put(_ context.Context, name, file, contentType string, content io.Reader) error {
	der, err := io.ReadAll(content)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil || err != nil {
		return b.err
	}
	b.files[name+"/"+file+" "+contentType] = der
	return nil
}

// refTo returns the authority's key.
func refTo(a *ca.Authority) kms.Ref { return kms.Ref{ID: a.Key} }

func refID(id key.ID) kms.Ref { return kms.Ref{ID: id} }
