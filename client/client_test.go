package client_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server"
	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// start starts a development server in memory, sets the variables that its
// env file exports, and stops it at the end of the test.
func start(t *testing.T) *client.Client {
	t.Helper()
	root, err := seal.Ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Data, c.Listen = t.TempDir(), "127.0.0.1:0"
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- server.Run(ctx, server.Options{
			Config: c, Root: root, Log: slog.New(slog.DiscardHandler), Dev: &server.Dev{InMemory: true},
			Ready: func(url string) error { ready <- url; return nil },
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatalf("the server does not start: %v", err)
	}
	source(t, filepath.Join(c.Data, "env"))
	found, err := client.FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func source(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	vars := regexp.MustCompile(`(?m)^export (HOLDFAST_\w+)='([^']*)'$`).FindAllStringSubmatch(string(text), -1)
	if len(vars) == 0 {
		t.Fatalf("%s exports nothing", path)
	}
	for _, v := range vars {
		t.Setenv(v[1], v[2])
	}
}

// make makes a key with an alias.
func makeKey(t *testing.T, c *client.Client, spec, alias string) {
	t.Helper()
	k, err := c.CreateKey(t.Context(), &client.CreateKeyRequest{Spec: spec, Usage: "SIGN_VERIFY"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CreateAlias(t.Context(), alias, k.ID); err != nil {
		t.Fatal(err)
	}
}

// A remote key signs as crypto.Signer promises, and crypto/* verifies it.
func TestSigner(t *testing.T) {
	c := start(t)
	message := []byte("a message")
	sum256, sum384, sum512 := sha256.Sum256(message), sha512.Sum384(message), sha512.Sum512(message)
	ec := func(digest []byte) func(crypto.PublicKey, []byte) bool {
		return func(p crypto.PublicKey, sig []byte) bool { return ecdsa.VerifyASN1(p.(*ecdsa.PublicKey), digest, sig) }
	}
	tests := map[string]struct {
		spec   string
		digest []byte
		opts   crypto.SignerOpts
		ok     func(crypto.PublicKey, []byte) bool
	}{
		"P-256": {"ECC_NIST_P256", sum256[:], crypto.SHA256, ec(sum256[:])},
		"P-384": {"ECC_NIST_P384", sum384[:], crypto.SHA384, ec(sum384[:])},
		"P-521": {"ECC_NIST_P521", sum512[:], crypto.SHA512, ec(sum512[:])},
		"PKCS #1": {"RSA_2048", sum256[:], crypto.SHA256, func(p crypto.PublicKey, sig []byte) bool {
			return rsa.VerifyPKCS1v15(p.(*rsa.PublicKey), crypto.SHA256, sum256[:], sig) == nil
		}},
		"PSS": {"RSA_2048", sum384[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA384}, func(p crypto.PublicKey, sig []byte) bool {
			return rsa.VerifyPSS(p.(*rsa.PublicKey), crypto.SHA384, sum384[:], sig, &rsa.PSSOptions{SaltLength: 48}) == nil
		}},
		"Ed25519": {"ECC_NIST_EDWARDS25519", message, crypto.Hash(0), func(p crypto.PublicKey, sig []byte) bool {
			return ed25519.Verify(p.(ed25519.PublicKey), message, sig)
		}},
		"Ed25519ph": {"ECC_NIST_EDWARDS25519", sum512[:], crypto.SHA512, func(p crypto.PublicKey, sig []byte) bool {
			return ed25519.VerifyWithOptions(p.(ed25519.PublicKey), sum512[:], sig, &ed25519.Options{Hash: crypto.SHA512}) == nil
		}},
	}
	made := map[string]bool{}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			alias := "alias/" + test.spec
			if !made[test.spec] {
				makeKey(t, c, test.spec, alias)
				made[test.spec] = true
			}
			s, err := c.Signer(t.Context(), alias)
			if err != nil {
				t.Fatal(err)
			}
			sig, err := s.Sign(nil, test.digest, test.opts)
			if err != nil || !test.ok(s.Public(), sig) {
				t.Errorf("the signature is wrong: %v", err)
			}
			if sig, err = crypto.SignMessage(s, nil, message, test.opts); err != nil || !test.ok(s.Public(), sig) {
				t.Errorf("the signature of the message is wrong: %v", err)
			}
		})
	}
}

// What a Signer cannot do is said before the server is asked.
func TestSignerRefuses(t *testing.T) {
	c := start(t)
	makeKey(t, c, "RSA_2048", "alias/r")
	makeKey(t, c, "ECC_NIST_EDWARDS25519", "alias/e")
	rsaKey, err := c.Signer(t.Context(), "alias/r")
	if err != nil {
		t.Fatal(err)
	}
	edKey, err := c.Signer(t.Context(), "alias/e")
	if err != nil {
		t.Fatal(err)
	}
	digest := make([]byte, 32)
	tests := map[string]struct {
		s    *client.Signer
		data []byte
		opts crypto.SignerOpts
		want string
	}{
		"SHA-1":                  {rsaKey, make([]byte, 20), crypto.SHA1, "the hash SHA-1 is not supported"},
		"no hash":                {rsaKey, digest, crypto.Hash(0), "is not supported"},
		"another salt":           {rsaKey, digest, &rsa.PSSOptions{SaltLength: 7, Hash: crypto.SHA256}, "a PSS salt of 7 bytes"},
		"short digest":           {rsaKey, digest[:31], crypto.SHA256, "the digest has 31 bytes"},
		"Ed25519 with a hash":    {edKey, digest, crypto.SHA256, "Ed25519 signs the message itself"},
		"Ed25519 with a context": {edKey, digest, &ed25519.Options{Context: "x"}, "Ed25519 with a context"},
	}
	for name, test := range tests {
		if _, err := test.s.Sign(nil, test.data, test.opts); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	k, err := c.CreateKey(t.Context(), &client.CreateKeyRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Signer(t.Context(), k.ID); client.KindOf(err) != client.Unsupported {
		t.Errorf("a signer over a symmetric key: %v", err)
	}
}

// A TLS server whose private key stays in Holdfast serves TLS 1.3 to a client
// that trusts only the root.
func TestTLS(t *testing.T) {
	c := start(t)
	ctx := t.Context()
	for _, name := range []string{"root", "issuing"} {
		makeKey(t, c, "ECC_NIST_P256", "alias/"+name)
	}
	if _, err := c.CreateAuthority(ctx, &client.CreateAuthorityRequest{
		Name: "root", Key: "alias/root", Subject: client.Subject{CommonName: "Root"},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateAuthority(ctx, &client.CreateAuthorityRequest{
		Name: "issuing", Key: "alias/issuing", Parent: "root", Subject: client.Subject{CommonName: "Issuing"},
	}); err != nil {
		t.Fatal(err)
	}
	issued, err := c.Issue(ctx, &client.IssueRequest{
		Authority: "issuing", Profile: "tls-server", NewKey: "RSA_2048", KeyAlias: "alias/web", Names: client.Names{DNS: []string{"web.example.com"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := c.Signer(ctx, "alias/web")
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := signer.Certificate([]byte(issued.Certificate.Certificate + issued.Chain))
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	web.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}
	web.StartTLS()
	defer web.Close()
	chain, err := c.Chain(ctx, "root")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(chain)
	visitor := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: roots, ServerName: "web.example.com", MinVersion: tls.VersionTLS13,
	}}}
	defer visitor.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, web.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := visitor.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "hello" || resp.TLS.Version != tls.VersionTLS13 {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := signer.Certificate(chain); err == nil {
		t.Error("a certificate for another key was taken")
	}
}

// A failure that the server answers is an *Error with what it said.
func TestError(t *testing.T) {
	c := start(t)
	_, err := c.Key(t.Context(), "alias/nobody")
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Kind != client.NotFound || e.Status != 404 || e.RequestID == "" || e.Resource == "" {
		t.Errorf("%#v", err)
	}
}

// Every kind of failure has a constant.
func TestKinds(t *testing.T) {
	constants := map[client.Kind]bool{
		client.Internal: true, client.InvalidArgument: true, client.Unauthenticated: true, client.PermissionDenied: true,
		client.NotFound: true, client.AlreadyExists: true, client.WrongState: true, client.Conflict: true,
		client.Unsupported: true, client.LimitExceeded: true, client.BadCiphertext: true, client.BadSignature: true,
		client.Unavailable: true,
	}
	for _, k := range fault.Kinds() {
		if !constants[client.Kind(native.KindName(k))] {
			t.Errorf("the kind %s has no constant", k)
		}
	}
	if len(constants) != len(fault.Kinds()) {
		t.Errorf("%d constants for %d kinds", len(constants), len(fault.Kinds()))
	}
}

// Only what changes nothing is sent again.
func TestRetries(t *testing.T) {
	var gets, posts int
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posts++
		} else if gets++; gets == 3 {
			_, _ = io.WriteString(w, `{"version":"x","go":"y"}`)
			return
		}
		w.Header().Set("Content-Type", native.TypeProblem)
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"kind":"unavailable","detail":"later"}`)
	}))
	defer s.Close()
	c, err := client.New(client.Config{Address: s.URL, AccessKeyID: "x", SecretAccessKey: "y"})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := c.Version(t.Context()); err != nil || v.Version != "x" || gets != 3 {
		t.Errorf("%v after %d requests", err, gets)
	}
	if _, err := c.Random(t.Context(), 1); client.KindOf(err) != client.Unavailable || posts != 1 {
		t.Errorf("%v after %d requests", err, posts)
	}
}

// What is wrong with a configuration is said at once.
func TestNew(t *testing.T) {
	good := client.Config{Address: "https://kms.example.com", AccessKeyID: "x", SecretAccessKey: "y"}
	tests := map[string]struct {
		change func(*client.Config)
		want   string
	}{
		"good":            {func(*client.Config) {}, ""},
		"plain, loopback": {func(c *client.Config) { c.Address = "http://127.0.0.1:1" }, ""},
		"plain, remote":   {func(c *client.Config) { c.Address = "http://kms.example.com" }, "use https"},
		"no address":      {func(c *client.Config) { c.Address = "" }, "no server address"},
		"no URL":          {func(c *client.Config) { c.Address = "kms.example.com:8443" }, "is no URL"},
		"no credential":   {func(c *client.Config) { c.SecretAccessKey = "" }, "no credential"},
		"no CA file":      {func(c *client.Config) { c.CACert = "/nothing" }, "reading the certificates to trust"},
	}
	for name, test := range tests {
		c := good
		test.change(&c)
		_, err := client.New(c)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// A server that is no Holdfast, and one that does not answer.
func TestStrangers(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("limit") == "1" {
			<-r.Context().Done()
		}
		http.Redirect(w, r, "https://elsewhere.example.com", http.StatusFound)
	}))
	defer s.Close()
	c, err := client.New(client.Config{Address: s.URL, AccessKeyID: "x", SecretAccessKey: "y", Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Version(t.Context()); err == nil || !strings.Contains(err.Error(), "not as Holdfast does") {
		t.Errorf("a redirect: %v", err)
	}
	if _, err := c.Keys(t.Context(), client.Page{Limit: 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silence: %v", err)
	}
}

// A download that breaks off is an error, however much of it came.
func TestDownloadBreaks(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "serial,subject\n1,half") // the client sees what comes of it
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(s.Close)
	c, err := client.New(client.Config{Address: s.URL, AccessKeyID: "AKIAXXXXXXXXXXXXXXXX", SecretAccessKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := c.ExportInventory(context.Background(), client.InventoryFilter{}, "csv", &out); err == nil {
		t.Errorf("no error after %q", out.String())
	}
}
