package function_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/function"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/secret"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// ledger is an audit.Recorder that keeps entries in memory.
type ledger struct{ entries []audit.Entry }

func (l *ledger) Enqueue(e *audit.Entry) (audit.Position, error) {
	l.entries = append(l.entries, *e)
	return audit.Position(len(l.entries)), nil
}

func (l *ledger) Wait(context.Context, audit.Position) error { return nil }

// said returns who did what after the first n entries.
func (l *ledger) said(n int) string {
	var list []string
	for _, e := range l.entries[n:] {
		_, kind, _ := strings.Cut(e.Principal, ":")
		list = append(list, kind+" "+e.Action.String()+" "+e.Result)
	}
	return strings.Join(list, ", ")
}

// people are the identities of the tests: each user's policies by name.
type people map[string][]*policy.Policy

func (p people) Policies(c *key.Caller) []*policy.Policy { return p[c.Principal.Name] }

// fixture is functions over real keys, authorities and secrets, in memory.
type fixture struct {
	*function.Service
	t       *testing.T
	keys    *kms.Service
	ca      *ca.Service
	secrets *secret.Service
	log     *ledger
	people  people
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, log: &ledger{}, people: people{}}
	f.let("admin", `"*"`)
	root, err := seal.Ephemeral()
	must(t, err)
	rows := mem.New()
	engine, err := soft.New(seal.NewKeyring(root, rows), soft.Options{PureGo: true})
	must(t, err)
	t.Cleanup(func() { must(t, engine.Close()) })
	g := guard.New(f.log, f.people)
	compile := func(d key.Document) (*policy.Policy, error) {
		return policy.Compile([]byte(d.Text), policy.ForResource, aws.Vocabulary())
	}
	f.keys, err = kms.New(t.Context(), kms.Config{Guard: g, Store: rows, Engine: engine, DefaultPolicy: aws.DefaultKeyPolicy, Compile: compile})
	must(t, err)
	f.ca, err = ca.New(t.Context(), ca.Config{Keys: f.keys, Guard: g, Store: rows, Compile: compile})
	must(t, err)
	f.secrets = secret.New(secret.Config{
		Keys: f.keys, Guard: g, Store: rows, Compile: compile, Alias: aws.SecretsAlias, KeyPolicy: aws.SecretsKeyPolicy, Context: aws.SecretContext,
	})
	f.Service = function.New(function.Config{Keys: f.keys, Authorities: f.ca, Secrets: f.secrets, Guard: g})
	return f
}

