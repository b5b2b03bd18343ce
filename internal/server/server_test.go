package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server/certificate"
	"github.com/holdfast-kms/holdfast/internal/wire/aws/sigv4"
)

// running is a development server in this process.
type running struct {
	t    *testing.T
	dir  string
	url  string
	log  *bytes.Buffer
	stop func() error
	http *http.Client
}

// start serves dir until the test ends or stop is called.
func start(t *testing.T, dir string, dev *Dev, change func(*config.Config)) *running {
	t.Helper()
	c := config.Default()
	c.Data, c.Listen, c.RSA.Native = dir, "127.0.0.1:0", "off"
	if change != nil {
		change(&c)
	}
	root, err := seal.Open(dir, nil)
	if fault.KindOf(err) == fault.NotFound && err != nil {
		root, err = seal.Create(dir, seal.InFile, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, dir: dir, log: &bytes.Buffer{}}
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- Run(ctx, Options{
			Config: c, Root: root, Dev: dev, Log: slog.New(slog.NewTextHandler(r.log, nil)),
			Ready: func(url string) error { ready <- url; return nil },
		})
	}()
	select {
	case r.url = <-ready:
	case err := <-done:
		t.Fatalf("the server did not start: %v\n%s", err, r.log)
	}
	stopped := false
	r.stop = func() error {
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() {
		if !stopped {
			if err := r.stop(); err != nil {
				t.Errorf("stopping: %v", err)
			}
		}
	})
	trusted := x509.NewCertPool()
	pem, err := os.ReadFile(certificate.CA(&config.Config{Data: dir}))
	if err != nil {
		t.Fatal(err)
	}
	trusted.AppendCertsFromPEM(pem)
	r.http = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}}
	t.Cleanup(r.http.CloseIdleConnections)
	return r
}

