package agent

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/test/compat"
)

// renewals is how many times the certificate is renewed under load.
const renewals = 50

// nginx is Debian's nginx, as a user without rights, with a prefix of its own.
type nginx struct {
	binary, dir, address string
	owner                string // "" where the tests are no root
	cmd                  *exec.Cmd
}

const nginxConf = `daemon off;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
worker_processes 2;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  %[3]s
  server {
    listen %[2]s ssl;
    ssl_certificate %[1]s/tls/current/fullchain.pem;
    ssl_certificate_key %[1]s/tls/current/privkey.pem;
    location / { return 200 "here\n"; }
  }
}
`

// newNginx prepares a prefix and a free port.
func newNginx(t *testing.T, dir string) *nginx {
	t.Helper()
	binary, err := exec.LookPath("nginx")
	if err != nil {
		binary = "/usr/sbin/nginx" // not on everybody's path
	}
	if tool := compat.FindTool(t.Context(), "nginx", binary, "-v"); tool.Version == "" {
		t.Skip("nginx is not installed")
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &nginx{binary: binary, dir: dir, address: l.Addr().String()}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		n.owner = "nobody"
	}
	n.configure(t, "")
	return n
}

// configure writes nginx's configuration with a line more.
func (n *nginx) configure(t *testing.T, more string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(n.dir, "nginx.conf"), fmt.Appendf(nil, nginxConf, n.dir, n.address, more), 0o644); err != nil {
		t.Fatal(err)
	}
}

// start runs nginx.
func (n *nginx) start(t *testing.T) {
	t.Helper()
	n.cmd = exec.Command(n.binary, "-e", filepath.Join(n.dir, "error.log"), "-p", n.dir, "-c", filepath.Join(n.dir, "nginx.conf")) //nolint:noctx // it is stopped below
	if n.owner != "" {
		u, err := user.Lookup(n.owner)
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(n.dir, uid, gid); err != nil {
			t.Fatal(err)
		}
		n.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = n.cmd.Process.Signal(syscall.SIGTERM) // Wait tells
		_ = n.cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(filepath.Join(n.dir, "error.log"))
			t.Logf("nginx:\n%.2000s", text)
		}
	})
}

// certificate is the agent's configuration of nginx's certificate.
func (n *nginx) certificate(w *world) string {
	owner := ""
	if n.owner != "" {
		owner = ", owner: " + n.owner
	}
	return fmt.Sprintf(`  - name: web
    managed: %s
    dir: %s
    files:
      - {path: fullchain.pem, content: fullchain}
      - {path: privkey.pem, content: key%s}
    reload:
      command: [%s, -e, %s, -p, %s, -c, %s, -s, reload]
    check: {address: "%s", server_name: web.example.com, ca: %s, within: 10s}
`, w.managed, filepath.Join(n.dir, "tls"), owner, n.binary, filepath.Join(n.dir, "reload.log"), n.dir, filepath.Join(n.dir, "nginx.conf"), n.address, w.root)
}

// load is what clients do all the time: half of them keep their connections.
type load struct {
	requests, connections atomic.Int64
	mu                    sync.Mutex // guards failures
	failures              []string
	stop                  context.CancelFunc
	done                  sync.WaitGroup
}

// begin starts clients.
func (w *world) begin(ctx context.Context, address string) *load {
	l := &load{}
	ctx, l.stop = context.WithCancel(ctx)
	for n := range 4 {
		l.done.Go(func() { l.client(ctx, w, address, n%2 == 0) })
	}
	return l
}

// client asks again and again.
func (l *load) client(ctx context.Context, w *world, address string, keep bool) {
	c := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: w.tls(), DisableKeepAlives: !keep,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			l.connections.Add(1)
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}}
	defer c.CloseIdleConnections()
	for ctx.Err() == nil {
		if err := ask(ctx, c); err != nil && ctx.Err() == nil {
			l.mu.Lock()
			l.failures = append(l.failures, err.Error())
			l.mu.Unlock()
		}
		l.requests.Add(1)
		time.Sleep(15 * time.Millisecond)
	}
}

// ask gets the page once.
func ask(ctx context.Context, c *http.Client) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://web.example.com/", http.NoBody)
	if err != nil {
		return err
	}
	answer, err := c.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // read to its end
	body, err := io.ReadAll(answer.Body)
	if err == nil && (answer.StatusCode != http.StatusOK || string(body) != "here\n") {
		err = fmt.Errorf("%s %q", answer.Status, body)
	}
	return err
}

// end stops the clients and fails for each failed request.
func (l *load) end(t *testing.T) {
	t.Helper()
	l.stop()
	l.done.Wait()
	for _, f := range l.failures {
		t.Errorf("a request failed: %s", f)
	}
	t.Logf("%d requests over %d connections, %d failed", l.requests.Load(), l.connections.Load(), len(l.failures))
}

// TestNginx renews the certificate of an nginx under load, and no request
// fails; then gives it certificates that do not do, and it goes on with the
// one before.
func TestNginx(t *testing.T) {
	w, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	dir := filepath.Join(w.dir, "nginx")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	n := newNginx(t, dir)
	config := w.configure(t, t.TempDir(), n.certificate(w))
	a := w.start(t, config)
	defer a.stop(t)
	// The first certificate comes before nginx is there, which cannot start
	// without it.
	eventually(t, "a first pair", 10*time.Second, func() (bool, string) {
		_, err := pair(filepath.Join(dir, "tls/current/fullchain.pem"), filepath.Join(dir, "tls/current/privkey.pem"))
		return err == nil, fmt.Sprint(err)
	})
	n.start(t)
	eventually(t, "the first certificate confirmed", 10*time.Second, func() (bool, string) {
		d, err := w.deployed(ctx, "web")
		return err == nil && d.Outcome == "served", fmt.Sprint(d, err)
	})
	l := w.begin(ctx, n.address)
	last := ""
	for range renewals {
		renewed, err := w.describe(ctx, "managed", "renew", w.managed)
		if err != nil {
			t.Fatal(err)
		}
		last = renewed.Serial
		eventually(t, "the renewed certificate served", 15*time.Second, func() (bool, string) {
			seen, err := w.presented(ctx, n.address)
			return seen == last, fmt.Sprint(seen, err)
		})
	}
	eventually(t, "the last one reported", 5*time.Second, func() (bool, string) {
		d, err := w.deployed(ctx, "web")
		return err == nil && d.Outcome == "served" && d.Serving == last, fmt.Sprint(d, err)
	})

	// nginx refuses its configuration, and with it the next certificate.
	n.configure(t, "no_such_directive on;")
	refused, err := w.describe(ctx, "managed", "renew", w.managed)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the certificate rolled back", 15*time.Second, func() (bool, string) {
		d, err := w.deployed(ctx, "web")
		return err == nil && d.Outcome == "rolled-back" && d.Serial == refused.Serial && d.Serving == last, fmt.Sprint(d, err)
	})
	if seen, err := w.presented(ctx, n.address); err != nil || seen != last {
		t.Errorf("after the rollback nginx presents %s (%v), want %s", seen, err, last)
	}
	// It is mended, and the same certificate is tried again.
	n.configure(t, "")
	eventually(t, "the certificate served after all", 15*time.Second, func() (bool, string) {
		seen, err := w.presented(ctx, n.address)
		return seen == refused.Serial, fmt.Sprint(seen, err)
	})
	l.end(t)
}