// let gives a user an identity policy that allows actions, as JSON.
func (f *fixture) let(user, actions string) {
	f.t.Helper()
	p, err := policy.Compile([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":`+actions+`,"Resource":"*"}}`), policy.ForIdentity, aws.Vocabulary())
	must(f.t, err)
	f.people[user] = []*policy.Policy{p}
}

func (f *fixture) as(user string) *key.Call {
	return &key.Call{
		Caller: key.Caller{Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: user}}, RequestID: "r", API: "test",
		Operation: "test", Region: "us-east-1", Time: time.Now(),
	}
}

func (f *fixture) newKey(spec alg.Spec, alias string) *key.Key {
	f.t.Helper()
	k, err := f.keys.CreateKey(f.t.Context(), f.as("admin"), &kms.CreateKeyRequest{Spec: spec, Usage: alg.SignVerify, Alias: alias})
	must(f.t, err)
	return k
}

func (f *fixture) newAuthority(alias string) *ca.Authority {
	f.t.Helper()
	k := f.newKey(alg.P256, alias)
	a, err := f.ca.CreateAuthority(f.t.Context(), f.as("admin"), &ca.CreateAuthorityRequest{
		Name: "root", Key: kms.Ref{ID: k.Name.ID}, Subject: profile.Subject{CommonName: "Root"}, Validity: 10 * 365 * 24 * time.Hour,
	})
	must(f.t, err)
	return a
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// event is what a function is given.
type event struct {
	issue *function.IssueRequest
	sign  *function.SignRequest
	err   error
}

func (e *event) Issue() (*function.IssueRequest, error) { return e.issue, e.err }
func (e *event) Sign() (*function.SignRequest, error)   { return e.sign, e.err }

const issueName, signName = string(function.IssueCertificate), string(function.SignCACertificate)

// issue invokes issue-certificate.
func (f *fixture) issue(user string, req *function.IssueRequest) (*function.Issued, error) {
	r, err := f.Invoke(f.t.Context(), f.as(user), issueName, &event{issue: req})
	if err != nil {
		return nil, err
	}
	return r.Issued, nil
}

// TestIssue: a certificate and its key are kept as a secret, a second one as
// its next version; every step is the caller's.
func TestIssue(t *testing.T) {
	f := newFixture(t)
	a := f.newAuthority("alias/ca")
	f.let("issuer", `["lambda:InvokeFunction","acm-pca:IssueCertificate","secretsmanager:CreateSecret","secretsmanager:UpdateSecret","kms:GenerateDataKey"]`)
	before := len(f.log.entries)
	req := &function.IssueRequest{CommonName: "web.example.com", Names: []string{"WWW.example.com", "192.0.2.1"}, Days: 90, Authority: a.ID}
	first, err := f.issue("issuer", req)
	must(t, err)
	const want = "user:issuer secret:Create invalid argument, service:ca/* key:Sign ok, user:issuer ca:Issue ok, " +
		"service:secret key:Create ok, user:issuer key:GenerateDataKey ok, user:issuer secret:Create ok, user:issuer function:Invoke ok"
	if got := strings.ReplaceAll(f.log.said(before), a.ID, "*"); got != want {
		t.Errorf("on record is\n%s, want\n%s", got, want)
	}
	if first.Secret.Name != "certificates/web.example.com" || first.CommonName != "web.example.com" {
		t.Errorf("made is %+v", first)
	}
	second, err := f.issue("issuer", req)
	must(t, err)
	if first.Serial == second.Serial || len(second.Secret.Versions) != 2 {
		t.Errorf("the second one is %+v", second)
	}
	kept, err := f.secrets.Get(t.Context(), f.as("admin"), &secret.Choice{Secret: secret.Ref{Text: first.Secret.Name}})
	must(t, err)
	var m function.Material
	must(t, json.Unmarshal(kept.Value.Reveal(), &m))
	check(t, &m, second)
}

// check holds what a secret keeps against what was said of it, and has Go
// verify the certificate.
func check(t *testing.T, m *function.Material, issued *function.Issued) {
	t.Helper()
	block, _ := pem.Decode([]byte(m.Certificate))
	c, err := x509.ParseCertificate(block.Bytes)
	must(t, err)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(m.CertificateChain)) {
		t.Fatal("there is no chain")
	}
	for _, name := range []string{"web.example.com", "www.example.com", "192.0.2.1"} {
		if _, err := c.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
			t.Error(err)
		}
	}
	block, _ = pem.Decode([]byte(m.PrivateKey))
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	must(t, err)
	public, err := x509.MarshalPKIXPublicKey(private.(interface{ Public() crypto.PublicKey }).Public())
	must(t, err)
	if string(public) != string(c.RawSubjectPublicKeyInfo) {
		t.Error("the key is not the certificate's")
	}
	if !m.ExpiresAt.Equal(c.NotAfter) || !issued.NotAfter.Equal(c.NotAfter) || m.CommonName != "web.example.com" || m.IssuedAt.IsZero() {
		t.Errorf("the secret says %+v", m)
	}
	if days := time.Until(c.NotAfter).Hours() / 24; days < 89 || days > 91 {
		t.Errorf("it is valid for %.0f days", days)
	}
}