// do sends a request and returns the status and body.
func (r *running) do(method, path, id, secret, target, body string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if target != "" {
		req.Header.Set("Content-Type", "application/x-amz-json-1.1")
		service := "kms"
		if strings.HasPrefix(target, "ACMPrivateCA.") {
			service = "acm-pca"
		} else {
			target = "TrentService." + target
		}
		req.Header.Set("X-Amz-Target", target)
		sigv4.Sign(req, []byte(body), sigv4.Credentials{AccessKeyID: id, Secret: secret}, "us-east-1", service, time.Now())
	}
	resp, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// kms sends a KMS request as the administrator of DIR/env, or one of another
// API whose prefix the target has.
func (r *running) kms(target, body string) (int, string) {
	r.t.Helper()
	admin := readAdmin(filepath.Join(r.dir, EnvFile))
	if admin == nil {
		r.t.Fatal("DIR/env has no credential")
	}
	return r.do(http.MethodPost, "/", admin.ID, admin.Secret, target, body)
}

// fromWebPage posts as a page of another site in a browser does.
func (r *running) fromWebPage(path string) int {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Origin", "https://example.com")
	resp, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode
}

func (r *running) keys() int {
	r.t.Helper()
	status, text := r.kms("ListKeys", "{}")
	var answer struct{ Keys []json.RawMessage }
	if err := json.Unmarshal([]byte(text), &answer); err != nil || status != http.StatusOK {
		r.t.Fatalf("ListKeys: %d %s", status, text)
	}
	return len(answer.Keys)
}

func TestHealthAndMetrics(t *testing.T) {
	r := start(t, t.TempDir(), &Dev{}, nil)
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
		if status, text := r.do(http.MethodGet, path, "", "", "", ""); status != http.StatusOK || text != want {
			t.Errorf("%s: %d %q", path, status, text)
		}
	}
	r.kms("CreateKey", "{}")
	r.kms("DescribeKey", `{"KeyId":"nonsense"}`)
	_, text := r.do(http.MethodGet, "/metrics", "", "", "", "")
	for _, want := range []string{
		`holdfast_requests_total{api="aws.kms",code="ok",operation="CreateKey"} 1`,
		`holdfast_requests_total{api="aws.kms",code="NotFoundException",operation="DescribeKey"} 1`,
		"holdfast_keys 1\n", `holdfast_request_duration_seconds_count{api="aws.kms",operation="CreateKey"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

func TestMetricsHaveTheirOwnListener(t *testing.T) {
	r := start(t, t.TempDir(), &Dev{}, func(c *config.Config) { c.Metrics.Listen = "127.0.0.1:0" })
	if status, text := r.do(http.MethodGet, "/metrics", "", "", "", ""); status == http.StatusOK {
		t.Errorf("the main listener serves metrics too: %.80s", text)
	}
}

func TestKeysSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, &Dev{}, nil)
	r.kms("CreateKey", "{}")
	first, err := os.ReadFile(filepath.Join(dir, EnvFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = start(t, dir, &Dev{}, nil)
	if n := r.keys(); n != 1 {
		t.Errorf("%d keys after the restart, want 1", n)
	}
	if second := readAdmin(filepath.Join(dir, EnvFile)); !strings.Contains(string(first), second.Secret) {
		t.Error("the restart changed the administrator's credential")
	}
}

func TestLostEnvFileGetsANewCredential(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, &Dev{}, nil)
	r.kms("CreateKey", "{}")
	old := readAdmin(filepath.Join(dir, EnvFile))
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, EnvFile)); err != nil {
		t.Fatal(err)
	}
	r = start(t, dir, &Dev{}, nil)
	if n := r.keys(); n != 1 {
		t.Errorf("%d keys, want 1", n)
	}
	if status, _ := r.do(http.MethodPost, "/", old.ID, old.Secret, "ListKeys", "{}"); status != http.StatusBadRequest {
		t.Errorf("the lost credential still works: %d", status)
	}
}

func TestReset(t *testing.T) {
	for name, dev := range map[string]*Dev{"on disk": {}, "in memory": {InMemory: true}} {
		t.Run(name, func(t *testing.T) {
			r := start(t, t.TempDir(), dev, nil)
			r.kms("CreateKey", "{}")
			if status, _ := r.do(http.MethodGet, "/dev/reset", "", "", "", ""); status != http.StatusMethodNotAllowed {
				t.Errorf("GET: %d", status)
			}
			if status := r.fromWebPage("/dev/reset"); status != http.StatusForbidden {
				t.Errorf("a web page: %d", status)
			}
			if n := r.keys(); n != 1 {
				t.Fatalf("%d keys before the reset", n)
			}
			if status, text := r.do(http.MethodPost, "/dev/reset", "", "", "", ""); status != http.StatusNoContent {
				t.Fatalf("POST: %d %s", status, text)
			}
			if n := r.keys(); n != 0 {
				t.Errorf("%d keys after the reset, want 0", n)
			}
		})
	}
}

func TestProductionHasNoReset(t *testing.T) {
	dir := t.TempDir()
	c := config.Default()
	c.Data, c.RSA.Native = dir, "off"
	root, err := seal.Create(dir, seal.InFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := Initialise(t.Context(), c, root, "chief")
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, dir, nil, nil)
	if status, _ := r.do(http.MethodPost, "/dev/reset", "", "", "", ""); status == http.StatusNoContent {
		t.Error("a production server can be emptied")
	}
	if status, text := r.do(http.MethodPost, "/", admin.ID, admin.Secret, "CreateKey", "{}"); status != http.StatusOK {
		t.Errorf("the first administrator: %d %s", status, text)
	}
	if _, err := os.Stat(filepath.Join(dir, EnvFile)); err == nil {
		t.Error("a production server wrote an env file")
	}
}

func TestChosenCredentials(t *testing.T) {
	chosen, err := ParseDevCredential("test:secret:999999999999")
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, t.TempDir(), &Dev{InMemory: true, Credentials: []DevCredential{chosen}}, nil)
	status, text := r.do(http.MethodPost, "/", "test", "secret", "CreateKey", "{}")
	if status != http.StatusOK || !strings.Contains(text, `"AWSAccountId":"999999999999"`) {
		t.Errorf("%d %s", status, text)
	}
	for _, wrong := range []string{"", "a", "a:", ":b", "a:b:c", "a:b:123456789012:d"} {
		if _, err := ParseDevCredential(wrong); fault.KindOf(err) != fault.InvalidArgument || err == nil {
			t.Errorf("ParseDevCredential(%q): %v", wrong, err)
		}
	}
}

func TestSecondServerIsRefused(t *testing.T) {
	dir := t.TempDir()
	start(t, dir, &Dev{}, nil)
	root, err := seal.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Data, c.Listen, c.RSA.Native = dir, "127.0.0.1:0", "off"
	err = Run(t.Context(), Options{Config: c, Root: root, Log: slog.New(slog.DiscardHandler), Ready: func(string) error { return nil }})
	if err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second server on the data directory: %v", err)
	}
}

func TestForeignStoreIsRefused(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for _, dir := range []string{a, b} {
		if err := start(t, dir, &Dev{}, nil).stop(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(filepath.Join(a, storeFile), filepath.Join(b, storeFile)); err != nil {
		t.Fatal(err)
	}
	root, err := seal.Open(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Data, c.Listen, c.RSA.Native = b, "127.0.0.1:0", "off"
	err = Run(t.Context(), Options{Config: c, Root: root, Log: slog.New(slog.DiscardHandler), Ready: func(string) error { return nil }})
	if fault.KindOf(err) != fault.Unauthenticated || err == nil {
		t.Errorf("a store from another directory: %v", err)
	}
}

func TestFilesWithSecretsBecomePrivate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, EnvFile)
	if err := os.WriteFile(path, []byte("# mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	start(t, dir, &Dev{}, nil)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %v (%v)", EnvFile, info.Mode(), err)
	}
}

func TestPanicIsLoggedAsAnError(t *testing.T) {
	var log bytes.Buffer
	s := &server{Options: Options{Log: slog.New(slog.NewTextHandler(&log, nil))}, metrics: newMetrics(func() float64 { return 0 }, func() []hsm.Health { return nil }, func() []remote.Health { return nil })}
	defer func() {
		if p := recover(); p != http.ErrAbortHandler || !strings.Contains(log.String(), "a request panicked") { //nolint:errorlint // as net/http does
			t.Errorf("the panic became %v, the log says %q", p, log.String())
		}
	}()
	s.instance.Store(&instance{handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a bug of our own") })})
	s.handler(false).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
}
