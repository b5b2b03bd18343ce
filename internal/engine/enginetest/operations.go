package enginetest

import (
	"bytes"
	"crypto"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// testAlgorithm uses a key with one algorithm.
func testAlgorithm(t *testing.T, c Config, spec alg.Spec, a alg.Algorithm, m engine.Material, k *engine.Key) {
	switch a.Info().Scheme {
	case alg.GCM:
		testAEAD(t, c, k.AEAD)
	case alg.OAEP:
		testOAEP(t, spec, a, m, k.Decrypter)
	case alg.MAC:
		testMAC(t, a, k.MAC)
	case alg.Agreement:
		testAgreement(t, spec, m, k.Agreement)
	case alg.RSAPrimitive:
		testRaw(t, spec, m, k.Decrypter)
	case alg.CipherMode:
		testCipher(t, a, k.Cipher)
	default:
		testSignature(t, spec, a, m, k.Signer)
		testVerifier(t, a, k)
	}
}

// wantRefused asserts that a key does not do an algorithm, by an error of one
// of the kinds.
func wantRefused(t *testing.T, spec alg.Spec, a alg.Algorithm, m engine.Material, k *engine.Key, kinds ...fault.Kind) {
	t.Helper()
	var err error
	switch a.Info().Scheme {
	case alg.OAEP:
		var ciphertext []byte
		if ciphertext, err = public(t, spec, m).Encrypt(a, []byte("x")); err != nil {
			t.Fatal(err)
		}
		_, err = engine.Decrypt(k.Decrypter, a, ciphertext)
	case alg.GCM:
		_, err = k.AEAD.Seal(nil, nil, nil)
	case alg.MAC:
		_, err = k.MAC.Sum(nil, nil)
	case alg.RSAPrimitive:
		_, err = engine.Decrypt(k.Decrypter, a, make([]byte, spec.Info().Bits/8))
	case alg.CipherMode:
		if k.Cipher == nil {
			return // which testPublic expects
		}
		p, plain := modeSample(a)
		_, err = k.Cipher.Encrypt(a, p, plain)
	case alg.Agreement:
		_, err = engine.Agree(spec, k.Agreement, newPeer(t, spec).public)
	default:
		_, err = engine.Sign(k.Signer, a, message(a, a.Info().Forms[0], 1))
	}
	if f, ok := errors.AsType[*fault.Error](err); !ok || !slices.Contains(kinds, f.Kind) {
		t.Errorf("%s with a key that does not have it: error %v, want one of the kinds %q", a, err, kinds)
	}
}

// message returns a message for a form of an algorithm.
func message(a alg.Algorithm, form alg.Form, fill byte) engine.Message {
	size := 64 // of mu, and of a message for an algorithm that takes no digest
	if h := a.Info().Hash; form == alg.Digest && h != 0 {
		size = h.Size()
	}
	return engine.Message{Form: form, Bytes: bytes.Repeat([]byte{fill}, size)}
}

func public(t *testing.T, spec alg.Spec, m engine.Material) *engine.PublicKey {
	t.Helper()
	p, err := engine.ParsePublic(spec, m.Public)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// testSignature signs in every form, verifies, and asserts that neither
// another message nor a changed signature verifies.
func testSignature(t *testing.T, spec alg.Spec, a alg.Algorithm, m engine.Material, s crypto.Signer) {
	pub := public(t, spec, m)
	for _, form := range a.Info().Forms {
		msg := message(a, form, 1)
		signature, err := engine.Sign(s, a, msg)
		if err != nil {
			t.Fatalf("Sign, form %d: %v", form, err)
		}
		if err := pub.Verify(a, msg, signature); err != nil {
			t.Errorf("Verify, form %d: %v", form, err)
		}
		wantKind(t, pub.Verify(a, message(a, form, 2), signature), fault.BadSignature, "another message")
		for _, at := range []int{0, len(signature) / 2, len(signature) - 1} {
			bad := bytes.Clone(signature)
			bad[at] ^= 4
			wantKind(t, pub.Verify(a, msg, bad), fault.BadSignature, "a changed signature")
		}
		wantKind(t, pub.Verify(a, msg, nil), fault.BadSignature, "no signature")
	}
	testForms(t, a, s)
}

// testForms asserts that a digest of the wrong length and a form that the
// algorithm does not take are refused.
func testForms(t *testing.T, a alg.Algorithm, s crypto.Signer) {
	for _, form := range []alg.Form{alg.Raw, alg.Digest, alg.ExternalMu} {
		msg := message(a, form, 1)
		switch {
		case !a.Takes(form):
			_, err := engine.Sign(s, a, msg)
			wantKind(t, err, fault.InvalidArgument, "a form that the algorithm does not take")
		case form != alg.Raw && a != alg.PKCS1Plain:
			msg.Bytes = msg.Bytes[1:]
			_, err := engine.Sign(s, a, msg)
			wantKind(t, err, fault.InvalidArgument, "a short digest")
			if fault.ReasonOf(err) != fault.DigestLength {
				t.Errorf("a short digest: %v, want the reason DigestLength", err)
			}
		}
	}
}

// testOAEP encrypts with the public half and decrypts, from no byte to as
// many as fit.
func testOAEP(t *testing.T, spec alg.Spec, a alg.Algorithm, m engine.Material, d crypto.Decrypter) {
	pub := public(t, spec, m)
	limit := spec.MaxPlaintext(a)
	for _, size := range []int{0, 1, 32, limit} {
		want := bytes.Repeat([]byte{7}, size)
		ciphertext, err := pub.Encrypt(a, want)
		if err != nil {
			t.Fatalf("Encrypt of %d bytes: %v", size, err)
		}
		got, err := engine.Decrypt(d, a, ciphertext)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("Decrypt of %d bytes: %x, %v", size, got, err)
		}
	}
	_, err := pub.Encrypt(a, make([]byte, limit+1))
	wantKind(t, err, fault.InvalidArgument, "a plaintext that is too long")
	if fault.ReasonOf(err) != fault.MessageTooLong {
		t.Errorf("a plaintext that is too long: %v, want the reason MessageTooLong", err)
	}
	ciphertext, err := pub.Encrypt(a, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(ciphertext)
	flipped[len(flipped)-1] ^= 1
	for name, bad := range map[string][]byte{
		"a bit flipped": flipped, "a byte less": ciphertext[1:], "nothing": nil, "all ones": bytes.Repeat([]byte{0xff}, len(ciphertext)),
	} {
		_, err := engine.Decrypt(d, a, bad)
		wantKind(t, err, fault.BadCiphertext, name)
		if want := fault.New(fault.BadCiphertext, "the ciphertext cannot be decrypted with this key"); err != nil && err.Error() != want.Error() {
			t.Errorf("%s: %q, want the one text that every bad ciphertext gets", name, err)
		}
	}
}

// testAEAD seals and opens, appends, and asserts that nothing changed opens.
func testAEAD(t *testing.T, c Config, a engine.AEAD) {
	associated := []byte("associated")
	for _, size := range []int{0, 1, 15, 16, 17, 4096} {
		if size == 0 && c.NoEmpty {
			continue
		}
		want := bytes.Repeat([]byte{9}, size)
		ciphertext, err := a.Seal([]byte("head"), want, associated)
		if err != nil || !bytes.HasPrefix(ciphertext, []byte("head")) || !c.long(len(ciphertext)-4-size, a.Overhead()) {
			t.Fatalf("Seal of %d bytes: %d bytes, %v", size, len(ciphertext), err)
		}
		got, err := a.Open([]byte("head"), ciphertext[4:], associated)
		if err != nil || !bytes.Equal(got, append([]byte("head"), want...)) {
			t.Errorf("Open of %d bytes: %v", size, err)
		}
	}
	ciphertext, err := a.Seal(nil, []byte("plaintext"), associated)
	if err != nil {
		t.Fatal(err)
	}
	again, err := a.Seal(nil, []byte("plaintext"), associated)
	if err != nil || bytes.Equal(again, ciphertext) {
		t.Errorf("two encryptions are the same (%v)", err)
	}
	for at := range ciphertext {
		bad := bytes.Clone(ciphertext)
		bad[at] ^= 0x80
		_, err := a.Open(nil, bad, associated)
		wantKind(t, err, fault.BadCiphertext, "a bit flipped")
		_, err = a.Open(nil, ciphertext[:at], associated)
		wantKind(t, err, fault.BadCiphertext, "cut")
	}
	for _, other := range [][]byte{nil, []byte("associateD"), []byte("associated ")} {
		_, err := a.Open(nil, ciphertext, other)
		wantKind(t, err, fault.BadCiphertext, "other associated data")
	}
}

// long reports whether a ciphertext is longer than its plaintext by as much as
// the engine says.
func (c Config) long(by, overhead int) bool {
	return by == overhead || c.Varies && by > 0 && by < overhead
}

// testVerifier asserts that the place verifies what it signed and nothing else.
func testVerifier(t *testing.T, a alg.Algorithm, k *engine.Key) {
	if k.Verifier == nil {
		return
	}
	for _, form := range a.Info().Forms {
		msg := message(a, form, 1)
		signature, err := engine.Sign(k.Signer, a, msg)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Verifier.Verify(a, msg, signature); err != nil {
			t.Errorf("the place does not verify, form %d: %v", form, err)
		}
		wantKind(t, k.Verifier.Verify(a, message(a, form, 2), signature), fault.BadSignature, "the place verifies another message")
	}
}

// testMAC asserts that codes are as long as the hash, equal for equal
// messages only, and appended.
func testMAC(t *testing.T, a alg.Algorithm, m engine.MAC) {
	one, err := m.Sum([]byte("head"), []byte("message"))
	if err != nil || !bytes.HasPrefix(one, []byte("head")) || len(one) != 4+a.Info().Hash.Size() {
		t.Fatalf("Sum: %x, %v", one, err)
	}
	two, err := m.Sum(nil, []byte("message"))
	if err != nil || !bytes.Equal(one[4:], two) {
		t.Errorf("two codes of one message differ (%v)", err)
	}
	other, err := m.Sum(nil, []byte("messagE"))
	if err != nil || bytes.Equal(other, two) {
		t.Errorf("two messages have the same code (%v)", err)
	}
}

// testConcurrency uses one opened key from many goroutines at once.
func testConcurrency(t *testing.T, c Config, kind engine.Kind, m engine.Material, k *engine.Key) {
	spec := kind.Spec
	var all sync.WaitGroup
	for fill := range byte(8) {
		all.Go(func() {
			for _, a := range every(spec) {
				if !c.does(spec, a) || c.Restricts && a.Info().Usage != kind.Usage {
					continue
				}
				if err := roundTrip(spec, a, m, k, fill); err != nil {
					t.Errorf("%s: %v", a, err)
				}
			}
		})
	}
	all.Wait()
}

// roundTrip uses an algorithm once and undoes it.
func roundTrip(spec alg.Spec, a alg.Algorithm, m engine.Material, k *engine.Key, fill byte) error {
	plain := bytes.Repeat([]byte{fill}, 40)
	switch a.Info().Usage {
	case alg.GenerateVerifyMAC:
		one, err := k.MAC.Sum(nil, plain)
		if err != nil {
			return err
		}
		two, err := k.MAC.Sum(nil, plain)
		return same(one, two, err)
	case alg.EncryptDecrypt:
		return cipherRoundTrip(spec, a, m, k, plain)
	case alg.RawEncryptDecrypt:
		return modeRoundTrip(a, k.Cipher)
	case alg.KeyAgreement:
		pub, err := engine.ParsePublic(spec, m.Public)
		if err != nil {
			return err
		}
		return engine.RehearseAgreement(k.Agreement, pub)
	default:
		pub, err := engine.ParsePublic(spec, m.Public)
		if err != nil {
			return err
		}
		msg := message(a, a.Info().Forms[0], fill)
		signature, err := engine.Sign(k.Signer, a, msg)
		if err != nil {
			return err
		}
		return pub.Verify(a, msg, signature)
	}
}

func cipherRoundTrip(spec alg.Spec, a alg.Algorithm, m engine.Material, k *engine.Key, plain []byte) error {
	if a == alg.AESGCM {
		ciphertext, err := k.AEAD.Seal(nil, plain, nil)
		if err != nil {
			return err
		}
		got, err := k.AEAD.Open(nil, ciphertext, nil)
		return same(got, plain, err)
	}
	pub, err := engine.ParsePublic(spec, m.Public)
	if err != nil {
		return err
	}
	if a == alg.RSARaw {
		return rawRoundTrip(pub, k.Decrypter, plain)
	}
	ciphertext, err := pub.Encrypt(a, plain)
	if err != nil {
		return err
	}
	got, err := engine.Decrypt(k.Decrypter, a, ciphertext)
	return same(got, plain, err)
}

func same(got, want []byte, err error) error {
	if err == nil && !bytes.Equal(got, want) {
		return fault.New(fault.Internal, "got %x, want %x", got, want)
	}
	return err
}
