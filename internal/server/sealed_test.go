package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server/certificate"
	"github.com/holdfast-kms/holdfast/internal/split"
	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// buffer is a log that many write to.
type buffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// vault is a server that started sealed.
type vault struct {
	running
	admin  [2]string
	shares []string
	log    *buffer
	ready  chan string
	done   chan error
}

// texts returns a Deliver that keeps the shares' texts.
func texts(into *[]string) seal.Deliver {
	return func(shares []split.Share) error {
		for i := range shares {
			*into = append(*into, string(shares[i].Text()))
		}
		return nil
	}
}

func startSealed(t *testing.T) *vault {
	t.Helper()
	v := &vault{log: &buffer{}, ready: make(chan string, 1), done: make(chan error, 1)}
	v.t, v.dir = t, t.TempDir()
	root, err := seal.Make(t.Context(), v.dir, seal.Plan{Method: seal.UnderShares, Threshold: 3, Shares: 5}, texts(&v.shares))
	if err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Data, c.Listen, c.RSA.Native = v.dir, "127.0.0.1:0", "off"
	c.Keyless.Listen = "127.0.0.1:0"
	admin, err := Initialise(t.Context(), c, root, "chief")
	if err != nil {
		t.Fatal(err)
	}
	v.admin = [2]string{admin.ID, admin.Secret}
	v.serve(c)
	return v
}

func (v *vault) serve(c config.Config) {
	v.t.Helper()
	shares, err := seal.NewUnsealing(v.dir)
	if err != nil {
		v.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(v.t.Context())
	waits := make(chan string, 1)
	go func() {
		v.done <- Run(ctx, Options{
			Config: c, Shares: shares, Log: slog.New(slog.NewTextHandler(v.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Ready:  func(url string) error { v.ready <- url; return nil },
			Sealed: func(url string) error { waits <- url; return nil },
		})
	}()
	select {
	case v.url = <-waits:
	case err := <-v.done:
		v.t.Fatalf("the server did not start: %v\n%s", err, v.log)
	}
	v.stop = sync.OnceValue(func() error { cancel(); return <-v.done })
	v.t.Cleanup(func() {
		if err := v.stop(); err != nil {
			v.t.Errorf("stopping: %v", err)
		}
	})
	trusted := x509.NewCertPool()
	pem, err := os.ReadFile(certificate.CA(&config.Config{Data: v.dir}))
	if err != nil {
		v.t.Fatal(err)
	}
	trusted.AppendCertsFromPEM(pem)
	v.http = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}}
	v.t.Cleanup(v.http.CloseIdleConnections)
}

// post sends a share and returns the status, the answer and the problem.
func (v *vault) post(path, share string) (int, native.SealStatus, native.Problem) {
	v.t.Helper()
	return v.send(http.MethodPost, path, native.TypeJSON, fmt.Sprintf(`{"share":%q}`, share))
}

func (v *vault) send(method, path, media, body string) (int, native.SealStatus, native.Problem) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), method, v.url+path, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Content-Type", media)
	resp, err := v.http.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		v.t.Fatal(err)
	}
	var status native.SealStatus
	var problem native.Problem
	if resp.StatusCode == http.StatusOK {
		err = json.Unmarshal(text, &status)
	} else {
		err = json.Unmarshal(text, &problem)
	}
	if err != nil {
		v.t.Fatalf("%s %s: %q", method, path, text)
	}
	return resp.StatusCode, status, problem
}

func (v *vault) get(path string) (int, string) {
	v.t.Helper()
	return v.do(http.MethodGet, path, "", "", "", "")
}

func TestSealedServer(t *testing.T) {
	v := startSealed(t)
	if status, text := v.get("/healthz"); status != http.StatusOK || text != "ok\n" {
		t.Errorf("/healthz: %d %q", status, text)
	}
	if status, text := v.get("/readyz"); status != http.StatusServiceUnavailable || text != "sealed: 0 of 3 shares\n" {
		t.Errorf("/readyz: %d %q", status, text)
	}
	if _, text := v.get("/metrics"); !strings.Contains(text, "holdfast_sealed 1\n") || strings.Contains(text, "holdfast_keyless_") {
		t.Error("the metrics do not say that it is sealed, or keys are served")
	}
	enter := func(n, have int) {
		t.Helper()
		status, s, problem := v.post(native.UnsealPath, v.shares[n])
		if status != http.StatusOK || s.Have != have || s.Sealed != (have > 0) {
			t.Errorf("share %d: %d %+v %s", n+1, status, s, problem.Detail)
		}
	}
	enter(0, 1)
	if _, text := v.get("/readyz"); text != "sealed: 1 of 3 shares\n" {
		t.Errorf("/readyz: %q", text)
	}
	enter(4, 2)
	enter(2, 0)
	select {
	case <-v.ready:
	case err := <-v.done:
		t.Fatalf("it ended: %v\n%s", err, v.log)
	}
	if status, text := v.get("/readyz"); status != http.StatusOK || text != "ready\n" {
		t.Errorf("/readyz: %d %q", status, text)
	}
	if _, text := v.get("/metrics"); !strings.Contains(text, "holdfast_sealed 0\n") || !strings.Contains(text, `holdfast_keyless_connections{api="keyless"} 0`) {
		t.Error("the metrics say that it is sealed, or no keys are served")
	}
	if status, text := v.do(http.MethodPost, "/", v.admin[0], v.admin[1], "CreateKey", "{}"); status != http.StatusOK {
		t.Errorf("a request: %d %s", status, text)
	}
	if status, s, _ := v.send(http.MethodGet, native.SealPath, "", ""); status != http.StatusOK || s.Sealed {
		t.Errorf("the status: %d %+v", status, s)
	}
	if status, _, problem := v.post(native.UnsealPath, v.shares[1]); status != http.StatusConflict || problem.Detail != "the server is not sealed" {
		t.Errorf("one share more: %d %+v", status, problem)
	}
	if err := v.stop(); err != nil {
		t.Fatal(err)
	}
	v.recorded(t)
	v.nowhere(t)
}

