package soft

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// TestNativeAgainstGo opens the same keys in both implementations: signatures
// that have one right value are equal, the others verify, and each decrypts
// what was encrypted to it.
func TestNativeAgainstGo(t *testing.T) {
	requireLibrary(t)
	pure, native := newEngine(t, Options{PureGo: true}), newEngine(t, Options{})
	for _, spec := range []alg.Spec{alg.RSA2048, alg.RSA3072, alg.RSA4096} {
		t.Run(spec.String(), func(t *testing.T) {
			der := fixedRSA(t, spec)
			inGo, err1 := importKey(t, pure, spec, der)
			inC, err2 := importKey(t, native, spec, der)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			pub := publicOf(t, spec, inGo)
			for _, a := range slices.Concat(spec.Info().Algorithms, spec.Info().Further) {
				for range 5 {
					compare(t, a, pub, inGo, inC)
				}
			}
		})
	}
	if s := native.RSA(); s.Fallbacks != 0 || s.Library == "" {
		t.Errorf("the library did not do it all: %+v", s)
	}
}

func compare(t *testing.T, a alg.Algorithm, pub *engine.PublicKey, inGo, inC *engine.Key) {
	t.Helper()
	random := []byte(rand.Text())
	if a.Info().Scheme == alg.OAEP {
		ciphertext, err := pub.Encrypt(a, random)
		if err != nil {
			t.Fatal(err)
		}
		one, err1 := engine.Decrypt(inGo.Decrypter, a, ciphertext)
		two, err2 := engine.Decrypt(inC.Decrypter, a, ciphertext)
		if err1 != nil || err2 != nil || !bytes.Equal(one, random) || !bytes.Equal(two, random) {
			t.Errorf("%s: %x (%v) and %x (%v), want %x", a, one, err1, two, err2, random)
		}
		return
	}
	if a == alg.RSARaw {
		compareRaw(t, pub, inGo, inC)
		return
	}
	m := engine.Message{Form: alg.Raw, Bytes: random}
	if !a.Takes(alg.Raw) {
		m = engine.Message{Form: alg.Digest, Bytes: append(random, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)[:36]}
	}
	one, err1 := engine.Sign(inGo.Signer, a, m)
	two, err2 := engine.Sign(inC.Signer, a, m)
	if err1 != nil || err2 != nil {
		t.Fatalf("%s: %v, %v", a, err1, err2)
	}
	if a.Info().Scheme == alg.PKCS1 && !bytes.Equal(one, two) {
		t.Errorf("%s: two signatures of one message", a)
	}
	if pub.Verify(a, m, one) != nil || pub.Verify(a, m, two) != nil {
		t.Errorf("%s: does not verify", a)
	}
}

// compareRaw compares the bare operation of a number below the modulus, and of
// the least and the greatest.
func compareRaw(t *testing.T, pub *engine.PublicKey, inGo, inC *engine.Key) {
	t.Helper()
	k, ok := pub.Key().(*rsa.PublicKey)
	if !ok {
		t.Fatalf("a %T", pub.Key())
	}
	some, err := rand.Int(rand.Reader, k.N)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*big.Int{some, big.NewInt(0), big.NewInt(1), new(big.Int).Sub(k.N, big.NewInt(1))} {
		want := m.FillBytes(make([]byte, k.Size()))
		c := new(big.Int).Exp(m, big.NewInt(int64(k.E)), k.N).FillBytes(make([]byte, k.Size()))
		one, err1 := engine.Decrypt(inGo.Decrypter, alg.RSARaw, c)
		two, err2 := engine.Decrypt(inC.Decrypter, alg.RSARaw, c)
		if err1 != nil || err2 != nil || !bytes.Equal(one, want) || !bytes.Equal(two, want) {
			t.Errorf("%x (%v) and %x (%v), want %x", one, err1, two, err2, want)
		}
	}
}

// fake is a native library that does as told.
type fake struct {
	key     *rsa.PrivateKey
	openErr error
	fail    bool   // sign and decrypt return an error
	raw     []byte // what decrypt returns of alg.RSARaw
	wrong   bool   // sign returns a signature of something else
}

func (*fake) version() string { return "fake 1.0" }

func (f *fake) open([]byte) (nativeKey, error) {
	if f.openErr != nil {
		return nil, f.openErr
	}
	return f, nil
}

func (f *fake) sign(a alg.Algorithm, digest []byte) ([]byte, error) {
	if f.fail {
		return nil, errors.New("out of order")
	}
	digest = bytes.Clone(digest)
	if f.wrong {
		digest[0] ^= 1
	}
	return f.key.Sign(rand.Reader, digest, engine.Options(a, alg.Digest))
}

func (f *fake) decrypt(a alg.Algorithm, _ []byte) ([]byte, error) {
	if f.fail {
		return nil, errors.New("out of order")
	}
	if a == alg.RSARaw && f.raw != nil {
		return f.raw, nil
	}
	return nil, errNotDecrypted
}

