package client_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"github.com/holdfast-kms/holdfast/client"
)

// A file's digest is signed by a key that stays in Holdfast.
func Example() {
	ctx := context.Background()
	c, err := client.FromEnvironment()
	if err != nil {
		slog.ErrorContext(ctx, "no client", slog.Any("cause", err))
		return
	}
	digest := sha256.Sum256([]byte("the release"))
	sig, err := c.Sign(ctx, "alias/release", &client.SignRequest{
		Algorithm: "ECDSA_SHA_256", Form: "DIGEST", Message: digest[:],
	})
	if e, ok := errors.AsType[*client.Error](err); ok && e.Reason == "key-disabled" {
		slog.ErrorContext(ctx, "somebody disabled the key", slog.String("request", e.RequestID))
		return
	}
	if err != nil {
		slog.ErrorContext(ctx, "not signed", slog.Any("cause", err))
		return
	}
	fmt.Println(len(sig.Signature) > 0)
}

func ExampleNew() {
	_, err := client.New(client.Config{
		Address: "http://kms.example.com", AccessKeyID: "AKIA…", SecretAccessKey: os.Getenv("SECRET") + "…",
	})
	fmt.Println(err)
	// Output: the server address http://kms.example.com would send the secret unencrypted: use https
}

// A web server presents a certificate whose private key stays in Holdfast.
func ExampleSigner() {
	ctx := context.Background()
	c, err := client.FromEnvironment()
	if err != nil {
		slog.ErrorContext(ctx, "no client", slog.Any("cause", err))
		return
	}
	signer, err := c.Signer(ctx, "alias/web")
	if err != nil {
		slog.ErrorContext(ctx, "no signer", slog.Any("cause", err))
		return
	}
	chain, err := os.ReadFile("web.pem") // what "holdfast cert issue --out web.pem" wrote
	if err != nil {
		slog.ErrorContext(ctx, "no certificate", slog.Any("cause", err))
		return
	}
	certificate, err := signer.Certificate(chain)
	if err != nil {
		slog.ErrorContext(ctx, "no certificate", slog.Any("cause", err))
		return
	}
	web := &http.Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}}
	slog.ErrorContext(ctx, "stopped", slog.Any("cause", web.ListenAndServeTLS("", "")))
}