// recorded wants the unsealing in the audit log, with who brought which.
func (v *vault) recorded(t *testing.T) {
	t.Helper()
	found := 0
	for r, err := range audit.Files(filepath.Join(v.dir, auditDir)).Read(t.Context(), audit.Filter{Action: "server:Unseal"}) {
		if err != nil {
			t.Fatal(err)
		}
		found++
		want := []audit.Detail{{Name: "shares", Value: "1 3 5"}, {Name: "sources", Value: "127.0.0.1"}, {Name: "refused", Value: "0"}}
		if diff := cmp.Diff(want, r.Entry.Details); diff != "" || r.Entry.Result != "ok" || r.Entry.Source != "127.0.0.1" {
			t.Errorf("the entry: %+v\n%s", r.Entry, diff)
		}
	}
	if found != 1 {
		t.Errorf("%d entries of the unsealing", found)
	}
}

// nowhere wants no share in the log nor in any file of the data directory.
func (v *vault) nowhere(t *testing.T) {
	t.Helper()
	looked := 0
	look := func(where string, content []byte) {
		looked++
		for i, s := range v.shares {
			for _, part := range strings.Split(s, "-")[3:] {
				if bytes.Contains(content, []byte(part)) {
					t.Errorf("a part of share %d is in %s", i+1, where)
				}
			}
		}
	}
	look("the log", []byte(v.log.String()))
	err := filepath.WalkDir(v.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		look(path, content)
		return err
	})
	if err != nil || looked < 5 {
		t.Errorf("looked at %d files: %v", looked, err)
	}
}