// TestIssueRefused is the table of refusals. None leaves a certificate behind.
func TestIssueRefused(t *testing.T) {
	f := newFixture(t)
	a := f.newAuthority("alias/ca")
	good := function.IssueRequest{CommonName: "web.example.com", Authority: a.ID}
	_, err := f.secrets.Create(t.Context(), f.as("admin"), &secret.CreateRequest{Name: "certificates/gone.example.com"})
	must(t, err)
	_, err = f.secrets.Delete(t.Context(), f.as("admin"), &secret.DeleteRequest{Secret: secret.Ref{Text: "certificates/gone.example.com"}})
	must(t, err)
	f.let("invoker", `"lambda:InvokeFunction"`)
	f.let("keeper", `["lambda:InvokeFunction","secretsmanager:*","kms:*"]`)
	f.let("signer", `["lambda:InvokeFunction","acm-pca:*"]`)
	f.let("other", `["acm-pca:*","secretsmanager:*","kms:*"]`)
	for what, row := range map[string]struct {
		user   string
		edit   func(*function.IssueRequest)
		kind   fault.Kind
		within bool // the function, not the right to invoke it
	}{
		"nobody's function":            {"other", nil, fault.PermissionDenied, false},
		"who may but invoke":           {"invoker", nil, fault.PermissionDenied, true},
		"who may not issue":            {"keeper", nil, fault.PermissionDenied, true},
		"who may not keep":             {"signer", nil, fault.PermissionDenied, true},
		"no name":                      {"admin", func(r *function.IssueRequest) { r.CommonName = "" }, fault.InvalidArgument, true},
		"no authority":                 {"admin", func(r *function.IssueRequest) { r.Authority = "" }, fault.InvalidArgument, true},
		"an authority that is none":    {"admin", func(r *function.IssueRequest) { r.Authority = "none" }, fault.NotFound, true},
		"a wildcard":                   {"admin", func(r *function.IssueRequest) { r.CommonName = "*.example.com" }, fault.InvalidArgument, true},
		"a name that is none":          {"admin", func(r *function.IssueRequest) { r.Names = []string{"a b"} }, fault.InvalidArgument, true},
		"days before now":              {"admin", func(r *function.IssueRequest) { r.Days = -1 }, fault.InvalidArgument, true},
		"too many days":                {"admin", func(r *function.IssueRequest) { r.Days = 826 }, fault.InvalidArgument, true},
		"a secret that is being ended": {"admin", func(r *function.IssueRequest) { r.CommonName = "gone.example.com" }, fault.WrongState, true},
	} {
		req := good
		if row.edit != nil {
			row.edit(&req)
		}
		before := len(f.log.entries)
		_, err := f.issue(row.user, &req)
		_, within := errors.AsType[*function.Failure](err)
		if err == nil || fault.KindOf(err) != row.kind || within != row.within {
			t.Errorf("%s: %v, within the function: %v", what, err, within)
		}
		if strings.Contains(f.log.said(before), "ca:Issue ok") {
			t.Errorf("%s: a certificate was issued: %s", what, f.log.said(before))
		}
	}
}

// csr returns a request by a new key, with that key.
func csr(t *testing.T, name string) []byte {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, private)
	must(t, err)
	return der
}

// TestSign: a key of no authority signs as a root that is the same each time;
// that of an authority as the authority, which has it on record.
func TestSign(t *testing.T) {
	f := newFixture(t)
	a := f.newAuthority("alias/ca")
	for _, spec := range []alg.Spec{alg.RSA2048, alg.P384, alg.Ed25519} {
		f.newKey(spec, "alias/"+strings.ToLower(strings.ReplaceAll(spec.String(), " ", "-")))
	}
	var roots []string
	for _, row := range []struct{ alias, issuer string }{
		{"alias/" + strings.ToLower(alg.RSA2048.String()), "KMS key "},
		{"alias/" + strings.ToLower(alg.RSA2048.String()), "KMS key "},
		{"alias/" + strings.ToLower(alg.P384.String()), "KMS key "},
		{"alias/" + strings.ToLower(alg.Ed25519.String()), "KMS key "},
		{"alias/ca", "Root"},
	} {
		r, err := f.Invoke(t.Context(), f.as("admin"), signName, &event{sign: &function.SignRequest{CSR: csr(t, "Sub"), Key: kms.Ref{Alias: row.alias}}})
		must(t, err)
		c, err := x509.ParseCertificate(r.Signed.Certificate)
		must(t, err)
		above, err := x509.ParseCertificate(r.Signed.Chain[0])
		must(t, err)
		if err := c.CheckSignatureFrom(above); err != nil || !c.IsCA || c.MaxPathLen != 0 || !strings.HasPrefix(c.Issuer.CommonName, row.issuer) || c.Subject.CommonName != "Sub" {
			t.Errorf("%s: %v, issued by %s", row.alias, err, c.Issuer)
		}
		if err := above.CheckSignatureFrom(above); err != nil {
			t.Errorf("%s: the root: %v", row.alias, err)
		}
		roots = append(roots, string(above.RawTBSCertificate))
	}
	if roots[0] != roots[1] {
		t.Error("a key has two roots")
	}
	_, err := f.ca.Find(f.as("admin"), a.ID)
	must(t, err)
	if !strings.Contains(f.log.said(0), "user:admin ca:Issue ok") {
		t.Error("the authority did not issue")
	}
}

