package keyless_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/front/keyless"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// certify makes a P-256 key with a self-signed certificate.
func certify(t testing.TB, name string) tls.Certificate {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	return certifyFor(t, template, k.Public(), k)
}

// certifyFor has a key sign its own certificate, or another's.
func certifyFor(t testing.TB, template *x509.Certificate, public crypto.PublicKey, k crypto.Signer) tls.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, k)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k, Leaf: leaf}
}

// running is a server on a Unix socket, which needs no port.
type running struct {
	*keyless.Server
	path  string
	trust *x509.CertPool
}

// serve serves keys until the test ends.
func serve(t testing.TB, keys keyless.Keys, limits keyless.Limits) *running {
	t.Helper()
	identity := certify(t, "key-server")
	protection := &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{identity}, ClientAuth: tls.RequestClientCert,
		DynamicRecordSizingDisabled: true,
	}
	s := keyless.New(keyless.Config{
		Keys: keys, Limits: limits, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError + 1})),
		TLS: func() *tls.Config { return protection },
	})
	dir, err := os.MkdirTemp("", "keyless") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	r := &running{Server: s, path: filepath.Join(dir, "s"), trust: x509.NewCertPool()}
	r.trust.AddCert(identity.Leaf)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", r.path)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("stopping: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
		_ = os.RemoveAll(dir)
	})
	return r
}

// peer is a client that speaks packets.
type peer struct {
	*tls.Conn
	t    testing.TB
	next uint32
}

// dial connects, with a certificate or nil.
func (r *running) dial(t testing.TB, c *tls.Certificate) *peer {
	t.Helper()
	p, err := r.tryDial(t, c, tls.VersionTLS13)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (r *running) tryDial(t testing.TB, c *tls.Certificate, version uint16) (*peer, error) {
	config := &tls.Config{RootCAs: r.trust, ServerName: "key-server", MinVersion: version, MaxVersion: version}
	if c != nil {
		config.Certificates = []tls.Certificate{*c}
	}
	n, err := (&net.Dialer{}).DialContext(t.Context(), "unix", r.path)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(n, config)
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = n.Close() }) // it may be closed
	return &peer{Conn: conn, t: t}, conn.HandshakeContext(t.Context())
}

// send sends a request and returns its id.
func (p *peer) send(o *wire.Operation) uint32 {
	p.t.Helper()
	p.next++
	b, err := o.Append(nil, p.next)
	if err == nil {
		_, err = p.Write(b)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return p.next
}

// answer reads a packet.
func (p *peer) answer() (uint32, *wire.Operation) {
	p.t.Helper()
	id, o, err := p.read()
	if err != nil {
		p.t.Fatal(err)
	}
	return id, o
}

func (p *peer) read() (uint32, *wire.Operation, error) {
	head := make([]byte, wire.HeaderSize)
	if _, err := io.ReadFull(p, head); err != nil {
		return 0, nil, err
	}
	h, err := wire.ParseHeader(head)
	if err != nil {
		return 0, nil, err
	}
	body := make([]byte, h.Length)
	if _, err := io.ReadFull(p, body); err != nil {
		return 0, nil, err
	}
	if len(head)+len(body) < wire.PadTo {
		return 0, nil, errors.New("the answer is not padded")
	}
	o := new(wire.Operation)
	return h.ID, o, o.Parse(body)
}

// ask sends a request and reads its answer.
func (p *peer) ask(o *wire.Operation) *wire.Operation {
	p.t.Helper()
	id := p.send(o)
	got, a := p.answer()
	if got != id {
		p.t.Fatalf("the answer is to %d, not to %d", got, id)
	}
	return a
}

// want sends a request and returns the payload of its response.
func (p *peer) want(o *wire.Operation) []byte {
	p.t.Helper()
	a := p.ask(o)
	if a.Opcode != wire.OpResponse {
		p.t.Fatalf("%s: %s %x", o.Opcode, a.Opcode, a.Payload)
	}
	return a.Payload
}

// fails sends a request and asserts that it is answered by an error.
func (p *peer) fails(o *wire.Operation, e wire.Error) {
	p.t.Helper()
	a := p.ask(o)
	if a.Opcode != wire.OpError || len(a.Payload) != 1 || wire.Error(a.Payload[0]) != e {
		p.t.Errorf("%s: %s %x, not the error %v", o.Opcode, a.Opcode, a.Payload, e)
	}
}

// ended reports whether the server has ended the connection.
func (p *peer) ended() bool {
	_, _, err := p.read()
	return err != nil
}
