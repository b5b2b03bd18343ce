package pki

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"

	"github.com/holdfast-kms/holdfast/test/compat"
)

// world is a running Holdfast and a client of its ACM Private CA.
type world struct {
	*acmpca.Client

	server *compat.Server
	dir    string
	public string // URL of what is published to everybody
}

// shared is the world of all tests of the package.
var shared = sync.OnceValues(open)

func TestMain(m *testing.M) {
	code := m.Run()
	if w, err := shared(); err == nil {
		if err := errors.Join(w.server.Stop(), os.RemoveAll(w.dir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code) //nolint:forbidigo // this is how a TestMain ends
}

func open() (*world, error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "holdfast-pki-")
	if err != nil {
		return nil, err
	}
	binary, err := compat.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0") // certificates name the address before it is listened on
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	w := &world{dir: dir, public: "http://" + address}
	config := filepath.Join(dir, "holdfast.yaml")
	if err := os.WriteFile(config, []byte("public_url: "+w.public+"\n"), 0o600); err != nil {
		return nil, err
	}
	w.server, err = compat.Start(ctx, binary, filepath.Join(dir, "data"), "--config", config, "--listen-http", address)
	if err != nil {
		return nil, err
	}
	trusting, err := compat.Trusting(compat.Lookup(w.server.Env, "AWS_CA_BUNDLE"))
	if err != nil {
		return nil, err
	}
	w.Client = acmpca.New(acmpca.Options{
		Region: "us-east-1", HTTPClient: trusting, BaseEndpoint: &w.server.URL, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{
				AccessKeyID:     compat.Lookup(w.server.Env, "AWS_ACCESS_KEY_ID"),
				SecretAccessKey: compat.Lookup(w.server.Env, "AWS_SECRET_ACCESS_KEY"),
			}, nil
		}),
	})
	return w, nil
}

func setup(t *testing.T) *world {
	t.Helper()
	w, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// file writes text into a file of the test's own and returns its name.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// blocks reads a sequence of PEM blocks.
func blocks(t *testing.T, text string) [][]byte {
	t.Helper()
	var list [][]byte
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		list = append(list, block.Bytes)
	}
	if len(list) == 0 {
		t.Fatalf("no PEM in %q", text)
	}
	return list
}

// fetch gets what is published.
func fetch(t *testing.T, url string) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // read to its end
	return read(t, answer)
}
