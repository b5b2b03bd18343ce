package keyless_test

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/keylesstest"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
	"github.com/holdfast-kms/holdfast/keyless"
)

// TestHandshakes: a TLS server with each type of key, over a key server that is
// reached by mutual TLS, in both versions of TLS and by RSA key exchange.
func TestHandshakes(t *testing.T) {
	serverTLS, clientTLS := transport(t)
	var told sync.Map
	s := keylesstest.Start(t, keylesstest.Config{Keys: allKeys(), TLS: serverTLS, Answer: func(op *wire.Operation) (*wire.Operation, bool) {
		told.Store(string(op.SNI), len(op.ClientIP))
		return nil, false
	}})
	c := open(t, keyless.Config{Servers: []string{s.Address()}, TLS: clientTLS})
	for name, key := range keys() {
		chain := certificate(t, key)
		remote, err := c.Certificate(chain)
		if err != nil {
			t.Fatal(err)
		}
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			config := &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				return keyless.ForHandshake(&remote, hello), nil
			}}
			client := &tls.Config{RootCAs: pool(t, chain), ServerName: "localhost", MinVersion: version, MaxVersion: version}
			shake(t, name, config, client)
		}
		if name == "rsa" {
			suites := []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
			config := &tls.Config{Certificates: []tls.Certificate{remote}, CipherSuites: suites}
			shake(t, "RSA key exchange", config, &tls.Config{RootCAs: pool(t, chain), ServerName: "localhost", MaxVersion: tls.VersionTLS12, CipherSuites: suites})
		}
	}
	if size, ok := told.Load("localhost"); !ok || size != 4 {
		t.Errorf("the key server was told a client's address of %v bytes", size)
	}
}

// shake has a TLS client connect to a TLS server, which echoes.
func shake(t *testing.T, name string, server, client *tls.Config) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	var task sync.WaitGroup
	defer task.Wait()
	defer func() { _ = l.Close() }()
	task.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if _, err := io.Copy(c, c); err != nil {
			t.Logf("%s: the server: %v", name, err)
		}
		_ = c.Close()
	})
	c, err := (&tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: client}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
		t.Errorf("%s: %q, %v", name, got, err)
	}
}
