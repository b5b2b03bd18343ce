package pkcs11

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// durationVariable names the environment variable that says how long nginx is
// under load.
const durationVariable = "HOLDFAST_PKCS11_NGINX"

const nginxConf = `daemon off;
%[4]s
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
worker_processes 2;
env OPENSSL_CONF;
env P11_KIT_SERVER_ADDRESS;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache off; ssl_session_tickets off;
  server {
    listen %[2]s ssl;
    ssl_certificate %[1]s/nginx-ec.pem; ssl_certificate_key "engine:pkcs11:%[3]s";
    ssl_certificate %[1]s/nginx-rsa.pem; ssl_certificate_key "engine:pkcs11:%[5]s";
    return 200 "here\n";
  }
}
`

// TestNginx terminates TLS with an ECDSA and an RSA key behind the agent, under
// load and with its workers started anew in the middle. No handshake fails.
func TestNginx(t *testing.T) {
	binary, err := exec.LookPath("nginx")
	if err != nil {
		binary = "/usr/sbin/nginx" // not on everybody's path
	}
	w := use(t, []string{binary, "-v"})
	dir := w.folder(t)
	env := w.openssl(t, dir)
	roots := x509.NewCertPool()
	for key, spec := range map[string]string{"nginx-ec": "ECC_NIST_P256", "nginx-rsa": "RSA_2048"} {
		w.key(t, key, spec)
		roots.AppendCertsFromPEM(read(t, dir, w.selfSigned(t, dir, key, "www.example.com")))
	}
	owner := ""
	if os.Getuid() == 0 {
		owner = "user " + nobody(t, dir) + ";"
	}
	address := freeAddress(t)
	conf := write(t, dir, "nginx.conf", fmt.Appendf(nil, nginxConf, dir, address, w.uri(tokenShort, "nginx-ec"), owner, w.uri(tokenShort, "nginx-rsa")))
	s := w.serve(t, address, command{dir: dir, env: env, args: []string{binary, "-e", filepath.Join(dir, "error.log"), "-c", conf}})
	defer s.stop(t)
	defer func() {
		if t.Failed() {
			t.Logf("nginx:\n%.4000s", read(t, dir, "error.log"))
		}
	}()
	long := 5 * time.Second
	if text := os.Getenv(durationVariable); text != "" {
		if long, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	l := &load{roots: roots, address: address, stop: make(chan struct{})}
	for n := range 4 {
		l.all.Go(func() { l.run(n) })
	}
	before := workers(t, s)
	for range 2 {
		time.Sleep(long / 3) // the load goes on for as long as is asked for
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Error(err)
		}
	}
	time.Sleep(long / 3) // as above
	close(l.stop)
	l.all.Wait()
	after := workers(t, s)
	if before == after {
		t.Errorf("the workers are the same: %s", after)
	}
	t.Logf("%d handshakes in %s", l.done.Load(), long)
	if len(l.failed) > 0 {
		t.Errorf("%d handshakes failed, the first with %s", len(l.failed), l.failed[0])
	}
	if l.done.Load() < 20 {
		t.Errorf("only %d handshakes", l.done.Load())
	}
}

// nobody gives the folder to a user without rights and returns its name.
func nobody(t *testing.T, dir string) string {
	t.Helper()
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	if err := os.Chown(dir, uid, -1); err != nil {
		t.Fatal(err)
	}
	return u.Username + " " + g.Name
}

// workers returns the processes that nginx has started.
func workers(t *testing.T, s *server) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", s.cmd.Process.Pid, s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// load is clients that do one handshake after another.
type load struct {
	roots   *x509.CertPool
	address string
	stop    chan struct{}
	all     sync.WaitGroup
	done    atomic.Int64
	mu      sync.Mutex // guards failed
	failed  []string
}

// run alternates between TLS 1.2 with either kind of key and TLS 1.3.
func (l *load) run(n int) {
	configs := []*tls.Config{
		{MinVersion: tls.VersionTLS13},
		{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}},
		{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}},
	}
	for ; ; n++ {
		select {
		case <-l.stop:
			return
		default:
		}
		c := configs[n%len(configs)].Clone()
		c.RootCAs, c.ServerName = l.roots, "www.example.com"
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		conn, err := (&tls.Dialer{Config: c}).DialContext(ctx, "tcp", l.address)
		cancel()
		l.done.Add(1)
		if err != nil {
			l.mu.Lock()
			l.failed = append(l.failed, err.Error())
			l.mu.Unlock()
			continue
		}
		_ = conn.Close() // the handshake is what counts
	}
}
