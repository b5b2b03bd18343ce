package soft

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// DefaultLibrary is the name under which systems install OpenSSL 3's libcrypto.
const DefaultLibrary = "libcrypto.so.3"

// laneWait is how long an operation waits for its turn in the lane. It is far
// beyond any healthy queue, and keeps an overloaded one from growing for ever.
const laneWait = 10 * time.Second

// provider opens RSA private keys in a native library.
type provider interface {
	// version is the library's own name and version.
	version() string
	// open reads a key in PKCS #8. It keeps no reference to der.
	open(der []byte) (nativeKey, error)
}

// nativeKey does what crypto/rsa would do with a private key. It is safe for
// concurrent use.
type nativeKey interface {
	// sign signs a digest with RSASSA-PKCS1-v1_5, or RSASSA-PSS with a salt as
	// long as the hash.
	sign(a alg.Algorithm, digest []byte) ([]byte, error)
	// decrypt decrypts RSAES-OAEP with an empty label, or does RSARaw;
	// errNotDecrypted when the ciphertext is none of this key.
	decrypt(a alg.Algorithm, ciphertext []byte) ([]byte, error)
}

// errNotDecrypted is all that a native library tells of a wrong ciphertext.
var errNotDecrypted = errors.New("not decrypted")

// rsaUnit runs RSA private-key operations: in a native library where there is
// one that works, and in a lane of bounded width. Without the lane they fill
// the scheduler's queues, where everything else waits behind them: with 32
// callers on two processors, a P-256 signature then took 250 ms at the 90th
// percentile, and with a lane of two 36 µs, at the same rate of RSA.
type rsaUnit struct {
	lane      chan struct{}
	library   provider // nil in pure Go
	log       *slog.Logger
	why       atomic.Pointer[error] // set when the library is missing or given up
	fallbacks atomic.Uint64
}

func newRSAUnit(o Options) *rsaUnit {
	width := o.RSALane
	if width <= 0 {
		width = runtime.GOMAXPROCS(0)
	}
	u := &rsaUnit{lane: make(chan struct{}, width), log: o.Log}
	if o.PureGo {
		u.give(errors.New("switched off"))
		return u
	}
	name := o.Library
	if name == "" {
		name = DefaultLibrary
	}
	p, err := load(name)
	if err == nil {
		err = selfTest(p)
	}
	if err != nil {
		u.give(err)
		o.Log.Warn("RSA runs in Go, which is slower: no native library", slog.String("library", name), slog.Any("cause", err)) //nolint:sloglint // New has no context
		return u
	}
	u.library = p
	o.Log.Info("RSA runs in a native library", slog.String("library", p.version())) //nolint:sloglint // New has no context
	return u
}

// give gives the library up, for a reason.
func (u *rsaUnit) give(why error) { u.why.CompareAndSwap(nil, &why) }

// trusted returns the library, or nil.
func (u *rsaUnit) trusted() provider {
	if u.why.Load() != nil {
		return nil
	}
	return u.library
}

func (u *rsaUnit) status() RSA {
	s := RSA{Fallbacks: u.fallbacks.Load()}
	if why := u.why.Load(); why != nil {
		s.Why = *why
	} else {
		s.Library = u.library.version()
	}
	return s
}

