package vault

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/engine/vault/vaulttest"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote/remotetest"
)

// wrapper encrypts under one key for all realms, which is in the associated
// data.
type wrapper struct{ gcm cipher.AEAD }

func newWrapper(t testing.TB) engine.Wrapper {
	t.Helper()
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	block, err := aes.NewCipher(secret)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return wrapper{gcm}
}

func (w wrapper) Wrap(realm key.RealmID, plaintext, associated []byte) ([]byte, error) {
	nonce := make([]byte, w.gcm.NonceSize())
	_, _ = rand.Read(nonce)
	return w.gcm.Seal(nonce, nonce, plaintext, append([]byte(realm), associated...)), nil
}

func (w wrapper) Unwrap(realm key.RealmID, wrapped, associated []byte) ([]byte, error) {
	n := w.gcm.NonceSize()
	if len(wrapped) < n {
		return nil, errors.New("short")
	}
	return w.gcm.Open(nil, wrapped[:n], wrapped[n:], append([]byte(realm), associated...))
}

// rsaKeys returns two keys of each size in turn: what is tested is not how they
// are made, which takes long.
func rsaKeys() vaulttest.RSA {
	type pool struct {
		make func() []*rsa.PrivateKey
		next int
	}
	var mu sync.Mutex
	pools := map[int]*pool{}
	return func(bits int) (*rsa.PrivateKey, error) {
		mu.Lock()
		defer mu.Unlock()
		p := pools[bits]
		if p == nil {
			p = &pool{}
			pools[bits] = p
		}
		p.next++
		return oneOf(bits, p.next)
	}
}

// oneOf returns one of two keys of a size.
func oneOf(bits, n int) (*rsa.PrivateKey, error) {
	made, err := rsaMade(bits)
	if err != nil {
		return nil, err
	}
	return made[n%len(made)], nil
}

// rsaMade makes the keys of a size once.
func rsaMade(bits int) ([]*rsa.PrivateKey, error) {
	switch bits {
	case 2048:
		return rsa2048()
	case 3072:
		return rsa3072()
	}
	return rsa4096()
}

var (
	rsa2048 = sync.OnceValues(func() ([]*rsa.PrivateKey, error) { return makeRSA(2048) })
	rsa3072 = sync.OnceValues(func() ([]*rsa.PrivateKey, error) { return makeRSA(3072) })
	rsa4096 = sync.OnceValues(func() ([]*rsa.PrivateKey, error) { return makeRSA(4096) })
)

func makeRSA(bits int) ([]*rsa.PrivateKey, error) {
	var keys []*rsa.PrivateKey
	for range 2 {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// start returns a server whose RSA keys are those of rsaKeys.
func start(t testing.TB, options ...vaulttest.Option) *vaulttest.Server {
	t.Helper()
	return vaulttest.Start(t, append(options, vaulttest.RSAKeys(rsaKeys()))...)
}

// quiet is a log that nobody reads.
func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// options returns those for a server, with a login by approle.
func options(s *vaulttest.Server) Options {
	o := Options{Settings: remotetest.Settings("vault-test"), Address: s.Address, CA: s.CA, AppRole: &AppRole{RoleID: s.RoleID, SecretID: Secret(s.SecretID)}}
	o.Log = quiet()
	return o
}

// open returns an engine, and closes it when the test ends.
func open(t testing.TB, o Options) *Engine {
	t.Helper()
	e, err := New(t.Context(), newWrapper(t), o)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return e
}

// gaps is what Transit lacks.
func gaps(c enginetest.Config) enginetest.Config {
	c.Unsupported = []alg.Spec{alg.HMAC224, alg.Secp256k1, alg.MLDSA44, alg.MLDSA65, alg.MLDSA87}
	c.NoUsage = map[alg.Spec][]alg.Usage{}
	c.NoAlgorithm = map[alg.Spec][]alg.Algorithm{alg.Ed25519: {alg.Ed25519ph}}
	for _, spec := range []alg.Spec{alg.RSA2048, alg.RSA3072, alg.RSA4096} {
		c.NoUsage[spec] = []alg.Usage{alg.KeyTransfer}
		c.NoAlgorithm[spec] = []alg.Algorithm{alg.OAEPSHA1}
	}
	c.Restricts, c.NoRecover, c.NoExport, c.NoUnwrap, c.NoWrapExport = true, true, alg.Specs(), alg.Specs(), alg.Specs()
	return c
}

// TestEngine runs the contract on OpenBao's API.
func TestEngine(t *testing.T) {
	s := start(t)
	o := options(s)
	o.Settings.Attempt, o.Settings.Timeout = 0, 0 // RSA keys take their time
	e := open(t, o)
	enginetest.Test(t, gaps(enginetest.Config{
		New:   func(*testing.T) engine.Engine { return e },
		Adopt: func(t *testing.T, _ engine.Engine, spec alg.Spec) string { return operator(t, s, spec) },
	}))
}

// TestFaults runs the suite of misbehaviour.
func TestFaults(t *testing.T) {
	remotetest.Test(t, remotetest.Config{
		New: func(t *testing.T) (engine.Engine, remotetest.Service) {
			s := start(t)
			return open(t, options(s)), s
		},
		Spec: alg.P256, Expires: true,
	})
}

// operator makes a key by means other than the engine's.
func operator(t *testing.T, s *vaulttest.Server, spec alg.Spec) string {
	t.Helper()
	name := "operators-" + spec.String()
	what := map[alg.Spec]map[string]any{
		alg.AES256: {"type": "aes256-gcm96"}, alg.HMAC256: {"type": "hmac", "key_size": 32}, alg.HMAC384: {"type": "hmac", "key_size": 48},
		alg.HMAC512: {"type": "hmac", "key_size": 64}, alg.P256: {"type": "ecdsa-p256"}, alg.P384: {"type": "ecdsa-p384"},
		alg.P521: {"type": "ecdsa-p521"},
	}[spec]
	if what == nil { // rsa-2048, ed25519: the same word in Transit and here
		what = map[string]any{"type": spec.String()}
	}
	write(t, s, "transit/keys/"+name, what)
	return name
}

// leaks asserts that a text has none of some secrets in it.
func leaks(t *testing.T, text string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		if secret != "" && bytes.Contains([]byte(text), []byte(secret)) {
			t.Errorf("a secret is in %q", text)
		}
	}
}
