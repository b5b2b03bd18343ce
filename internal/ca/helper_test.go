package ca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/mldsa"
	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// Extensions of requests (RFC 5280 section 4.2).
var (
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidExtendedKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
)

// fakeKeys is a door of plain in-memory keys: it stands for kms.Service where
// a test is about certificates and not about keys.
type fakeKeys struct {
	mu      sync.Mutex // guards what follows
	keys    map[key.ID]*fakeKey
	aliases map[string]key.ID
	// made counts the keys that CreateKey made.
	made int
	// ended are the keys that their owners scheduled the deletion of.
	ended []key.ID
	// corrupt breaks every signature that a delegate makes.
	corrupt bool
	// pool, when set, is where RSA keys come from: making them is slow.
	pool *keyPool
}

// keyPool keeps a few RSA keys of each size for many hierarchies.
type keyPool struct {
	mu   sync.Mutex // guards what follows
	keys map[alg.Spec][]crypto.Signer
	next int
}

// poolSize is more than the keys of one size that one hierarchy needs.
const poolSize = 4

func (p *keyPool) take(spec alg.Spec) (crypto.Signer, error) {
	if p == nil || spec.Info().Family != alg.RSA {
		return makeKey(spec)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.keys == nil {
		p.keys = map[alg.Spec][]crypto.Signer{}
	}
	if len(p.keys[spec]) < poolSize {
		k, err := makeKey(spec)
		if err != nil {
			return nil, err
		}
		p.keys[spec] = append(p.keys[spec], k)
		return k, nil
	}
	p.next++
	return p.keys[spec][p.next%poolSize], nil
}

type fakeKey struct {
	meta     *key.Key
	signer   crypto.Signer
	disabled bool
	grantees []string
}

func (f *fakeKeys) add(t testing.TB, spec alg.Spec) kms.Ref {
	t.Helper()
	k, err := f.create(spec)
	if err != nil {
		t.Fatal(err)
	}
	return kms.Ref{ID: k.Name.ID}
}

func (f *fakeKeys) create(spec alg.Spec) (*key.Key, error) {
	signer, err := f.pool.take(spec)
	if err != nil {
		return nil, err
	}
	spki, err := engine.MarshalPublic(spec, signer.Public())
	if err != nil {
		return nil, err
	}
	meta := &key.Key{
		Name: key.Name{Realm: key.DefaultRealm, Region: "us-east-1", ID: key.ID(uuid.NewString())},
		Spec: spec, Usage: alg.SignVerify, State: key.Enabled,
		Versions: []key.Version{{Number: 1, Public: spki}},
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keys == nil {
		f.keys, f.aliases = map[key.ID]*fakeKey{}, map[string]key.ID{}
	}
	f.keys[meta.Name.ID] = &fakeKey{meta: meta, signer: signer}
	return meta, nil
}

func (f *fakeKeys) get(ref kms.Ref) (*fakeKey, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ref.Alias != "" {
		ref.ID = f.aliases[ref.Alias]
	}
	if k := f.keys[ref.ID]; k != nil {
		return k, nil
	}
	return nil, fault.New(fault.NotFound, "the key does not exist")
}

func (f *fakeKeys) Delegate(_ context.Context, _ *key.Call, ref kms.Ref, grantee string) (*key.Key, error) {
	k, err := f.get(ref)
	if err != nil {
		return nil, err
	}
	k.grantees = append(k.grantees, grantee)
	return k.meta, nil
}

func (f *fakeKeys) DelegatedSigner(_ context.Context, _ *key.Call, grantee string, id key.ID, _ alg.Algorithm) (crypto.Signer, error) {
	k, err := f.get(kms.Ref{ID: id})
	if err != nil {
		return nil, err
	}
	if !strings.Contains(strings.Join(k.grantees, " "), grantee) {
		return nil, fault.New(fault.PermissionDenied, "%s holds no grant", grantee)
	}
	return &fakeSigner{k, f}, nil
}

type fakeSigner struct {
	*fakeKey
	keys *fakeKeys
}

func (s *fakeSigner) Public() crypto.PublicKey { return s.signer.Public() }

func (s *fakeSigner) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if s.disabled {
		return nil, fault.Because(fault.WrongState, fault.KeyDisabled, "the key is disabled")
	}
	signature, err := s.signer.Sign(r, digest, opts)
	if err == nil && s.keys.corrupt {
		signature[len(signature)-1] ^= 1
	}
	return signature, err
}

func (f *fakeKeys) CreateKey(_ context.Context, _ *key.Call, req *kms.CreateKeyRequest) (*key.Key, error) {
	f.mu.Lock()
	_, taken := f.aliases[req.Alias]
	f.mu.Unlock()
	if taken {
		return nil, fault.New(fault.AlreadyExists, "the alias exists")
	}
	k, err := f.create(req.Spec)
	if err != nil {
		return nil, err
	}
	k.Exportable = req.Exportable
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made++
	if req.Alias != "" {
		f.aliases[req.Alias] = k.Name.ID
	}
	return k, nil
}

func (f *fakeKeys) Entrust(_ context.Context, _ *key.Call, grantee string, req *kms.ImportKeyRequest) (*key.Key, error) {
	k, err := f.create(req.Spec)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made++
	f.keys[k.Name.ID].grantees = []string{grantee}
	return k, nil
}

func (f *fakeKeys) EndEntrusted(_ context.Context, _ *key.Call, grantee string, id key.ID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.keys[id]
	if k == nil || !slices.Contains(k.grantees, grantee) {
		return fault.New(fault.PermissionDenied, "%s does not own the key", grantee)
	}
	k.disabled = true
	f.ended = append(f.ended, id)
	return nil
}

func (f *fakeKeys) PublicKey(_ context.Context, _ *key.Call, ref kms.Ref) (*kms.PublicKeyResult, error) {
	k, err := f.get(ref)
	if err != nil {
		return nil, err
	}
	return &kms.PublicKeyResult{Key: k.meta, Version: k.meta.Current()}, nil
}

// recorder keeps audit entries, or fails to.
type recorder struct {
	mu      sync.Mutex // guards what follows
	entries []audit.Entry
	full    bool
}

func (r *recorder) Enqueue(e *audit.Entry) (audit.Position, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.full {
		return 0, fault.New(fault.Unavailable, "the disk is full")
	}
	r.entries = append(r.entries, *e)
	return audit.Position(len(r.entries)), nil
}

func (r *recorder) Wait(context.Context, audit.Position) error { return nil }

// last returns the newest entry.
func (r *recorder) last() audit.Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entries[len(r.entries)-1]
}

