package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/holdfast-kms/holdfast/internal/courier"
	"github.com/holdfast-kms/holdfast/internal/courier/couriertest"
)

// hookSecret signs the scripts' webhooks.
const hookSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// receivers are who the servers of scripts tell: a mail server and a webhook,
// which takes only what is signed, and at /gone nothing.
type receivers struct {
	mail  couriertest.MailServer
	where couriertest.Address
	hook  *httptest.Server

	mu    sync.Mutex
	hooks []string // guarded by mu
}

func startReceivers(t *testing.T) *receivers {
	t.Helper()
	verifier, err := courier.ParseSigner(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	r := &receivers{mail: couriertest.MailServer{Password: "geheim"}}
	r.where = r.mail.Serve(t, "starttls")
	r.hook = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err == nil {
			err = verifier.Verify(req.Header, time.Now(), body)
		}
		if err != nil || req.URL.Path == "/gone" {
			w.WriteHeader(http.StatusGone)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.hooks = append(r.hooks, string(body))
	}))
	t.Cleanup(r.hook.Close)
	return r
}

// configure writes notices.yaml, for a server that tells the receivers.
func (r *receivers) configure(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: receivers")
	}
	work := ts.Getenv("WORK")
	for name, text := range map[string]string{
		"mail-ca.pem": string(r.where.CA), "mail-password": "geheim\n", "hook-secret": hookSecret + "\n",
		"notices.yaml": fmt.Sprintf(`lifecycle: {interval: 100ms}
egress: {allow: [127.0.0.0/8]}
mail:
  server: localhost:%d
  ca_certificate: %[2]s/mail-ca.pem
  auth: plain
  user: holdfast
  password_file: %[2]s/mail-password
  from: Holdfast <holdfast@example.com>
notices:
  channels:
    - name: ops
      mail: {to: [ops@example.org]}
    - name: hook
      webhook: {url: "%[3]s/hook", secret_file: %[2]s/hook-secret}
    - name: gone
      webhook: {url: "%[3]s/gone", secret_file: %[2]s/hook-secret}
    - name: daily
      mail: {to: [boss@example.org]}
      digest: {at: "06:00", zone: Europe/Berlin}
  rules:
    - {kinds: ["key.*"], severity: warning, channels: [ops, hook, gone, daily]}
`, r.where.Port, work, r.hook.URL),
	} {
		ts.Check(os.WriteFile(filepath.Join(work, name), []byte(text), 0o600))
	}
}

// received waits until so many mails or webhooks have come and writes all of
// them into a file.
func (r *receivers) received(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || args[0] != "mails" && args[0] != "hooks" {
		ts.Fatalf("usage: received mails|hooks N")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	var all []string
	for range 200 {
		if all = r.mail.Mails(); args[0] == "hooks" {
			r.mu.Lock()
			all = append([]string(nil), r.hooks...)
			r.mu.Unlock()
		}
		if len(all) >= n {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if len(all) != n {
		ts.Fatalf("%d %s came, want %d", len(all), args[0], n)
	}
	ts.Check(os.WriteFile(filepath.Join(ts.Getenv("WORK"), args[0]), []byte(strings.Join(all, "\n")), 0o600))
}
