package enginetest

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"math/big"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// modeSample returns parameters and a plaintext that a mode of AES takes.
func modeSample(a alg.Algorithm) (engine.CipherParameters, []byte) {
	p := engine.CipherParameters{IV: bytes.Repeat([]byte{0xfe}, 16)}
	switch a { //nolint:exhaustive // the others take an IV of 16 bytes
	case alg.AESGCMRaw:
		p = engine.CipherParameters{IV: bytes.Repeat([]byte{0xfe}, 12), AssociatedData: []byte("associated"), TagBits: 128}
	case alg.AESKW, alg.AESKWP:
		p = engine.CipherParameters{}
	}
	return p, bytes.Repeat([]byte("sixteen bytes..."), 3)
}

// sizes are plaintext lengths of a mode, and lengths that it refuses.
func sizes(a alg.Algorithm) (takes, refuses []int) {
	switch a { //nolint:exhaustive // the others take any length
	case alg.AESCBC:
		return []int{16, 32, 4096}, []int{1, 15, 17}
	case alg.AESKW:
		return []int{16, 24, 40, 4096}, []int{0, 8, 15, 17}
	case alg.AESKWP:
		return []int{1, 7, 8, 9, 16, 20, 4095}, []int{0}
	}
	return []int{1, 15, 16, 17, 4095}, nil
}

// testCipher encrypts and decrypts, compares with this process's own
// implementation by the lengths of what comes out, and asserts that nothing
// changed decrypts where the mode can tell, by one error.
func testCipher(t *testing.T, a alg.Algorithm, c engine.Cipher) {
	p, _ := modeSample(a)
	takes, refuses := sizes(a)
	for _, size := range takes {
		want := bytes.Repeat([]byte{5}, size)
		box, err := c.Encrypt(a, p, want)
		if err != nil {
			t.Fatalf("Encrypt of %d bytes: %v", size, err)
		}
		if got, err := c.Decrypt(a, p, box); err != nil || !bytes.Equal(got, want) {
			t.Errorf("Decrypt of %d bytes: %x, %v", size, got, err)
		}
		again, err := c.Encrypt(a, p, want)
		if err != nil || !bytes.Equal(again, box) {
			t.Errorf("the same again of %d bytes is something else (%v)", size, err)
		}
	}
	for _, size := range refuses {
		_, err := c.Encrypt(a, p, make([]byte, size))
		wantKind(t, err, fault.InvalidArgument, "a length that the mode does not take")
	}
	_, err := c.Encrypt(a, engine.CipherParameters{IV: []byte{1}, TagBits: 5}, make([]byte, 16))
	wantKind(t, err, fault.InvalidArgument, "parameters that the mode does not take")
	_, err = c.Encrypt(alg.AESGCM, p, make([]byte, 16))
	wantKind(t, err, fault.InvalidArgument, "an algorithm that is no mode")
	testDamagedCipher(t, a, c)
}

// testDamagedCipher damages ciphertexts of the modes that notice.
func testDamagedCipher(t *testing.T, a alg.Algorithm, c engine.Cipher) {
	p, plain := modeSample(a)
	box, err := c.Encrypt(a, p, plain)
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string][]byte{}
	switch a { //nolint:exhaustive // CTR takes everything
	case alg.AESGCMRaw, alg.AESKW, alg.AESKWP:
		for at := range box {
			flipped := bytes.Clone(box)
			flipped[at] ^= 1
			_, err := c.Decrypt(a, p, flipped)
			wantBad(t, err, "a bit flipped")
		}
		bad = map[string][]byte{"nothing": nil, "one byte": box[:1], "a byte less": box[1:], "8 bytes less": box[8:]}
	case alg.AESCBC:
		bad = map[string][]byte{"a byte less": box[1:]}
	case alg.AESCBCPad:
		flipped := bytes.Clone(box)
		flipped[len(box)-17] ^= 0x80 // the last byte of the padding
		bad = map[string][]byte{"nothing": nil, "a byte less": box[1:], "a wrong padding": flipped}
	}
	for name, b := range bad {
		_, err := c.Decrypt(a, p, b)
		wantBad(t, err, name)
	}
}

// wantBad asserts that err is what every bad ciphertext gets.
func wantBad(t *testing.T, err error, when string) {
	t.Helper()
	wantKind(t, err, fault.BadCiphertext, when)
	if want := fault.New(fault.BadCiphertext, "the ciphertext cannot be decrypted with this key"); err != nil && err.Error() != want.Error() {
		t.Errorf("%s: %q, want the one text that every bad ciphertext gets", when, err)
	}
}

// testSameCipher asserts that two keys are the same one.
func testSameCipher(t *testing.T, c Config, spec alg.Spec, one, other engine.Cipher) {
	t.Helper()
	for _, a := range spec.FurtherFor(alg.RawEncryptDecrypt) {
		if !c.does(spec, a) {
			continue
		}
		p, plain := modeSample(a)
		box, err := one.Encrypt(a, p, plain)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := other.Decrypt(a, p, box); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: the other key decrypts to %x, %v", a, got, err)
		}
	}
}

func modeRoundTrip(a alg.Algorithm, c engine.Cipher) error {
	p, plain := modeSample(a)
	box, err := c.Encrypt(a, p, plain)
	if err != nil {
		return err
	}
	got, err := c.Decrypt(a, p, box)
	return same(got, plain, err)
}

// publicPower raises a number to a public key's exponent.
func publicPower(pub *engine.PublicKey, m []byte) []byte {
	k, ok := pub.Key().(*rsa.PublicKey)
	if !ok {
		return nil
	}
	return new(big.Int).Exp(new(big.Int).SetBytes(m), big.NewInt(int64(k.E)), k.N).FillBytes(make([]byte, k.Size()))
}

func rawRoundTrip(pub *engine.PublicKey, d crypto.Decrypter, plain []byte) error {
	want := append(make([]byte, pub.Spec().Info().Bits/8-len(plain)), plain...)
	got, err := engine.Decrypt(d, alg.RSARaw, publicPower(pub, want))
	return same(got, want, err)
}

// testRaw asserts that the bare operation is the inverse of the public one, that
// what comes out is as long as the modulus, and what is no number below it is
// refused.
func testRaw(t *testing.T, spec alg.Spec, m engine.Material, d crypto.Decrypter) {
	pub := public(t, spec, m)
	size := spec.Info().Bits / 8
	for name, plain := range map[string][]byte{
		"one": {1}, "a small number": []byte("small"),
		"a padded message": append([]byte{0, 2}, bytes.Repeat([]byte{0x5a}, size-2)...),
	} {
		if err := rawRoundTrip(pub, d, plain); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, bad := range map[string][]byte{
		"nothing": nil, "a byte less": make([]byte, size-1), "a byte more": make([]byte, size+1), "above the modulus": bytes.Repeat([]byte{0xff}, size),
	} {
		_, err := engine.Decrypt(d, alg.RSARaw, bad)
		wantBad(t, err, name)
	}
	_, err := pub.Encrypt(alg.RSARaw, []byte("x"))
	wantKind(t, err, fault.InvalidArgument, "encryption by the bare operation")
}
