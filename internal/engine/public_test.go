package engine

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"

	"filippo.io/mldsa"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// keys has a signer of each asymmetric spec but secp256k1, whose library has
// no crypto.Signer. They are made once: RSA's take long.
var keys = sync.OnceValues(func() (map[alg.Spec]crypto.Signer, error) {
	all := map[alg.Spec]crypto.Signer{}
	var errs []error
	add := func(spec alg.Spec, k crypto.Signer, err error) {
		all[spec] = k
		errs = append(errs, err)
	}
	for _, spec := range []alg.Spec{alg.RSA2048, alg.RSA3072, alg.RSA4096} {
		k, err := rsa.GenerateKey(rand.Reader, spec.Info().Bits)
		add(spec, k, err)
	}
	for spec, curve := range map[alg.Spec]elliptic.Curve{alg.P256: elliptic.P256(), alg.P384: elliptic.P384(), alg.P521: elliptic.P521()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		add(spec, k, err)
	}
	_, k, err := ed25519.GenerateKey(rand.Reader)
	add(alg.Ed25519, k, err)
	for _, spec := range []alg.Spec{alg.MLDSA44, alg.MLDSA65, alg.MLDSA87} {
		params, _ := MLDSAParameters(spec)
		k, err := mldsa.GenerateKey(params)
		add(spec, k, err)
	}
	return all, errors.Join(errs...)
})

func private(t testing.TB, spec alg.Spec) crypto.Signer {
	t.Helper()
	all, err := keys()
	if err != nil || all[spec] == nil {
		t.Fatalf("no key of type %s: %v", spec, err)
	}
	return all[spec]
}

// publics returns a public key of each asymmetric spec.
func publics(t testing.TB) map[alg.Spec]crypto.PublicKey {
	t.Helper()
	k, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	all := map[alg.Spec]crypto.PublicKey{alg.Secp256k1: k.PubKey()}
	for _, spec := range alg.Specs() {
		if !spec.Symmetric() && spec != alg.Secp256k1 {
			all[spec] = private(t, spec).Public()
		}
	}
	return all
}

// TestPublicRoundTrip asserts that every public key is written as its own
// spec only, and is read back as that only.
func TestPublicRoundTrip(t *testing.T) {
	all := publics(t)
	for _, spec := range alg.Specs() {
		if spec.Symmetric() {
			continue
		}
		pub, ok := all[spec]
		if !ok {
			t.Errorf("%s is not tested", spec)
			continue
		}
		spki, err := MarshalPublic(spec, pub)
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range append([]alg.Spec{alg.NoSpec}, alg.Specs()...) {
			k, err := ParsePublic(other, spki)
			if (err == nil) != (other == spec) {
				t.Errorf("%s read as %q: %v", spec, other, err)
			}
			if err == nil && (k.Spec() != spec || SpecOf(k.Key()) != spec) {
				t.Errorf("%s read as %q", spec, k.Spec())
			}
			if _, err := MarshalPublic(other, pub); (err == nil) != (other == spec) {
				t.Errorf("%s written as %q: %v", spec, other, err)
			}
		}
		for name, bad := range map[string][]byte{
			"nothing": nil, "cut": spki[:len(spki)-1], "trailing byte": append(slices.Clone(spki), 0), "not DER": []byte("key"),
		} {
			if _, err := ParsePublic(spec, bad); fault.KindOf(err) != fault.InvalidArgument {
				t.Errorf("%s, %s: %v", spec, name, err)
			}
		}
	}
}

// TestSpecOf asserts that a key outside the table has no spec.
func TestSpecOf(t *testing.T) {
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, pub := range map[string]crypto.PublicKey{
		"nothing": nil, "P-224": p224.Public(), "no modulus": &rsa.PublicKey{}, "short": ed25519.PublicKey{1}, "text": "key",
	} {
		if got := SpecOf(pub); got != alg.NoSpec {
			t.Errorf("%s is of spec %s", name, got)
		}
	}
}

// generator is the base point of secp256k1 (SEC 2 section 2.4.1).
const generator = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798" +
	"483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"

