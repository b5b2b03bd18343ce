package sink

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/auditformat"
)

// authority issues certificates for a test.
type authority struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, pool: x509.NewCertPool()}
	_, a.cert, a.key = a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) issue(template *x509.Certificate) (der []byte, cert *x509.Certificate, private *ecdsa.PrivateKey) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, private
	}
	if der, err = x509.CreateCertificate(rand.Reader, template, parent, &private.PublicKey, signer); err != nil {
		a.t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		a.t.Fatal(err)
	}
	return der, cert, private
}

// pair returns a certificate for a name.
func (a *authority) pair(name string) tls.Certificate {
	a.t.Helper()
	der, cert, private := a.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private, Leaf: cert}
}

// files writes a certificate and its key, and returns their paths.
func files(t testing.TB, dir, name string, c *tls.Certificate) (cert, private string) {
	t.Helper()
	cert, private = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	write := func(path, kind string, der []byte) {
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(cert, "CERTIFICATE", c.Certificate[0])
	if c.PrivateKey == nil {
		return cert, ""
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write(private, "PRIVATE KEY", der)
	return cert, private
}

// secure returns a receiver by TLS for the name collector.test.
func secure(address string, a *authority, own *tls.Certificate) *Syslog {
	return NewSyslog(SyslogOptions{
		Address: address, Encoder: auditformat.New(logID, "1"), Source: auditformat.SyslogSource{Host: "kms.test", App: "holdfast"},
		Timeout: 5 * time.Second,
		TLS: func() (*tls.Config, error) {
			c := &tls.Config{RootCAs: a.pool, ServerName: "collector.test", MinVersion: tls.VersionTLS12}
			if own != nil {
				c.Certificates = []tls.Certificate{*own}
			}
			return c, nil
		},
	})
}

// rsyslog is Debian's syslog server.
type rsyslog struct {
	t       *testing.T
	dir     string
	address string
	cmd     *exec.Cmd
	out     bytes.Buffer
}

// rsyslogd returns its path, "" where it is not installed. Debian has it where
// only root looks.
func rsyslogd() string {
	for _, name := range []string{"rsyslogd", "/usr/sbin/rsyslogd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// newRsyslog prepares one that takes messages by TLS from holdfast.test. The
// test is skipped where it is not installed.
func newRsyslog(t *testing.T, a *authority) *rsyslog {
	t.Helper()
	if rsyslogd() == "" {
		t.Skip("rsyslogd is not installed (Debian: rsyslog, rsyslog-gnutls)")
	}
	found, err := filepath.Glob("/usr/lib/*/rsyslog/lmnsd_gtls.so")
	if err != nil || len(found) == 0 {
		t.Skip("rsyslog has no TLS (Debian: rsyslog-gnutls)")
	}
	r := &rsyslog{t: t, dir: t.TempDir()}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's
	if err != nil {
		t.Fatal(err)
	}
	r.address = l.Addr().String()
	_, port, _ := net.SplitHostPort(r.address)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	own := a.pair("collector.test")
	cert, private := files(t, r.dir, "collector", &own)
	ca, _ := files(t, r.dir, "ca", &tls.Certificate{Certificate: [][]byte{a.cert.Raw}})
	text := fmt.Sprintf(`
global(workDirectory="%[1]s" maxMessageSize="128k" DefaultNetstreamDriver="gtls"
  DefaultNetstreamDriverCAFile="%[2]s" DefaultNetstreamDriverCertFile="%[3]s" DefaultNetstreamDriverKeyFile="%[4]s")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/name" PermittedPeer=["holdfast.test"])
input(type="imtcp" address="127.0.0.1" port="%[5]s")
template(name="whole" type="string" string="%%rawmsg%%\n")
template(name="read" type="string" string="%%hostname%% %%app-name%% %%msgid%% %%syslogfacility-text%% %%structured-data:1:16%%\n")
action(type="omfile" file="%[1]s/out" template="whole")
action(type="omfile" file="%[1]s/read" template="read")
`, r.dir, ca, cert, private, port)
	if err := os.WriteFile(filepath.Join(r.dir, "conf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rsyslog) up() {
	r.t.Helper()
	r.cmd = exec.CommandContext(context.Background(), rsyslogd(), "-n", "-f", filepath.Join(r.dir, "conf"), "-i", filepath.Join(r.dir, "pid"))
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.out
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(r.down)
	until(r.t, "rsyslog listens", func() bool {
		c, err := new(net.Dialer).DialContext(r.t.Context(), "tcp", r.address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// down ends it as systemd does.
func (r *rsyslog) down() {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	_ = r.cmd.Wait()                          // as above
	r.cmd = nil
}

var positionIn = regexp.MustCompile(` position="([0-9]+)"`)

// positions returns what it has written.
func (r *rsyslog) positions() (list []audit.Position) {
	text, err := os.ReadFile(filepath.Join(r.dir, "out"))
	if err != nil && !os.IsNotExist(err) {
		r.t.Fatal(err)
	}
	for _, found := range positionIn.FindAllSubmatch(text, -1) {
		n, _ := strconv.ParseUint(string(found[1]), 10, 64) // digits
		list = append(list, audit.Position(n))
	}
	return list
}

// TestRsyslog: a real syslog server, over TLS with a client certificate, gets
// every entry although it is stopped and started in the middle.
func TestRsyslog(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	r := newRsyslog(t, a)
	own := a.pair("holdfast.test")
	w := newWorld(t)
	write(t, w.log, 500)
	w.start(t, Options{Name: "siem", Receiver: secure(r.address, a, &own), Entries: 50})
	until(t, "a first failure", func() bool { return w.Health()[0].Failures > 0 })
	for range 2 {
		r.up()
		begun := w.Health()[0].Delivered
		until(t, "some are delivered", func() bool { return w.Health()[0].Delivered > begun+60 || w.Delivered() == w.log.Last() })
		r.down()
		write(t, w.log, 300)
	}
	r.up()
	w.caughtUp(t)
	until(t, "the file has the last entry", func() bool {
		got := r.positions()
		return len(got) > 0 && missing(got, w.log.Last()) == nil
	})
	got := r.positions()
	if twice, batches := len(got)-int(w.log.Last()), int(w.Health()[0].Failures); twice > 50*batches {
		t.Errorf("%d entries came twice in %d failures", twice, batches)
	}
	r.down()
	read, err := os.ReadFile(filepath.Join(r.dir, "read"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(read), "\n")
	if line != "kms.test holdfast Sign 13 [holdfast@32473 " && line != "kms.test holdfast Sign audit [holdfast@32473 " {
		t.Errorf("it was read as %q", line)
	}
	t.Logf("%d entries, %d of them twice; rsyslog said: %s", w.log.Last(), len(got)-int(w.log.Last()), r.out.Bytes())
}

// TestRsyslogRefuses: without a client certificate, or with another's, nothing
// counts as delivered.
func TestRsyslogRefuses(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	r := newRsyslog(t, a)
	r.up()
	other := a.pair("somebody.test")
	w := newWorld(t)
	write(t, w.log, 10)
	w.start(t, Options{Name: "none", Receiver: secure(r.address, a, nil)}, Options{Name: "other", Receiver: secure(r.address, a, &other)},
		Options{Name: "stranger", Receiver: secure(r.address, newAuthority(t), &other)})
	until(t, "failures", func() bool {
		for _, h := range w.Health() {
			if h.Failures < 2 {
				return false
			}
		}
		return true
	})
	for _, h := range w.Health() {
		if h.Position != 0 || h.Error == "" {
			t.Errorf("%+v", h)
		}
	}
}
