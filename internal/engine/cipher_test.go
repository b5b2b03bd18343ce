package engine_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// TestCipherParameters is the table of what the modes take.
func TestCipherParameters(t *testing.T) {
	iv := func(n int) engine.CipherParameters { return engine.CipherParameters{IV: make([]byte, n)} }
	gcm := func(n, tag, associated int) engine.CipherParameters {
		return engine.CipherParameters{IV: make([]byte, n), TagBits: tag, AssociatedData: make([]byte, associated)}
	}
	for _, tt := range []struct {
		a  alg.Algorithm
		p  engine.CipherParameters
		ok bool
	}{
		{alg.AESGCMRaw, gcm(12, 0, 0), true},
		{alg.AESGCMRaw, gcm(12, 96, 10), true},
		{alg.AESGCMRaw, gcm(1, 128, 0), true},
		{alg.AESGCMRaw, gcm(256, 0, 1<<16), true},
		{alg.AESGCMRaw, gcm(0, 0, 0), false},
		{alg.AESGCMRaw, gcm(257, 0, 0), false},
		{alg.AESGCMRaw, gcm(12, 64, 0), false},
		{alg.AESGCMRaw, gcm(12, 100, 0), false},
		{alg.AESGCMRaw, gcm(12, 136, 0), false},
		{alg.AESGCMRaw, gcm(12, -96, 0), false},
		{alg.AESGCMRaw, gcm(16, 96, 0), false},
		{alg.AESGCMRaw, gcm(12, 0, 1<<16+1), false},
		{alg.AESCBC, iv(16), true},
		{alg.AESCBC, iv(15), false},
		{alg.AESCBC, iv(0), false},
		{alg.AESCBC, gcm(16, 0, 1), false},
		{alg.AESCBCPad, iv(16), true},
		{alg.AESCBCPad, iv(17), false},
		{alg.AESCTR, iv(16), true},
		{alg.AESCTR, iv(12), false},
		{alg.AESKW, iv(0), true},
		{alg.AESKW, iv(8), true},
		{alg.AESKW, iv(4), false},
		{alg.AESKWP, iv(0), true},
		{alg.AESKWP, iv(4), false},
		{alg.AESKWP, gcm(0, 128, 0), false},
		{alg.AESGCM, gcm(12, 0, 0), false},
		{alg.RSARaw, iv(0), false},
		{alg.NoAlgorithm, iv(0), false},
	} {
		if err := tt.p.Check(tt.a); (err == nil) != tt.ok || err != nil && fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s with an IV of %d bytes, a tag of %d bits and %d bytes beside: %v", tt.a, len(tt.p.IV), tt.p.TagBits, len(tt.p.AssociatedData), err)
		}
	}
	for _, n := range []int{0, 15, 17, 31, 33, 64} {
		if _, err := engine.NewCipher(make([]byte, n)); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("a key of %d bytes: %v", n, err)
		}
	}
}

// TestCipherRedacts says that no format shows a key.
func TestCipherRedacts(t *testing.T) {
	c, err := engine.NewCipher([]byte("sixteen secrets."))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if text := fmt.Sprintf(verb, c); bytes.Contains([]byte(text), []byte("secrets")) || bytes.Contains([]byte(text), []byte("73697874")) {
			t.Errorf("%s shows %s", verb, text)
		}
	}
}

// FuzzCipher: what decrypts encrypts back to the same, by every mode.
func FuzzCipher(f *testing.F) {
	key := []byte("sixteen secrets.")
	modes := alg.AES128.Info().Further
	for n, a := range modes {
		c, err := engine.NewCipher(key)
		if err != nil {
			f.Fatal(err)
		}
		p := engine.CipherParameters{}
		if a != alg.AESKW && a != alg.AESKWP {
			p.IV = make([]byte, 16)
		}
		box, err := c.Encrypt(a, p, make([]byte, 32))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(n), p.IV, p.AssociatedData, 0, box)
	}
	f.Fuzz(func(t *testing.T, which byte, iv, associated []byte, tag int, box []byte) {
		a := modes[int(which)%len(modes)]
		c, err := engine.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		p := engine.CipherParameters{IV: iv, AssociatedData: associated, TagBits: tag}
		plain, err := c.Decrypt(a, p, box)
		if err != nil {
			return
		}
		if again, err := c.Encrypt(a, p, plain); err != nil || !bytes.Equal(again, box) {
			t.Errorf("%s: %x encrypts back to %x, %v", a, box, again, err)
		}
	})
}
