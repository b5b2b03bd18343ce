package vault

import (
	"crypto/rand"
	"crypto/rsa"
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

// rsaKeys makes one key of each size for all tests: what they test is not how
// keys are made, which takes long.
var rsaKeys = map[int]func() (*rsa.PrivateKey, error){2048: makeRSA(2048), 3072: makeRSA(3072), 4096: makeRSA(4096)}

func makeRSA(bits int) func() (*rsa.PrivateKey, error) {
	return sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, bits) })
}

func makeOne(bits int) (*rsa.PrivateKey, error) { return rsaKeys[bits]() }

// start returns a server whose RSA keys are rsaKeys.
func start(t testing.TB, options ...vaulttest.Option) *vaulttest.Server {
	t.Helper()
	return vaulttest.Start(t, append(options, vaulttest.RSAKeys(makeOne))...)
}

// quiet is a log that nobody reads.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// options returns those for a server, with a login by approle.
func options(s *vaulttest.Server) Options {
	o := Options{Settings: remotetest.Settings("vault-test"), Address: s.Address, CA: s.CA, AppRole: &AppRole{RoleID: s.RoleID, SecretID: Secret(s.SecretID)}}
	o.Log = quiet()
	return o
}

// open returns an engine, and closes it when the test ends.
func open(t testing.TB, o Options) *Engine {
	t.Helper()
	e, err := New(t.Context(), enginetest.Box{}, o)
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
	c.Without = []alg.Usage{alg.KeyTransfer, alg.KeyAgreement}
	c.NoAlgorithm = map[alg.Spec][]alg.Algorithm{alg.Ed25519: {alg.Ed25519ph}}
	for _, spec := range []alg.Spec{alg.RSA2048, alg.RSA3072, alg.RSA4096} {
		c.NoAlgorithm[spec] = []alg.Algorithm{alg.OAEPSHA1}
	}
	c.NoFurther = true
	c.Restricts, c.NoRecover, c.NoExport, c.NoUnwrap, c.NoWrapExport = true, true, alg.Specs(), alg.Specs(), alg.Specs()
	return c
}

// TestEngine runs the contract on OpenBao's API.
func TestEngine(t *testing.T) {
	s := start(t)
	o := options(s)
	o.Attempt, o.Timeout = 0, 0 // RSA keys take their time
	e := open(t, o)
	if e.Protection() != key.Outside {
		t.Errorf("the protection is %q", e.Protection())
	}
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
	name, what := operators(spec)
	write(t, s, "transit/keys/"+name, what)
	return name
}

// operators returns the name of a key that the operator makes, and what it is.
func operators(spec alg.Spec) (name string, what map[string]any) {
	what = map[alg.Spec]map[string]any{
		alg.AES256: {"type": "aes256-gcm96"}, alg.HMAC256: {"type": "hmac", "key_size": 32}, alg.HMAC384: {"type": "hmac", "key_size": 48},
		alg.HMAC512: {"type": "hmac", "key_size": 64}, alg.P256: {"type": "ecdsa-p256"}, alg.P384: {"type": "ecdsa-p384"},
		alg.P521: {"type": "ecdsa-p521"},
	}[spec]
	if what == nil { // rsa-2048, ed25519: the same word in Transit and here
		what = map[string]any{"type": spec.String()}
	}
	return "operators-" + spec.String(), what
}
