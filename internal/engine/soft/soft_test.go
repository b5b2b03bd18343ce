package soft

import (
	"crypto/aes"
	"crypto/cipher"
	"log/slog"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// box is a Wrapper with a key per realm, as the seal has.
type box struct{}

func (box) gcm(realm key.RealmID) cipher.AEAD {
	secret := append([]byte("0123456789abcdef0123"), realm...)
	block, err := aes.NewCipher(secret)
	if err != nil {
		panic(err)
	}
	c, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return c
}

func (b box) Wrap(realm key.RealmID, plaintext, associated []byte) ([]byte, error) {
	return b.gcm(realm).Seal(nil, nil, plaintext, associated), nil
}

func (b box) Unwrap(realm key.RealmID, wrapped, associated []byte) ([]byte, error) {
	return b.gcm(realm).Open(nil, nil, wrapped, associated)
}

// quiet is a log that nobody reads.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// newEngine returns an engine for one test, or benchmark.
func newEngine(t testing.TB, o Options) *Engine {
	t.Helper()
	if o.Log == nil {
		o.Log = quiet()
	}
	e, err := New(box{}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// TestEngine runs the contract, with the native library where there is one,
// and in pure Go.
func TestEngine(t *testing.T) {
	for name, o := range map[string]Options{"native": {}, "go": {PureGo: true}} {
		t.Run(name, func(t *testing.T) {
			if name == "native" {
				requireLibrary(t)
			}
			e := newEngine(t, o)
			enginetest.Test(t, enginetest.Config{New: func(*testing.T) engine.Engine { return e }})
		})
	}
}

// requireLibrary skips a test where there is no native library.
func requireLibrary(t testing.TB) {
	t.Helper()
	if why := newEngine(t, Options{}).RSA().Why; why != nil {
		t.Skipf("no native library here: %v", why)
	}
}