// TestSecp256k1Encoding pins the encoding, and what is refused of it.
func TestSecp256k1Encoding(t *testing.T) {
	const head = "3056301006072a8648ce3d020106052b8104000a034200"
	decode := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if _, err := ParsePublic(alg.Secp256k1, decode(head+"04"+generator)); err != nil {
		t.Errorf("the base point: %v", err)
	}
	for name, bad := range map[string]string{
		"off the curve":      head + "04" + generator[:126] + "b9",
		"hybrid point":       head + "06" + generator,
		"compressed point":   "3036301006072a8648ce3d020106052b8104000a032200" + "02" + generator[:64],
		"another curve":      "3056301006072a8648ce3d020106052b81040023034200" + "04" + generator,
		"unused bits":        "3056301006072a8648ce3d020106052b8104000a034201" + "04" + generator,
		"another algorithm":  "3056301006072a8648ce3d020206052b8104000a034200" + "04" + generator,
		"length in two ways": "308156301006072a8648ce3d020106052b8104000a034200" + "04" + generator,
	} {
		if _, err := ParsePublic(alg.Secp256k1, decode(bad)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

// TestSaltLength asserts that a PSS signature with any salt but one as long
// as the hash is refused.
func TestSaltLength(t *testing.T) {
	k, ok := private(t, alg.RSA2048).(*rsa.PrivateKey)
	if !ok {
		t.Fatal("no RSA key")
	}
	pub := &PublicKey{spec: alg.RSA2048, key: k.Public()}
	digest := bytes.Repeat([]byte{1}, 32)
	for salt, want := range map[int]bool{32: true, 31: false, 33: false, 20: false, rsa.PSSSaltLengthAuto: false} {
		signature, err := rsa.SignPSS(rand.Reader, k, crypto.SHA256, digest, &rsa.PSSOptions{SaltLength: salt})
		if err != nil {
			t.Fatal(err)
		}
		err = pub.Verify(alg.PSSSHA256, Message{alg.Digest, digest}, signature)
		if (err == nil) != want || (err != nil && fault.KindOf(err) != fault.BadSignature) {
			t.Errorf("a salt of %d bytes: %v", salt, err)
		}
	}
}

// TestMessages asserts which messages each algorithm takes: the form first,
// then the length.
func TestMessages(t *testing.T) {
	for _, tt := range []struct {
		spec   alg.Spec
		a      alg.Algorithm
		form   alg.Form
		length int
		kind   fault.Kind // of the error; Internal here means none
		reason fault.Reason
	}{
		{alg.P256, alg.ECDSASHA256, alg.Raw, 0, 0, 0},
		{alg.P256, alg.ECDSASHA256, alg.Raw, 5000, 0, 0},
		{alg.P256, alg.ECDSASHA256, alg.Digest, 32, 0, 0},
		{alg.P256, alg.ECDSASHA256, alg.Digest, 31, fault.InvalidArgument, fault.DigestLength},
		{alg.P256, alg.ECDSASHA256, alg.Digest, 33, fault.InvalidArgument, fault.DigestLength},
		{alg.P256, alg.ECDSASHA256, alg.ExternalMu, 64, fault.InvalidArgument, 0},
		{alg.P256, alg.ECDSASHA256, 0, 32, fault.InvalidArgument, 0},
		{alg.P256, alg.ECDSASHA384, alg.Digest, 48, 0, 0},
		{alg.P256, alg.ECDSAMD5SHA1, alg.Digest, 36, 0, 0},
		{alg.P256, alg.ECDSAMD5SHA1, alg.Raw, 36, fault.InvalidArgument, 0},
		{alg.Ed25519, alg.ECDSASHA384, alg.Digest, 48, fault.InvalidArgument, fault.WrongAlgorithm},
		{alg.RSA2048, alg.PKCS1Plain, alg.Digest, 51, 0, 0},
		{alg.RSA2048, alg.PKCS1Plain, alg.Digest, 246, fault.InvalidArgument, fault.DigestLength},
		{alg.RSA2048, alg.PKCS1Plain, alg.Digest, 0, fault.InvalidArgument, fault.DigestLength},
		{alg.RSA2048, alg.PKCS1Plain, alg.Raw, 32, fault.InvalidArgument, 0},
		{alg.P256, alg.PKCS1SHA256, alg.Digest, 32, fault.InvalidArgument, fault.WrongAlgorithm},
		{alg.P256, alg.NoAlgorithm, alg.Digest, 32, fault.InvalidArgument, fault.WrongAlgorithm},
		{alg.RSA2048, alg.OAEPSHA256, alg.Digest, 32, fault.InvalidArgument, fault.WrongAlgorithm},
		{alg.RSA2048, alg.PSSSHA512, alg.Digest, 64, 0, 0},
		{alg.RSA2048, alg.PSSSHA512, alg.Digest, 32, fault.InvalidArgument, fault.DigestLength},
		{alg.Ed25519, alg.Ed25519Pure, alg.Raw, 100, 0, 0},
		{alg.Ed25519, alg.Ed25519Pure, alg.Digest, 64, fault.InvalidArgument, 0},
		{alg.Ed25519, alg.Ed25519ph, alg.Digest, 64, 0, 0},
		{alg.Ed25519, alg.Ed25519ph, alg.Digest, 32, fault.InvalidArgument, fault.DigestLength},
		{alg.Ed25519, alg.Ed25519ph, alg.Raw, 64, fault.InvalidArgument, 0},
		{alg.MLDSA44, alg.MLDSAPure, alg.Raw, 100, 0, 0},
		{alg.MLDSA44, alg.MLDSAPure, alg.ExternalMu, 64, 0, 0},
		{alg.MLDSA44, alg.MLDSAPure, alg.ExternalMu, 63, fault.InvalidArgument, fault.DigestLength},
		{alg.MLDSA44, alg.MLDSAPure, alg.Digest, 64, fault.InvalidArgument, 0},
	} {
		k := private(t, tt.spec)
		m := Message{tt.form, make([]byte, tt.length)}
		signature, err := Sign(k, tt.a, m)
		verr := (&PublicKey{spec: tt.spec, key: k.Public()}).Verify(tt.a, m, signature)
		for name, err := range map[string]error{"Sign": err, "Verify": verr} {
			if (err == nil) != (tt.kind == 0) || fault.KindOf(err) != tt.kind || fault.ReasonOf(err) != tt.reason {
				t.Errorf("%s of %s, form %d, %d bytes: %v", name, tt.a, tt.form, tt.length, err)
			}
		}
	}
}

// broken is a key whose operations fail.
type broken struct {
	crypto.Signer
	err error
}

func (b broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, b.err }

func (b broken) Decrypt(io.Reader, []byte, crypto.DecrypterOpts) ([]byte, error) { return nil, b.err }

// TestErrors asserts that a key's own *fault.Error passes, and that another
// error becomes Internal of a signature and the one BadCiphertext of a
// decryption, without its cause.
func TestErrors(t *testing.T) {
	busy, plain := fault.New(fault.Unavailable, "busy"), errors.New("crypto/rsa: message too long")
	k := private(t, alg.RSA2048)
	digest, ciphertext := Message{alg.Digest, make([]byte, 32)}, make([]byte, 256)
	for _, tt := range []struct {
		err           error
		sign, decrypt fault.Kind
	}{{busy, fault.Unavailable, fault.Unavailable}, {plain, fault.Internal, fault.BadCiphertext}} {
		if _, err := Sign(broken{k, tt.err}, alg.PKCS1SHA256, digest); fault.KindOf(err) != tt.sign || !errors.Is(err, tt.err) {
			t.Errorf("Sign: %v", err)
		}
		_, err := Decrypt(broken{k, tt.err}, alg.OAEPSHA256, ciphertext)
		if fault.KindOf(err) != tt.decrypt || errors.Is(err, plain) {
			t.Errorf("Decrypt: %v", err)
		}
	}
}

// TestWrongUse asks of keys what their algorithms do not do.
func TestWrongUse(t *testing.T) {
	k := private(t, alg.P256)
	pub := &PublicKey{spec: alg.P256, key: k.Public()}
	if _, err := pub.Encrypt(alg.OAEPSHA256, nil); fault.ReasonOf(err) != fault.WrongAlgorithm {
		t.Errorf("Encrypt with P-256: %v", err)
	}
	if _, err := Decrypt(broken{k, nil}, alg.OAEPSHA256, nil); fault.ReasonOf(err) != fault.WrongAlgorithm {
		t.Errorf("Decrypt with P-256: %v", err)
	}
	r := private(t, alg.RSA2048)
	if _, err := (&PublicKey{spec: alg.RSA2048, key: r.Public()}).Encrypt(alg.PKCS1SHA256, nil); fault.ReasonOf(err) != fault.WrongAlgorithm {
		t.Errorf("Encrypt with a signature algorithm: %v", err)
	}
	if err := (&PublicKey{spec: alg.AES256, key: nil}).Verify(alg.AESGCM, Message{alg.Raw, nil}, nil); err == nil {
		t.Error("an AES key verifies")
	}
}

// FuzzParsePublic asserts that what is read is written back the same.
func FuzzParsePublic(f *testing.F) {
	for spec, pub := range publics(f) {
		spki, err := MarshalPublic(spec, pub)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(spec), spki)
	}
	f.Fuzz(func(t *testing.T, spec uint8, spki []byte) {
		k, err := ParsePublic(alg.Spec(spec), spki)
		if err != nil {
			if fault.KindOf(err) != fault.InvalidArgument {
				t.Errorf("an error of another kind: %v", err)
			}
			return
		}
		again, err := MarshalPublic(k.Spec(), k.Key())
		if err != nil || !bytes.Equal(again, spki) {
			t.Errorf("%x comes back as %x (%v)", spki, again, err)
		}
	})
}

// FuzzVerifyMu asserts that no input makes the verification of ML-DSA panic,
// and that it accepts only what the library accepts.
func FuzzVerifyMu(f *testing.F) {
	sk, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	signature, err := sk.SignDeterministic([]byte("m"), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("m"), signature)
	f.Add([]byte("m"), signature[:100])
	f.Fuzz(func(t *testing.T, message, signature []byte) {
		want := mldsa.Verify(sk.PublicKey(), message, signature, nil) == nil
		if got := verifyMu(alg.MLDSA44, sk.PublicKey().Bytes(), muOf(sk.PublicKey().Bytes(), message), signature); got != want {
			t.Errorf("verifies %t, by the library %t", got, want)
		}
	})
}
