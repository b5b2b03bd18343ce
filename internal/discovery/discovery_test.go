package discovery

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
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTargets(t *testing.T) {
	got, err := Targets(strings.NewReader(`
# the servers of the office
web.example.com
web.example.com:8443   # with another port
10.0.0.1:443 www.example.com
2001:db8::1
[2001:db8::2]
[2001:db8::3]:636
10.1.0.252/30:443 internal.example.com
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Target{
		{"web.example.com:443", ""},
		{"web.example.com:8443", ""},
		{"10.0.0.1:443", "www.example.com"},
		{"[2001:db8::1]:443", ""},
		{"[2001:db8::2]:443", ""},
		{"[2001:db8::3]:636", ""},
		{"10.1.0.252:443", "internal.example.com"},
		{"10.1.0.253:443", "internal.example.com"},
		{"10.1.0.254:443", "internal.example.com"},
		{"10.1.0.255:443", "internal.example.com"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for text, want := range map[string]string{
		"a b c": "all that a line has", "web:0": "port", "web:http": "port", "web:70000": "port", ":443": "no host",
		"10.0.0.0/8": "65536", "10.0.0.0/99": "range", "a:b:c": "no host and port", "\n\nweb:x": "line 3",
		"10.0.0.0/16\n10.1.0.0/16\n10.2.0.0/16": "line 3",
	} {
		if _, err := Targets(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", text, err, want)
		}
	}
}

func FuzzTargets(f *testing.F) {
	f.Add("web.example.com:443 name # comment")
	f.Add("[::1]:1\n10.0.0.0/30")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := Targets(strings.NewReader(text))
		if err != nil {
			return
		}
		var b strings.Builder
		for _, target := range list {
			b.WriteString(target.Address + " " + target.Name + "\n")
		}
		again, err := Targets(strings.NewReader(b.String()))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(list, again); diff != "" {
			t.Errorf("written and read again (-first +second):\n%s", diff)
		}
	})
}

// pki has a root and what it issues.
type pki struct {
	root    *x509.Certificate
	rootKey *ecdsa.PrivateKey
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Root"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &pki{root, k}
}

// certificate issues for a name, with the root behind it.
func (p *pki) certificate(t *testing.T, name string) *tls.Certificate {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(-time.Minute), // expired: it is found all the same
	}
	der, err := x509.CreateCertificate(rand.Reader, template, p.root, k.Public(), p.rootKey)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, p.root.Raw}, PrivateKey: k}
}

// serve accepts connections until the test ends.
func serve(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at the end
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close() //nolint:errcheck // the other side judges
				handle(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close() // ends Accept
		running.Wait()
	})
	return l.Addr().String()
}

func serveTLS(t *testing.T, c *tls.Config) string {
	t.Helper()
	return serve(t, func(conn net.Conn) {
		secure := tls.Server(conn, c)
		_ = secure.HandshakeContext(t.Context()) // the other side judges
		_, _ = io.Copy(io.Discard, secure)       // until it has gone
	})
}

func TestServers(t *testing.T) {
	p := newPKI(t)
	one, two := p.certificate(t, "one.example.com"), p.certificate(t, "two.example.com")
	byName := serveTLS(t, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		switch h.ServerName {
		case "one.example.com":
			return one, nil
		case "":
			return two, nil
		}
		return nil, errors.New("no such name")
	}})
	mutual := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{*one}, ClientAuth: tls.RequireAnyClientCert})
	mutualOld := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{*one}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12})
	old := serveTLS(t, &tls.Config{
		Certificates: []tls.Certificate{*two}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
	})
	plain := serve(t, func(conn net.Conn) { _, _ = conn.Write([]byte("220 mail.example.com ESMTP\r\n")) })
	silent := serve(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	closed := serve(t, func(conn net.Conn) { _ = conn.Close() })

	targets := []Target{
		{byName, "one.example.com"},
		{byName, ""},
		{byName, "three.example.com"},
		{mutual, ""},
		{mutualOld, ""},
		{old, ""},
		{plain, ""},
		{silent, ""},
		{closed, ""},
	}
	got := map[Target]Finding{}
	err := Servers(t.Context(), targets, Options{Parallel: 3, Timeout: 2 * time.Second}, func(f Finding) {
		got[Target{f.Address, f.Name}] = f
	})
	if err != nil || len(got) != len(targets) {
		t.Fatalf("%d findings for %d servers (%v)", len(got), len(targets), err)
	}
	for target, want := range map[Target]*tls.Certificate{targets[0]: one, targets[1]: two, targets[3]: one, targets[4]: one, targets[5]: two} {
		f := got[target]
		if f.Err != nil || !slices.EqualFunc(f.Chain, want.Certificate, bytes.Equal) {
			t.Errorf("%v: %d certificates, %v", target, len(f.Chain), f.Err)
		}
	}
	if got[targets[0]].Protocol != "TLS 1.3" || got[targets[5]].Protocol != "TLS 1.0" {
		t.Errorf("protocols %q and %q", got[targets[0]].Protocol, got[targets[5]].Protocol)
	}
	for target, want := range map[Target]string{targets[2]: "", targets[6]: "no TLS", targets[7]: "in time", targets[8]: ""} {
		if f := got[target]; f.Err == nil || len(f.Chain) != 0 || !strings.Contains(f.Err.Error(), want) {
			t.Errorf("%v: %d certificates, %v, want an error with %q", target, len(f.Chain), f.Err, want)
		}
	}
}

// TestHostIsTheName: the host of an address is asked for.
func TestHostIsTheName(t *testing.T) {
	var asked atomic.Value
	p := newPKI(t)
	address := serveTLS(t, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		asked.Store(h.ServerName)
		return p.certificate(t, "localhost"), nil
	}})
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	err = Servers(t.Context(), []Target{{Address: "localhost:" + port}}, Options{}, func(f Finding) {
		if f.Err != nil || f.Name != "localhost" {
			t.Errorf("%+v", f)
		}
	})
	if err != nil || asked.Load() != "localhost" {
		t.Errorf("asked for %v (%v)", asked.Load(), err)
	}
}

// TestBounds: no more servers are asked at a time than allowed, and an end of
// the context ends all.
func TestBounds(t *testing.T) {
	var now, most atomic.Int32
	release := make(chan struct{})
	address := serve(t, func(conn net.Conn) {
		for n := now.Add(1); ; {
			if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		if now.Load() == 3 {
			close(release)
		}
		_, _ = io.Copy(io.Discard, conn)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-release
		cancel()
	}()
	n := 0
	err := Servers(ctx, slices.Repeat([]Target{{Address: address}}, 50), Options{Parallel: 3, Timeout: time.Minute}, func(Finding) { n++ })
	if !errors.Is(err, context.Canceled) || most.Load() != 3 || n > 4 {
		t.Errorf("%d at one time, %d findings, %v", most.Load(), n, err)
	}
}

func TestFiles(t *testing.T) {
	p := newPKI(t)
	one, two := p.certificate(t, "one").Certificate, p.certificate(t, "two").Certificate
	dir := t.TempDir()
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	for name, content := range map[string][]byte{
		"chain.pem":          append(block("CERTIFICATE", one[0]), block("CERTIFICATE", one[1])...),
		"deep/down/leaf.DER": two[0],
		"bundle.conf":        slices.Concat([]byte("ssl = on\n"), block("CERTIFICATE", one[0]), block("CERTIFICATE", two[0]), block("PRIVATE KEY", []byte("secret"))),
		"key.pem":            block("PRIVATE KEY", []byte("secret")),
		"notes.txt":          []byte("nothing"),
		"broken.crt":         []byte("nothing"),
		"large.pem":          bytes.Repeat([]byte("-----BEGIN "), maxFile/10),
		"binary":             two[0], // DER is looked for only where the name says so
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "chain.pem"), filepath.Join(dir, "link.pem")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	var got []string
	collect := func(f Finding) {
		name, err := filepath.Rel(dir, f.Address)
		if err != nil {
			t.Fatal(err)
		}
		for _, der := range f.Chain {
			c, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			name += " " + c.Subject.CommonName
		}
		if f.Err != nil {
			name += " !"
		}
		got = append(got, name)
	}
	if err := Files(t.Context(), []string{dir}, collect); err != nil {
		t.Fatal(err)
	}
	want := []string{"bundle.conf one", "bundle.conf two", "chain.pem one Root", "deep/down/leaf.DER two", "large.pem !", "link.pem one Root"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got = nil
	named := []string{filepath.Join(dir, "chain.pem"), filepath.Join(dir, "notes.txt"), filepath.Join(dir, "missing")}
	if err := Files(t.Context(), named, collect); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"chain.pem one Root", "notes.txt !", "missing !"}, got); diff != "" {
		t.Errorf("named (-want +got):\n%s", diff)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Files(ended, []string{dir}, collect); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context gives %v", err)
	}
}
