package keyserver_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/keyserver"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/worker"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

func TestMain(m *testing.M) {
	worker.Main()
	m.Run()
}

// world is a folder with everything that a key server needs.
type world struct {
	t   testing.TB
	dir string
	ca  tls.Certificate
	log lockedLog
}

// lockedLog is a log that several goroutines write.
type lockedLog struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (l *lockedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newWorld(t testing.TB) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "ks") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w := &world{t: t, dir: dir}
	w.ca = w.certificate("clients", nil)
	server := w.certificate("key-server", nil)
	w.write("keyless_cacert.pem", certificatePEM(w.ca))
	w.write("server.pem", certificatePEM(server))
	w.write("server-key.pem", keyPEM(t, server.PrivateKey))
	return w
}

// certificate makes a certificate, its own authority's without one.
func (w *world) certificate(name string, by *tls.Certificate) tls.Certificate {
	w.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
	}
	parent, signer := template, crypto.Signer(k)
	if by == nil {
		template.IsCA = true
	} else {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		parent, signer = by.Leaf, by.PrivateKey.(crypto.Signer)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, k.Public(), signer)
	if err != nil {
		w.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		w.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k, Leaf: leaf}
}

func certificatePEM(c tls.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
}

func keyPEM(t testing.TB, k any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// write writes a file of the folder.
func (w *world) write(name string, text []byte) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// openssl runs openssl in the folder.
func (w *world) openssl(args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "openssl", args...)
	cmd.Dir = w.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// public returns the public half of a key file.
func (w *world) public(name string) any {
	w.t.Helper()
	block, _ := pem.Decode([]byte(w.openssl("pkey", "-in", name, "-pubout")))
	k, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		w.t.Fatal(err)
	}
	return k
}

// load writes a configuration and reads it. What it does not say itself is not
// for a test: ports.
func (w *world) load(text string) *keyserver.Config {
	w.t.Helper()
	path := w.write("gokeyless.yaml", []byte("port: -1\nmetrics_port: -1\nunix: s\n"+text))
	c, err := keyserver.Load(path, func(string) string { return "" }, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// running is a server that serves.
type running struct {
	*keyserver.Server
	w      *world
	reload chan os.Signal
	stop   func()
}

// serve serves a configuration until the test ends, or stop is called.
func (w *world) serve(text string) *running {
	w.t.Helper()
	c := w.load(text)
	s, err := keyserver.Open(w.t.Context(), keyserver.Options{
		Config: c, Again: func() (*keyserver.Config, error) {
			return keyserver.Load(filepath.Join(w.dir, "gokeyless.yaml"), os.Getenv, nil)
		},
		Log: slog.New(slog.NewTextHandler(&w.log, nil)), Isolated: true,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	r := &running{Server: s, w: w, reload: make(chan os.Signal)}
	go func() { done <- s.Run(ctx, r.reload) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("running: %v", err)
		}
	})
	w.t.Cleanup(r.stop)
	return r
}

// dial connects with a certificate.
func (r *running) dial(c tls.Certificate) *peer {
	r.w.t.Helper()
	p, err := r.tryDial(c)
	if err == nil {
		_, err = p.exchange(&wire.Operation{Opcode: wire.OpPing}) // TLS 1.3 tells of a refused certificate with the first bytes
	}
	if err != nil {
		r.w.t.Fatal(err)
	}
	return p
}

func (r *running) tryDial(c tls.Certificate) (*peer, error) {
	d := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{c}}}
	conn, err := d.DialContext(r.w.t.Context(), "unix", filepath.Join(r.w.dir, "s"))
	if err != nil {
		return nil, err
	}
	r.w.t.Cleanup(func() { _ = conn.Close() }) // it may be closed
	return &peer{conn, r.w.t}, conn.SetDeadline(time.Now().Add(30 * time.Second))
}

// peer is a client that speaks packets.
type peer struct {
	conn io.ReadWriter
	t    testing.TB
}

// exchange sends a request and returns its answer.
func (p *peer) exchange(o *wire.Operation) (*wire.Operation, error) {
	b, err := o.Append(nil, 7)
	if err == nil {
		_, err = p.conn.Write(b)
	}
	head := make([]byte, wire.HeaderSize)
	if err == nil {
		_, err = io.ReadFull(p.conn, head)
	}
	if err != nil {
		return nil, err
	}
	h, err := wire.ParseHeader(head)
	if err != nil {
		return nil, err
	}
	body := make([]byte, h.Length)
	if _, err := io.ReadFull(p.conn, body); err != nil {
		return nil, err
	}
	a := new(wire.Operation)
	return a, a.Parse(body)
}

// want returns the payload of the response to a request.
func (p *peer) want(o *wire.Operation) []byte {
	p.t.Helper()
	a, err := p.exchange(o)
	if err != nil || a.Opcode != wire.OpResponse {
		p.t.Fatalf("%s: %+v, %v", o.Opcode, a, err)
	}
	return a.Payload
}

// fails asserts that a request is answered by an error.
func (p *peer) fails(o *wire.Operation, e wire.Error) {
	p.t.Helper()
	a, err := p.exchange(o)
	if err != nil || a.Opcode != wire.OpError || wire.Error(a.Payload[0]) != e {
		p.t.Errorf("%s: %+v, %v, not the error %v", o.Opcode, a, err, e)
	}
}

// skiOf returns what a key is found by.
func skiOf(t testing.TB, public any) []byte {
	t.Helper()
	ski, err := wire.SKI(public)
	if err != nil {
		t.Fatal(err)
	}
	return ski[:]
}

// command is a program in the folder.
func (w *world) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(w.t.Context(), name, args...)
	cmd.Dir = w.dir
	return cmd
}

// options are those of a configuration.
func (w *world) options(text string) keyserver.Options {
	return keyserver.Options{Config: w.load(text), Log: slog.New(slog.NewTextHandler(&w.log, nil)), Isolated: true}
}

// auditKey is what verifies the audit log.
func (w *world) auditKey() ed25519.PublicKey {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "record", "audit.pub"))
	if err != nil {
		w.t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	k, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		w.t.Fatal(err)
	}
	return k.(ed25519.PublicKey)
}