// withFake returns an opened key whose native library is f.
func withFake(t *testing.T, f *fake) (*Engine, *rsaKey) {
	t.Helper()
	e := newEngine(t, Options{PureGo: true})
	e.rsa = &rsaUnit{lane: make(chan struct{}, 1), library: f, log: quiet()}
	m, err := e.Generate(t.Context(), enginetest.NewRef("k"), enginetest.KindOf(alg.RSA2048))
	if err != nil {
		t.Fatal(err)
	}
	k, err := e.Open(t.Context(), enginetest.NewRef("k"), alg.RSA2048, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	r, ok := k.Signer.(*rsaKey)
	if !ok {
		t.Fatalf("a %T", k.Signer)
	}
	f.key = r.private
	return e, r
}

// TestFallback asserts what leaves the engine when the library fails, lies or
// cannot open a key: always a right signature.
func TestFallback(t *testing.T) {
	digest := sha256.Sum256([]byte("message"))
	for _, tt := range []struct {
		name      string
		fake      fake
		fallbacks uint64 // after two signatures
		trusted   bool   // still in use afterwards
	}{
		{"good", fake{}, 0, true},
		{"fails", fake{fail: true}, 2, true},
		{"lies", fake{wrong: true}, 1, false},
		{"does not open keys", fake{openErr: errors.New("no")}, 1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, k := withFake(t, &tt.fake)
			for _, opts := range []crypto.SignerOpts{crypto.SHA256, engine.Options(alg.PSSSHA256, alg.Digest)} {
				signature, err := k.Sign(rand.Reader, digest[:], opts)
				if err != nil {
					t.Fatal(err)
				}
				a, err := engine.SigningAlgorithm(alg.RSA2048, digest[:], opts)
				if err != nil || !verifies(&k.private.PublicKey, a, digest[:], signature) {
					t.Errorf("a wrong signature leaves (%v)", err)
				}
			}
			s := e.RSA()
			if s.Fallbacks != tt.fallbacks || (s.Why == nil) != tt.trusted || (s.Library != "") != tt.trusted {
				t.Errorf("%+v, want %d fallbacks and trusted: %t", s, tt.fallbacks, tt.trusted)
			}
		})
	}
}

// TestFallbackDecrypt asserts that a failing library leaves decryption to Go,
// and that one that says a ciphertext is wrong is believed.
func TestFallbackDecrypt(t *testing.T) {
	for _, fail := range []bool{false, true} {
		e, k := withFake(t, &fake{fail: fail})
		ciphertext, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &k.private.PublicKey, []byte("plain"), nil)
		if err != nil {
			t.Fatal(err)
		}
		plaintext, err := engine.Decrypt(k, alg.OAEPSHA256, ciphertext)
		if fail && (err != nil || string(plaintext) != "plain" || e.RSA().Fallbacks != 1) {
			t.Errorf("%q, %v, %+v", plaintext, err, e.RSA())
		}
		if !fail && fault.KindOf(err) != fault.BadCiphertext {
			t.Errorf("%q, %v", plaintext, err)
		}
	}
}

// TestFallbackRaw asserts that no wrong result of the bare operation leaves, of
// which one alone gives the key away, and that a library that made one is given
// up.
func TestFallbackRaw(t *testing.T) {
	for name, f := range map[string]*fake{
		"fails": {fail: true}, "lies": {raw: make([]byte, 256)}, "is short": {raw: []byte{1}}, "refuses": {},
	} {
		e, k := withFake(t, f)
		want := append([]byte{0, 2}, bytes.Repeat([]byte{7}, 254)...)
		n := k.private.N
		c := new(big.Int).Exp(new(big.Int).SetBytes(want), big.NewInt(int64(k.private.E)), n).FillBytes(make([]byte, 256))
		got, err := engine.Decrypt(k, alg.RSARaw, c)
		if err != nil || !bytes.Equal(got, want) || e.RSA().Fallbacks != 1 {
			t.Errorf("a library that %s: %x, %v, %+v", name, got, err, e.RSA())
		}
		if (e.RSA().Why == nil) != (f.raw == nil) {
			t.Errorf("a library that %s: %+v", name, e.RSA())
		}
		if _, err := engine.Decrypt(k, alg.RSARaw, n.FillBytes(make([]byte, 256))); fault.KindOf(err) != fault.BadCiphertext {
			t.Errorf("the modulus itself decrypts: %v", err)
		}
	}
}

// TestSelfTest asserts that a library that is wrong anywhere gets no key.
func TestSelfTest(t *testing.T) {
	k := parseSelfTestKey(t)
	for name, f := range map[string]*fake{
		"opens nothing": {openErr: errors.New("no")}, "fails": {key: k, fail: true},
		"signs something else": {key: k, wrong: true}, "decrypts nothing": {key: k},
	} {
		if selfTest(f) == nil {
			t.Errorf("a library that %s passes", name)
		}
	}
}

// TestNoLibrary asserts that an engine without a library works and says why.
func TestNoLibrary(t *testing.T) {
	text := filepath.Join(t.TempDir(), "libcrypto.so.3")
	if err := os.WriteFile(text, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{
		"missing": {Library: "libnothing.so.9"}, "no library": {Library: text},
		"another library": {Library: "libc.so.6"}, "switched off": {PureGo: true},
	} {
		e := newEngine(t, o)
		if s := e.RSA(); s.Why == nil || s.Library != "" {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
