package keyless_test

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"github.com/holdfast-kms/holdfast/keyless"
)

// A web server has a certificate, and its private key is on two key servers. It
// proves itself to them by a certificate of its own.
func Example() {
	ctx := context.Background()
	roots, err := os.ReadFile("key-servers.pem")
	if err != nil {
		slog.ErrorContext(ctx, "no certificates to trust", slog.Any("cause", err))
		return
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(roots)
	own, err := tls.LoadX509KeyPair("client.pem", "client.key")
	if err != nil {
		slog.ErrorContext(ctx, "no client certificate", slog.Any("cause", err))
		return
	}
	c, err := keyless.New(keyless.Config{
		Servers: []string{"keys-1.example.com:2407", "keys-2.example.com:2407"},
		TLS:     &tls.Config{RootCAs: trusted, Certificates: []tls.Certificate{own}},
	})
	if err != nil {
		slog.ErrorContext(ctx, "no client", slog.Any("cause", err))
		return
	}
	defer func() { _ = c.Close() }()
	chain, err := os.ReadFile("web.pem")
	if err != nil {
		slog.ErrorContext(ctx, "no certificate", slog.Any("cause", err))
		return
	}
	certificate, err := c.Certificate(chain)
	if err != nil {
		slog.ErrorContext(ctx, "no certificate", slog.Any("cause", err))
		return
	}
	server := &http.Server{Addr: ":443", TLSConfig: &tls.Config{
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return keyless.ForHandshake(&certificate, hello), nil
		},
	}}
	slog.ErrorContext(ctx, "it ended", slog.Any("cause", server.ListenAndServeTLS("", "")))
}

func ExampleClient_Key() {
	ctx := context.Background()
	c, err := keyless.New(keyless.Config{Servers: []string{"keys.example.com:2407"}, AccessKeyID: "AKIA…", SecretAccessKey: "…"})
	if err != nil {
		slog.ErrorContext(ctx, "no client", slog.Any("cause", err))
		return
	}
	defer func() { _ = c.Close() }()
	var public crypto.PublicKey // of a certificate, or what "holdfast key public" printed
	key, err := c.Key(public)
	if err != nil {
		slog.ErrorContext(ctx, "no key", slog.Any("cause", err))
		return
	}
	digest := sha256.Sum256([]byte("the release"))
	signature, err := key.SignContext(ctx, digest[:], crypto.SHA256)
	switch {
	case errors.Is(err, keyless.KeyNotFound):
		slog.ErrorContext(ctx, "no server has the key, or lets us use it")
	case errors.Is(err, keyless.ErrUnavailable):
		slog.ErrorContext(ctx, "no server is there", slog.Any("cause", err))
	case err == nil:
		fmt.Println(len(signature) > 0)
	}
}

func ExampleClient_Stats() {
	c, err := keyless.New(keyless.Config{Servers: []string{"keys.example.com:2407"}})
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	for _, s := range c.Stats().Servers {
		fmt.Println(s.Server, s.Connections, s.Operations[keyless.Done])
	}
	// Output: keys.example.com:2407 0 0
}
