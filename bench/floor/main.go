// Floor is what Holdfast is measured against: a bare net/http server that
// scans the same JSON and does the same cryptography with the same library,
// and nothing else. It has one key of each kind, made at its start. It asks
// nobody who they are, decides nothing, records nothing and keeps nothing, so
// it serves no purpose beside that of a ruler.
package main

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/key"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("floor", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:0", "address to serve plain HTTP on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	f, err := newFloor()
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", *listen)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "ready http://%s (RSA: %s)\n", l.Addr(), f.library); err != nil {
		return err
	}
	server := &http.Server{Handler: f, ReadHeaderTimeout: time.Minute}
	return server.Serve(l)
}

// floor has one key of each kind.
type floor struct {
	aead    cipher.AEAD
	p256    *ecdsa.PrivateKey
	rsa     crypto.Signer
	library string // that does RSA
	issuer  *issuer
	buffers sync.Pool // of *buffer
}

// buffer is what a request needs of memory, kept between requests.
type buffer struct {
	body, raw, out []byte
}

func newFloor() (*floor, error) {
	f := &floor{buffers: sync.Pool{New: func() any { return new(buffer) }}}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	if f.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return nil, err
	}
	if f.p256, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	if f.issuer, err = newIssuer(); err != nil {
		return nil, err
	}
	return f, f.openRSA()
}

// openRSA makes an RSA key in the engine that Holdfast has, for its fast path.
func (f *floor) openRSA() error {
	e, err := soft.New(unsealed{}, soft.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	ref := engine.Ref{Realm: "floor", ID: "rsa", Version: 1}
	material, err := e.Generate(context.Background(), ref, engine.Kind{Spec: alg.RSA2048, Usage: alg.SignVerify})
	if err != nil {
		return err
	}
	opened, err := e.Open(context.Background(), ref, alg.RSA2048, material.Wrapped)
	if err != nil {
		return err
	}
	f.rsa = opened.Signer
	if f.library = e.RSA().Library; f.library == "" {
		f.library = "Go"
	}
	return nil
}

// unsealed wraps nothing: the floor keeps nothing.
type unsealed struct{}

func (unsealed) Wrap(_ key.RealmID, plaintext, _ []byte) ([]byte, error) { return plaintext, nil }
func (unsealed) Unwrap(_ key.RealmID, wrapped, _ []byte) ([]byte, error) { return wrapped, nil }

// ServeHTTP reads the body, does the operation and writes the answer.
func (f *floor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := f.buffers.Get().(*buffer)
	defer f.buffers.Put(b)
	if err := b.read(r); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.out = b.out[:0]
	if err := f.operate(b, r); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header()["Content-Type"] = jsonType(r)
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(b.out))}
	_, _ = w.Write(b.out) // the client may have gone
}

// jsonType returns the content type of the API that was asked.
func jsonType(r *http.Request) []string {
	if strings.HasPrefix(r.URL.Path, "/holdfast/") {
		return []string{"application/json"}
	}
	return []string{"application/x-amz-json-1.1"}
}

// read reads the whole body.
func (b *buffer) read(r *http.Request) error {
	const most = 1 << 20
	n := int(r.ContentLength)
	if n < 0 || n > most {
		return fmt.Errorf("a body of %d bytes", n)
	}
	if cap(b.body) < n {
		b.body = make([]byte, n)
	}
	b.body = b.body[:n]
	_, err := io.ReadFull(r.Body, b.body)
	return err
}