// detail returns a named fact of an entry.
func detail(e audit.Entry, name string) string {
	for _, d := range e.Details {
		if d.Name == name {
			return d.Value
		}
	}
	return ""
}

// directory gives each user the policy of its name.
type directory struct{ policies map[string]*policy.Policy }

func (d *directory) Policies(c *key.Caller) []*policy.Policy {
	if p := d.policies[c.Principal.Name]; p != nil {
		return []*policy.Policy{p}
	}
	return nil
}

// fixture is a Service with everything around it in memory.
type fixture struct {
	*Service
	keys  *fakeKeys
	log   *recorder
	ids   *directory
	store store.Store
	clock time.Time
}

const allowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

func newFixture(t testing.TB, publicURL string) *fixture {
	t.Helper()
	f := &fixture{
		keys: &fakeKeys{}, log: &recorder{}, ids: &directory{map[string]*policy.Policy{}},
		store: mem.New(), clock: time.Now().UTC(),
	}
	f.grant(t, "admin", allowAll)
	f.Service = f.open(t, publicURL)
	return f
}

// open starts a Service on the fixture's store, as after a restart.
func (f *fixture) open(t testing.TB, publicURL string) *Service {
	t.Helper()
	s, err := New(t.Context(), Config{
		Keys: f.keys, Guard: guard.New(f.log, f.ids), Store: f.store, PublicURL: publicURL, Compile: compilePolicy,
		Now: func() time.Time { return f.clock },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// compilePolicy compiles the policy of a resource.
func compilePolicy(d key.Document) (*policy.Policy, error) {
	return policy.Compile([]byte(d.Text), policy.ForResource, aws.Vocabulary())
}

// grant gives a user an identity policy.
func (f *fixture) grant(t testing.TB, user, document string) {
	t.Helper()
	p, err := policy.Compile([]byte(document), policy.ForIdentity, aws.Vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	f.ids.policies[user] = p
}

// as returns a new call by a user of the default realm.
func (f *fixture) as(user string) *key.Call {
	return &key.Call{
		Caller:    key.Caller{Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: user}, Method: "test"},
		RequestID: uuid.NewString(), API: "test", Region: "us-east-1", Time: f.clock,
	}
}

// authority makes an authority on a new key.
func (f *fixture) authority(t testing.TB, name string, spec alg.Spec, parent string) *Authority {
	t.Helper()
	a, err := f.CreateAuthority(t.Context(), f.as("admin"), &CreateAuthorityRequest{
		Name: name, Key: f.keys.add(t, spec), Subject: profile.Subject{CommonName: "Test " + name, Organization: "Holdfast"}, Parent: parent,
	})
	if err != nil {
		t.Fatalf("authority %s: %v", name, err)
	}
	return a
}

// issue issues a tls-server certificate from a CSR.
func (f *fixture) issue(t testing.TB, authority string, names ...string) *Issued {
	t.Helper()
	c, err := f.Issue(t.Context(), f.as("admin"), &IssueRequest{
		Authority: authority, Profile: "tls-server", CSR: newCSR(t, alg.P256, &x509.CertificateRequest{DNSNames: names}),
	})
	if err != nil {
		t.Fatalf("issuing for %v: %v", names, err)
	}
	return c
}

// newCSR makes a request with a new key.
func newCSR(t testing.TB, spec alg.Spec, template *x509.CertificateRequest) []byte {
	t.Helper()
	signer, err := makeKey(spec)
	if err != nil {
		t.Fatal(err)
	}
	return signCSR(t, signer, template)
}

func signCSR(t testing.TB, signer crypto.Signer, template *x509.CertificateRequest) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, template, signer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// name returns a name with nothing but a common name.
func name(common string) pkix.Name { return pkix.Name{CommonName: common} }

// write writes PEM blocks of one type to a file and returns its path.
func write(t testing.TB, file, blockType string, ders ...[]byte) string {
	t.Helper()
	var b bytes.Buffer
	for _, der := range ders {
		if err := pem.Encode(&b, &pem.Block{Type: blockType, Bytes: der}); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), file)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tool runs a program that is not ours and returns its output. A machine
// without it skips the rest of the test, and says so.
func tool(t testing.TB, program string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("SKIP: %s is not installed: its judgement of our certificates is missing", program)
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// wantFault checks an error's kind, and its reason and text where they are
// not empty.
func wantFault(t testing.TB, err error, kind fault.Kind, reason fault.Reason, text string) {
	t.Helper()
	switch {
	case err == nil:
		t.Fatalf("no error, want %s", kind)
	case fault.KindOf(err) != kind:
		t.Errorf("error %v, want %s", err, kind)
	case reason != 0 && fault.ReasonOf(err) != reason:
		t.Errorf("reason %d of %v, want %d", fault.ReasonOf(err), err, reason)
	case !strings.Contains(err.Error(), text):
		t.Errorf("error %q, want it to say %q", err, text)
	}
}

// makeKey makes a key of a spec.
func makeKey(spec alg.Spec) (crypto.Signer, error) {
	info := spec.Info()
	switch {
	case info.Family == alg.RSA:
		return rsa.GenerateKey(rand.Reader, info.Bits)
	case spec == alg.P256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case spec == alg.P384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case spec == alg.P521:
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	}
	if params, ok := engine.MLDSAParameters(spec); ok {
		return mldsa.GenerateKey(params)
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return private, err
}