// enter waits for a place in the lane; leave by receiving from it.
func (u *rsaUnit) enter() error {
	select {
	case u.lane <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(laneWait)
	defer timer.Stop()
	select {
	case u.lane <- struct{}{}:
		return nil
	case <-timer.C:
		return fault.New(fault.Unavailable, "too many RSA operations are waiting")
	}
}

func (u *rsaUnit) leave() { <-u.lane }

// failed counts an operation that the library did not do.
func (u *rsaUnit) failed(doing string, err error) {
	u.fallbacks.Add(1)
	u.log.Warn("the native library failed; Go does it", slog.String("doing", doing), slog.Any("cause", err)) //nolint:sloglint // a crypto.Signer has no context
}

// wrong gives up a library whose result was wrong: whatever the reason, the
// next one might be wrong unseen.
func (u *rsaUnit) wrong(doing string) {
	u.fallbacks.Add(1)
	u.give(fmt.Errorf("%s gave a wrong result while %s", u.library.version(), doing))
	u.log.Error("the native library gave a wrong result; RSA runs in Go from now on", slog.String("doing", doing)) //nolint:sloglint // a crypto.Signer has no context
}

// rsaKey is an opened RSA key.
type rsaKey struct {
	redacted
	spec    alg.Spec
	unit    *rsaUnit
	private *rsa.PrivateKey
	native  nativeKey // nil in pure Go
}

// newKey returns a key ready for use; der is its PKCS #8 encoding.
func (u *rsaUnit) newKey(spec alg.Spec, private *rsa.PrivateKey, der []byte) *rsaKey {
	k := &rsaKey{spec: spec, unit: u, private: private}
	if p := u.trusted(); p != nil {
		native, err := p.open(der)
		if err != nil {
			u.failed("opening a key", err)
			return k
		}
		k.native = native
	}
	return k
}

// Public returns the public half.
func (k *rsaKey) Public() crypto.PublicKey { return &k.private.PublicKey }

// Sign signs a digest by PKCS #1 v1.5, or by PSS with *rsa.PSSOptions. What
// the native library signed is verified by crypto/rsa before it leaves: a
// faulty signature can give the key away.
func (k *rsaKey) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	a, err := engine.SigningAlgorithm(k.spec, digest, opts)
	if err != nil {
		return nil, err
	}
	if err := k.unit.enter(); err != nil {
		return nil, err
	}
	defer k.unit.leave()
	if k.usesNative() {
		signature, err := k.native.sign(a, digest)
		switch {
		case err != nil:
			k.unit.failed("signing", err)
		case verifies(&k.private.PublicKey, a, digest, signature):
			return signature, nil
		default:
			k.unit.wrong("signing")
		}
	}
	return k.private.Sign(rand, digest, opts)
}

// Decrypt decrypts RSAES-OAEP with *rsa.OAEPOptions of the table, or does the
// bare operation with engine.RawRSA: there is no PKCS #1 v1.5 decryption here,
// hence no padding oracle of Bleichenbacher's kind. Whatever is wrong with a
// ciphertext, the answer is the same error, and both implementations take the
// same time to find out (RFC 8017 section 7.1.2, note).
func (k *rsaKey) Decrypt(rand io.Reader, ciphertext []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	a, err := engine.DecryptionAlgorithm(k.spec, opts)
	if err != nil {
		return nil, err
	}
	if len(ciphertext) != k.private.Size() {
		return nil, badCiphertext()
	}
	if err := k.unit.enter(); err != nil {
		return nil, err
	}
	defer k.unit.leave()
	if a == alg.RSARaw {
		return k.raw(ciphertext)
	}
	if k.usesNative() {
		plaintext, err := k.native.decrypt(a, ciphertext)
		switch {
		case err == nil:
			return plaintext, nil
		case errors.Is(err, errNotDecrypted):
			return nil, badCiphertext()
		}
		k.unit.failed("decrypting", err)
	}
	plaintext, err := k.private.Decrypt(rand, ciphertext, opts)
	if err != nil {
		return nil, badCiphertext()
	}
	return plaintext, nil
}

func (k *rsaKey) usesNative() bool { return k.native != nil && k.unit.trusted() != nil }

// verifies reports whether crypto/rsa accepts the signature.
func verifies(pub *rsa.PublicKey, a alg.Algorithm, digest, signature []byte) bool {
	info := a.Info()
	if info.Scheme == alg.PSS {
		return rsa.VerifyPSS(pub, info.Hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	}
	return rsa.VerifyPKCS1v15(pub, info.Hash, digest, signature) == nil
}
