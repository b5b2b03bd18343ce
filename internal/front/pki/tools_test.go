package pki_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	xocsp "golang.org/x/crypto/ocsp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/front/pki"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/status"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

type plainWrapper struct{}

func (plainWrapper) Wrap(_ key.RealmID, plaintext, _ []byte) ([]byte, error) {
	return bytes.Clone(plaintext), nil
}

func (plainWrapper) Unwrap(_ key.RealmID, wrapped, _ []byte) ([]byte, error) {
	return bytes.Clone(wrapped), nil
}

// everybody may do everything.
type everybody struct{ policy *policy.Policy }

func (e everybody) Policies(*key.Caller) []*policy.Policy { return []*policy.Policy{e.policy} }

// world is an authority whose status is served over HTTP.
type world struct {
	ca     *ca.Service
	root   *ca.Authority
	server *httptest.Server
	anchor string // the root's certificate in a file
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) call() *key.Call {
	return &key.Call{
		Caller:    key.Caller{Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: "admin"}, Method: "test"},
		RequestID: uuid.NewString(), API: "test", Region: "us-east-1",
	}
}

func newWorld(t testing.TB, spec alg.Spec) *world {
	t.Helper()
	compile := func(d key.Document) (*policy.Policy, error) {
		return policy.Compile([]byte(d.Text), policy.ForResource, aws.Vocabulary())
	}
	all, err := policy.Compile([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`), policy.ForIdentity, aws.Vocabulary())
	must(t, err)
	s, g := mem.New(), guard.New(audit.NewMemory(1000), everybody{all})
	engine, err := soft.New(plainWrapper{}, soft.Options{Log: slog.New(slog.DiscardHandler), PureGo: true})
	must(t, err)
	keys, err := kms.New(t.Context(), kms.Config{Guard: g, Store: s, Engine: engine, Compile: compile, DefaultPolicy: aws.DefaultKeyPolicy})
	must(t, err)
	w := &world{}
	var handler http.Handler
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { handler.ServeHTTP(rw, r) }))
	t.Cleanup(w.server.Close)
	w.ca, err = ca.New(t.Context(), ca.Config{Keys: keys, Guard: g, Store: s, PublicURL: w.server.URL, Compile: compile})
	must(t, err)
	published, err := status.New(t.Context(), status.Config{Authorities: w.ca, Keys: keys, Guard: g, Store: s, Dir: t.TempDir()})
	must(t, err)
	handler = pki.New(pki.Config{Status: published})
	k, err := keys.CreateKey(t.Context(), w.call(), &kms.CreateKeyRequest{Spec: spec, Usage: alg.SignVerify})
	must(t, err)
	w.root, err = w.ca.CreateAuthority(t.Context(), w.call(), &ca.CreateAuthorityRequest{
		Name: "root", Key: kms.Ref{ID: k.Name.ID}, Subject: profile.Subject{CommonName: "Root"},
	})
	must(t, err)
	w.anchor = write(t, w.root.Certificate)
	return w
}

func (w *world) issue(t testing.TB) *ca.Certificate {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"a.example.com"}}, k)
	must(t, err)
	c, err := w.ca.Issue(t.Context(), w.call(), &ca.IssueRequest{Authority: "root", Profile: "tls-server", CSR: csr})
	must(t, err)
	return c.Certificate
}

func write(t testing.TB, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "certificate.pem")
	must(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return path
}

func openssl(t testing.TB, in []byte, args ...string) (string, error) {
	t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("SKIP: openssl is not installed: its judgement of what is published is missing")
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (w *world) get(t testing.TB, path string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+path, http.NoBody)
	must(t, err)
	answer, err := w.server.Client().Do(r)
	must(t, err)
	defer answer.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(answer.Body)
	must(t, err)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, answer.Status)
	}
	return body
}

// TestOpenSSL: openssl finds lists and the responder by what the certificate
// says, and sees a revocation at once.
func TestOpenSSL(t *testing.T) {
	w := newWorld(t, alg.P256)
	c := w.issue(t)
	leaf := write(t, c.DER)
	check := func(word string) {
		t.Helper()
		uri, err := openssl(t, nil, "x509", "-in", leaf, "-noout", "-ocsp_uri")
		must(t, err)
		out, err := openssl(t, nil, "ocsp", "-issuer", w.anchor, "-CAfile", w.anchor, "-cert", leaf, "-url", strings.TrimSpace(uri))
		if err != nil || !strings.Contains(out, "Response verify OK") || !strings.Contains(out, ": "+word) || strings.Contains(out, "WARNING") {
			t.Errorf("ocsp, %s: %v\n%s", word, err, out)
		}
		out, err = openssl(t, nil, "verify", "-crl_check", "-crl_download", "-x509_strict", "-CAfile", w.anchor, leaf)
		if (err == nil) != (word == "good") {
			t.Errorf("list, %s: %v\n%s", word, err, out)
		}
		if got := w.byGET(t, c); got != map[string]int{"good": xocsp.Good, "revoked": xocsp.Revoked}[word] {
			t.Errorf("GET, %s: %d", word, got)
		}
	}
	check("good")
	_, err := w.ca.Revoke(t.Context(), w.call(), "root", c.Serial, ca.KeyCompromise)
	must(t, err)
	check("revoked")

	// What stands under the other addresses is what it says.
	id := "/pki/" + w.root.ID
	if out, err := openssl(t, w.get(t, id+"/issuers.p7c"), "pkcs7", "-inform", "DER", "-print_certs", "-noout"); err != nil || !strings.Contains(out, "CN = Root") {
		t.Errorf("%v\n%s", err, out)
	}
	if !bytes.Equal(w.get(t, id+".cer"), w.root.Certificate) {
		t.Error("not the authority's certificate")
	}
	if block, _ := pem.Decode(w.get(t, id+".pem")); block == nil || !bytes.Equal(block.Bytes, w.root.Certificate) {
		t.Error("not the authority's chain")
	}
}

// byGET asks as RFC 5019 has it.
func (w *world) byGET(t testing.TB, c *ca.Certificate) int {
	t.Helper()
	leaf, err := x509.ParseCertificate(c.DER)
	must(t, err)
	ask, err := xocsp.CreateRequest(leaf, w.root.X509(), &xocsp.RequestOptions{Hash: crypto.SHA1})
	must(t, err)
	der := w.get(t, "/pki/ocsp/"+url.PathEscape(base64.StdEncoding.EncodeToString(ask)))
	got, err := xocsp.ParseResponseForCert(der, leaf, w.root.X509())
	must(t, err)
	return got.Status
}

// BenchmarkOCSP is an answer signed ahead, with everything of HTTP but the
// network.
func BenchmarkOCSP(b *testing.B) {
	w := newWorld(b, alg.P256)
	c := w.issue(b)
	leaf, err := x509.ParseCertificate(c.DER)
	must(b, err)
	ask, err := xocsp.CreateRequest(leaf, w.root.X509(), nil)
	must(b, err)
	path := "/pki/" + w.root.ID + "/ocsp"
	for _, one := range []struct{ name, method, path string }{
		{"POST", http.MethodPost, path}, {"GET", http.MethodGet, path + "/" + url.PathEscape(base64.StdEncoding.EncodeToString(ask))},
	} {
		b.Run(one.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequestWithContext(context.Background(), one.method, one.path, bytes.NewReader(ask))
				r.Header.Set("Content-Type", "application/ocsp-request")
				rw := httptest.NewRecorder()
				if w.server.Config.Handler.ServeHTTP(rw, r); rw.Code != http.StatusOK {
					b.Fatal(rw.Code)
				}
			}
		})
	}
}
