package sinks

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/bucket"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/sink"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
)

// setup makes a log and files with secrets, and reads a configuration in which
// DIR is their folder.
func setup(t *testing.T, text string) (*config.Config, Parts, *strings.Builder) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\n", "weak": "whsec_geheim\n", "token": "Bearer geheim\n",
		"url": "https://in.example.com/geheim\n", "plain": "http://in.example.com/geheim\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Parse([]byte(strings.ReplaceAll("data: DIR\naudit:\n  sinks:\n"+text, "DIR", dir)))
	if err != nil {
		t.Fatal(err)
	}
	l, err := audit.Open(filepath.Join(dir, "audit"), audit.Options{Signer: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), ID: "log"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	out := new(strings.Builder)
	return &c, Parts{
		Log: l, ID: "log", Version: "1", Store: mem.New(), Out: slog.New(slog.NewTextHandler(out, nil)),
		Roots: func(_, path string) (*x509.CertPool, error) {
			if path != "" {
				return nil, errors.New("no certificates in " + path)
			}
			return nil, nil
		},
		Bucket: func(b *config.Buckets) (sink.Bucket, error) { return bucket.OpenDir(b.Dir) },
	}, out
}

const each = `
    - {name: siem, syslog: {address: "siem.example.com", host: kms}}
    - {name: clear, format: cef, syslog: {address: "10.0.0.1", security: none}}
    - {name: lake, format: ocsf, http: {url: "https://lake.example.com/in?key=geheim", secret_file: DIR/secret, authorization_file: DIR/token}}
    - {name: other, http: {url_file: DIR/url, secret_file: DIR/secret}}
    - {name: archive, format: cloudtrail, bucket: {name: audit, prefix: kms}}
`

type people struct{}

func (people) Policies(*key.Caller) []*policy.Policy { return nil }

// TestOpen: a sink of each kind, and what is shown of them, which is no secret.
func TestOpen(t *testing.T) {
	c, p, out := setup(t, each)
	s, err := Open(t.Context(), c, p)
	if err != nil {
		t.Fatal(err)
	}
	var got []sink.About
	for _, h := range s.Health() {
		got = append(got, h.About)
	}
	want := []sink.About{
		{Kind: "syslog", Target: "siem.example.com:6514", Format: "syslog"},
		{Kind: "syslog", Target: "10.0.0.1:601", Format: "cef"},
		{Kind: "http", Target: "lake.example.com", Format: "ocsf", Exact: true},
		{Kind: "http", Target: "the address in url", Format: "jsonl", Exact: true},
		{Kind: "bucket", Target: filepath.Join(c.Data, "buckets", "audit"), Format: "cloudtrail", Exact: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if text := out.String(); strings.Count(text, "READS AND CHANGES") != 1 || !strings.Contains(text, "sink=clear") {
		t.Errorf("the server says %s", text)
	}
	shown, err := json.Marshal(s.Health())
	if err != nil || strings.Contains(string(shown)+out.String(), "geheim") {
		t.Errorf("a secret is shown: %s, %v", shown, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	call := &key.Call{Caller: key.Caller{Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: "mallory"}}}
	log := audit.NewMemory(10)
	if _, err := List(t.Context(), guard.New(log, people{}), call, s); fault.KindOf(err) != fault.PermissionDenied || log.Last() != 1 {
		t.Errorf("mallory sees the sinks: %v", err)
	}
}

// TestWrong: what cannot work shows at the start, without what is secret.
func TestWrong(t *testing.T) {
	for text, want := range map[string]string{
		`{name: a, syslog: {address: h, ca_certificate: /no}}`:                                   "no certificates in /no",
		`{name: a, syslog: {address: h, certificate: /no, key: /no}}`:                            "reading the client certificate",
		`{name: a, http: {url: "https://h/", secret_file: /no}}`:                                 "secret_file: open /no",
		`{name: a, http: {url: "https://h/", secret_file: DIR/weak}}`:                            "a signing secret is",
		`{name: a, http: {url_file: DIR/plain, secret_file: DIR/secret}}`:                        "use https",
		`{name: a, http: {url: "https://h/", secret_file: DIR/secret, authorization_file: /no}}`: "open /no",
	} {
		c, p, _ := setup(t, "    - {name: fine, syslog: {address: h}}\n    - "+text+"\n")
		_, err := Open(t.Context(), c, p)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "the sink a ") || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// TestDelivers: what the configuration says leads to TLS with whom it trusts,
// and to signed requests.
func TestDelivers(t *testing.T) {
	requests := make(chan *http.Request, 10)
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { requests <- r }))
	defer server.Close()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", server.TLS)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // a test's
	messages := make(chan string, 10)
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			text, err := io.ReadAll(c)
			if err == nil {
				messages <- string(text)
			}
			_ = c.Close() // a test's
		}
	}()
	c, p, _ := setup(t, strings.ReplaceAll(strings.ReplaceAll(`
    - {name: siem, interval: 100ms, syslog: {address: "SYSLOG", ca_certificate: DIR/ca, host: kms}}
    - {name: lake, interval: 100ms, http: {url: "HTTP/in", ca_certificate: DIR/ca, secret_file: DIR/secret, authorization_file: DIR/token}}
`, "SYSLOG", listener.Addr().String()), "HTTP", server.URL))
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	p.Roots = func(_, path string) (*x509.CertPool, error) {
		if filepath.Base(path) != "ca" {
			t.Errorf("the roots of %q are asked for", path)
		}
		return pool, nil
	}
	s, err := Open(t.Context(), c, p)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer s.Close() //nolint:errcheck // a test's
	if _, err := p.Log.(*audit.Log).Enqueue(&audit.Entry{Action: key.Sign, Result: "ok"}); err != nil {
		t.Fatal(err)
	}
	if m := <-messages; !strings.Contains(m, " kms holdfast ") || !strings.Contains(m, ` action="key:Sign"`) {
		t.Errorf("the message is %q", m)
	}
	if r := <-requests; r.Header.Get("Authorization") != "Bearer geheim" || r.Header.Get("Webhook-Signature") == "" {
		t.Errorf("the header is %v", r.Header)
	}
}