// TestSignOwn: the request of a key's own authority is signed as a root.
func TestSignOwn(t *testing.T) {
	f := newFixture(t)
	k := f.newKey(alg.P256, "alias/own")
	a, err := f.ca.CreateAuthority(t.Context(), f.as("admin"), &ca.CreateAuthorityRequest{
		Name: "own", Key: kms.Ref{ID: k.Name.ID}, Subject: profile.Subject{CommonName: "Own"}, Pending: true, Type: ca.Root,
	})
	must(t, err)
	request, err := f.ca.AuthorityCSR(t.Context(), f.as("admin"), a.ID)
	must(t, err)
	r, err := f.Invoke(t.Context(), f.as("admin"), signName, &event{sign: &function.SignRequest{CSR: request, Key: kms.Ref{Alias: "alias/own"}}})
	must(t, err)
	c, err := x509.ParseCertificate(r.Signed.Certificate)
	must(t, err)
	if err := c.CheckSignatureFrom(c); err != nil || c.Subject.CommonName != "Own" || len(r.Signed.Chain) != 0 {
		t.Errorf("the root is %s: %v", c.Subject, err)
	}
}

// TestSignRefused is the table of refusals.
func TestSignRefused(t *testing.T) {
	f := newFixture(t)
	f.newKey(alg.P256, "alias/own")
	_, err := f.keys.CreateKey(t.Context(), f.as("admin"), &kms.CreateKeyRequest{Spec: alg.RSA2048, Usage: alg.EncryptDecrypt, Alias: "alias/enc"})
	must(t, err)
	f.let("reader", `["lambda:InvokeFunction","kms:GetPublicKey"]`)
	f.let("deaf", `["lambda:InvokeFunction","kms:Sign"]`)
	good := csr(t, "Sub")
	for what, row := range map[string]struct {
		user, alias string
		csr         []byte
		kind        fault.Kind
	}{
		"who may not sign":      {"reader", "alias/own", good, fault.PermissionDenied},
		"who may not look":      {"deaf", "alias/own", good, fault.PermissionDenied},
		"a key that is not":     {"admin", "alias/none", good, fault.NotFound},
		"a key that encrypts":   {"admin", "alias/enc", good, fault.InvalidArgument},
		"no request":            {"admin", "alias/own", []byte{0x30, 0}, fault.InvalidArgument},
		"a request of no name":  {"admin", "alias/own", csr(t, ""), fault.InvalidArgument},
		"a request that is cut": {"admin", "alias/own", good[:len(good)-1], fault.InvalidArgument},
	} {
		_, err := f.Invoke(t.Context(), f.as(row.user), signName, &event{sign: &function.SignRequest{CSR: row.csr, Key: kms.Ref{Alias: row.alias}}})
		if _, within := errors.AsType[*function.Failure](err); !within || fault.KindOf(err) != row.kind {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestInvoke: a dry run does nothing; what is not there is told only to who
// could invoke it; a bug of ours is no failure of the function.
func TestInvoke(t *testing.T) {
	f := newFixture(t)
	f.let("invoker", `"lambda:*"`)
	dry := f.as("invoker")
	dry.DryRun = true
	_, err := f.Invoke(t.Context(), dry, issueName, &event{err: errors.New("read")})
	if fault.ReasonOf(err) != fault.DryRun {
		t.Errorf("a dry run gives %v", err)
	}
	for user, kind := range map[string]fault.Kind{"invoker": fault.NotFound, "nobody": fault.PermissionDenied} {
		if _, err := f.Invoke(t.Context(), f.as(user), "none", &event{}); fault.KindOf(err) != kind {
			t.Errorf("%s gets %v", user, err)
		}
		if _, err := f.Describe(t.Context(), f.as(user), "none"); fault.KindOf(err) != kind {
			t.Errorf("%s gets %v", user, err)
		}
	}
	_, err = f.Invoke(t.Context(), f.as("invoker"), issueName, &event{err: errors.New("a bug")})
	if _, within := errors.AsType[*function.Failure](err); within || err == nil {
		t.Errorf("a bug is %v", err)
	}
	all, err := f.List(t.Context(), f.as("invoker"))
	must(t, err)
	for _, x := range all {
		one, err := f.Describe(t.Context(), f.as("invoker"), string(x.Name))
		must(t, err)
		if *one != x || x.Description == "" || x.Since.IsZero() {
			t.Errorf("%+v is listed as %+v", one, x)
		}
	}
	if _, err := f.List(t.Context(), f.as("nobody")); fault.KindOf(err) != fault.PermissionDenied {
		t.Errorf("nobody gets %v", err)
	}
}