// Every API says in its own form that the server is sealed.
func TestSealedServerAnswersEveryAPI(t *testing.T) {
	v := startSealed(t)
	const want = "the server is sealed: 0 of 3 shares have been entered"
	if status, text := v.do(http.MethodPost, "/", v.admin[0], v.admin[1], "CreateKey", "{}"); status != http.StatusServiceUnavailable ||
		!strings.Contains(text, `"__type":"ServiceUnavailableException"`) || !strings.Contains(text, want) {
		t.Errorf("KMS: %d %s", status, text)
	}
	for path, mark := range map[string]string{"/holdfast/v1/keys": `"kind":"unavailable"`, "/pki/x.crl": want, "/": want} {
		if status, text := v.get(path); status != http.StatusServiceUnavailable || !strings.Contains(text, mark) || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	resp, err := v.http.Post(v.url+"/", "application/x-www-form-urlencoded", strings.NewReader("Action=GetCallerIdentity")) //nolint:noctx // a test's own
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable || !bytes.Contains(text, []byte("<Code>ServiceUnavailable</Code>")) {
		t.Errorf("STS: %d %s, %v", resp.StatusCode, text, err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
}

func TestSharesThatAreRefused(t *testing.T) {
	v := startSealed(t)
	var foreign []string
	if _, err := seal.Make(t.Context(), t.TempDir(), seal.Plan{Method: seal.UnderShares, Threshold: 2, Shares: 3}, texts(&foreign)); err != nil {
		t.Fatal(err)
	}
	if _, s, _ := v.post(native.UnsealPath, v.shares[0]); s.Have != 1 {
		t.Fatalf("%+v", s)
	}
	for name, test := range map[string]struct {
		method, path, media, body string
		status                    int
		text                      string
	}{
		"the same once more":      {"POST", native.UnsealPath, native.TypeJSON, `{"share":"` + v.shares[0] + `"}`, 409, "share 1 was entered already"},
		"mistyped":                {"POST", native.UnsealPath, native.TypeJSON, `{"share":"` + v.shares[1][:20] + `"}`, 400, "mistyped"},
		"of another installation": {"POST", native.UnsealPath, native.TypeJSON, `{"share":"` + foreign[1] + `"}`, 401, "another installation"},
		"no share":                {"POST", native.UnsealPath, native.TypeJSON, `{}`, 400, "no share"},
		"no JSON":                 {"POST", native.UnsealPath, native.TypeJSON, v.shares[1], 400, "not JSON"},
		"a form of a web page":    {"POST", native.UnsealPath, "text/plain", `{"share":"` + v.shares[1] + `"}`, 400, "application/json"},
		"by GET":                  {"GET", native.UnsealPath, native.TypeJSON, "", 405, "use POST"},
		"far too long":            {"POST", native.UnsealPath, native.TypeJSON, `{"share":"` + strings.Repeat("A", 4096) + `"}`, 400, "too long"},
		"restart without a share": {"POST", native.ResealPath, native.TypeJSON, `{"share":"x"}`, 400, "no share"},
	} {
		status, _, problem := v.send(test.method, test.path, test.media, test.body)
		if status != test.status || !strings.Contains(problem.Detail, test.text) {
			t.Errorf("%s: %d %q, want %d %q", name, status, problem.Detail, test.status, test.text)
		}
	}
	if _, s, _ := v.send(http.MethodGet, native.SealPath, "", ""); s.Have != 1 {
		t.Errorf("the refused ones changed the progress: %+v", s)
	}
	if status, s, _ := v.post(native.ResealPath, v.shares[3]); status != http.StatusOK || s.Have != 0 || !s.Sealed {
		t.Errorf("beginning again: %d %+v", status, s)
	}
}

func TestTooManySharesAreRefused(t *testing.T) {
	v := startSealed(t)
	limited := 0
	for range sourceBurst + 5 {
		if status, _, problem := v.post(native.UnsealPath, "HFS1"); status == http.StatusServiceUnavailable && strings.Contains(problem.Detail, "too many") {
			limited++
		}
	}
	if limited < 4 || limited > 5 {
		t.Errorf("%d of %d were refused for being too many", limited, sourceBurst+5)
	}
}

func TestAttempts(t *testing.T) {
	now := time.Now()
	a := newAttempts(func() time.Time { return now })
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	taken := func(source netip.Addr) (n int) {
		for range 100 {
			if err := a.take(source); err == nil {
				n++
			} else if fault.KindOf(err) != fault.Unavailable {
				t.Fatal(err)
			}
		}
		return n
	}
	if n := taken(one); n != sourceBurst {
		t.Errorf("%d at once", n)
	}
	if n := taken(two); n != sourceBurst {
		t.Errorf("%d from another address", n)
	}
	now = now.Add(sourcePause)
	if n := taken(one); n != 1 {
		t.Errorf("%d after a pause", n)
	}
	if n := taken(netip.MustParseAddr("2001:db8::1")) + taken(netip.MustParseAddr("2001:db8::2")); n != sourceBurst {
		t.Errorf("%d from one network", n)
	}
	now = now.Add(time.Hour)
	total := 0
	for i := range 3 * maxSources {
		total += taken(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if total != totalBurst || len(a.sources) > maxSources {
		t.Errorf("%d from everywhere, %d addresses remembered", total, len(a.sources))
	}
}

// Shares are not kept for ever.
func TestSharesAreForgotten(t *testing.T) {
	dir := t.TempDir()
	var shares []string
	if _, err := seal.Make(t.Context(), dir, seal.Plan{Method: seal.UnderShares, Threshold: 2, Shares: 3}, texts(&shares)); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		u, err := seal.NewUnsealing(dir)
		if err != nil {
			t.Fatal(err)
		}
		s := newSealed(u, nil)
		enter := func(n int) {
			t.Helper()
			s.mu.Lock()
			defer s.mu.Unlock()
			if _, err := s.enter(startCall("", "Test"), []byte(shares[n])); err != nil {
				t.Fatal(err)
			}
		}
		enter(0)
		time.Sleep(patience - time.Second)
		synctest.Wait()
		if u.Progress().Have != 1 {
			t.Error("it was forgotten too early")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if p := u.Progress(); p.Have != 0 || !p.Since.IsZero() {
			t.Errorf("it was not forgotten: %+v", p)
		}
	})
}

// A server whose store cannot be opened says so to whoever brought the last
// share, and ends.
func TestUnsealedServerThatCannotStart(t *testing.T) {
	v := startSealed(t)
	if err := os.WriteFile(filepath.Join(v.dir, storeFile), []byte("no store at all, but long enough to be looked at"), 0o600); err != nil {
		t.Fatal(err)
	}
	v.post(native.UnsealPath, v.shares[0])
	v.post(native.UnsealPath, v.shares[1])
	status, _, problem := v.post(native.UnsealPath, v.shares[2])
	if status != http.StatusServiceUnavailable || !strings.Contains(problem.Detail, "cannot start") {
		t.Errorf("%d %+v", status, problem)
	}
	if err := v.stop(); err == nil || !strings.Contains(err.Error(), "after the unsealing") {
		t.Errorf("it ended with %v", err)
	}
	v.stop = sync.OnceValue(func() error { return nil })
}
