package holdfast_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server"
)

func oaep() *rsa.OAEPOptions { return &rsa.OAEPOptions{Hash: crypto.SHA256} }

// serve starts a development server in memory and sets the variables that its
// env file exports.
func serve(t *testing.T) (host string) {
	t.Helper()
	root, err := seal.Ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Data, c.Listen = t.TempDir(), "127.0.0.1:0"
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- server.Run(ctx, server.Options{
			Config: c, Root: root, Log: slog.New(slog.DiscardHandler), Dev: &server.Dev{InMemory: true},
			Ready: func(url string) error { ready <- url; return nil },
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	var address string
	select {
	case address = <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatalf("the server does not start: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(c.Data, "env"))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range regexp.MustCompile(`(?m)^export ((?:HOLDFAST|AWS)_\w+)='([^']*)'$`).FindAllStringSubmatch(string(text), -1) {
		t.Setenv(v[1], v[2])
	}
	return strings.TrimPrefix(address, "https://")
}

func TestServer(t *testing.T) {
	host := serve(t)
	try(t, world{
		uri:     func(name string) string { return "holdfast://" + host + "/alias/" + name },
		place:   "holdfast:///",
		specs:   []string{"aes-256", "hmac-256", "rsa-2048", "p-256", "p-384", "p-521", "secp256k1", "ed25519", "ml-dsa-44"},
		decrypt: []string{"rsa-2048"},
		agree:   []string{"p-256"},
	})
	t.Run("names", func(t *testing.T) {
		k, err := holdfast.Create(t.Context(), "holdfast:///release", "p-256")
		if err != nil || k.URI() != "holdfast:///alias/release" {
			t.Fatalf("%v, %v", k, err)
		}
		_, err = holdfast.Create(t.Context(), "holdfast:///11111111-1111-4111-8111-111111111111", "p-256")
		wantKind(t, err, holdfast.InvalidArgument)
	})
	t.Run("agreement", func(t *testing.T) { agreement(t, host) })
	t.Run("as AWS KMS", func(t *testing.T) { tryAWS(t, host) })
	t.Run("credentials", func(t *testing.T) { credentials(t, host) })
}

// agreement: a key of a server agrees with one of this process, and does not
// sign.
func agreement(t *testing.T, host string) {
	c, err := client.New(client.Environment())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateKey(t.Context(), &client.CreateKeyRequest{Spec: "ECC_NIST_P384", Usage: "KEY_AGREEMENT", Alias: "alias/inbox"}); err != nil {
		t.Fatal(err)
	}
	k, err := holdfast.Open(t.Context(), "holdfast://"+host+"/inbox")
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, k)
	ours, err := k.Agreement()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := ecdh.P384().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	one, errOne := ours.ECDH(theirs.PublicKey())
	two, errTwo := theirs.ECDH(ours.PublicKey())
	if errOne != nil || errTwo != nil || !bytes.Equal(one, two) {
		t.Errorf("the secrets differ (%v, %v)", errOne, errTwo)
	}
	_, err = k.Signer()
	wantKind(t, err, holdfast.Unsupported)
}

// credentials go to the server that they are for.
func credentials(t *testing.T, host string) {
	_, err := holdfast.Connect(t.Context(), "holdfast://elsewhere.example.com/alias/release")
	wantKind(t, err, holdfast.PermissionDenied)
	c := client.Environment()
	c.SecretAccessKey = "wrong"
	_, err = holdfast.Open(t.Context(), "holdfast://"+host+"/alias/release", holdfast.WithServer(c))
	wantKind(t, err, holdfast.Unauthenticated)
	ca := c.CACert
	c = client.Environment()
	c.CACert = ""
	k, err := holdfast.Open(t.Context(), "holdfast://"+host+"/release?ca="+ca, holdfast.WithServer(c))
	if err != nil {
		t.Fatal(err)
	}
	closed(t, k)
	c.Address = ""
	_, err = holdfast.Connect(t.Context(), "holdfast://"+host+"/release?ca="+ca, holdfast.WithServer(c))
	wantKind(t, err, holdfast.PermissionDenied)
	t.Setenv(client.EnvAccessKeyID, "")
	_, err = holdfast.Connect(t.Context(), "holdfast:///release")
	wantKind(t, err, holdfast.InvalidArgument)
}
