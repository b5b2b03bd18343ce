package engine_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	secp "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// TestECDSAForms turns signatures of real keys into the form of two numbers and
// back.
func TestECDSAForms(t *testing.T) {
	for spec, curve := range map[alg.Spec]elliptic.Curve{alg.P256: elliptic.P256(), alg.P384: elliptic.P384(), alg.P521: elliptic.P521()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		digest := sha256.Sum256([]byte("message"))
		for range 64 { // some numbers are shorter than others
			der, err := ecdsa.SignASN1(rand.Reader, k, digest[:])
			if err != nil {
				t.Fatal(err)
			}
			raw, err := engine.DecodeECDSA(spec, der)
			if err != nil || len(raw) != 2*((curve.Params().BitSize+7)/8) {
				t.Fatalf("%s: %x is %x, %v", spec, der, raw, err)
			}
			again, err := engine.EncodeECDSA(spec, raw)
			if err != nil || !bytes.Equal(again, der) {
				t.Fatalf("%s: %x comes back as %x, %v", spec, der, again, err)
			}
		}
	}
}

// TestLowS says that the lower of the two values of s is chosen on secp256k1,
// and on no other curve.
func TestLowS(t *testing.T) {
	k, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("message"))
	low := secp.Sign(k, digest[:]).Serialize() // decred's are always low
	raw, err := engine.DecodeECDSA(alg.Secp256k1, low)
	if err != nil {
		t.Fatal(err)
	}
	high := bytes.Clone(raw)
	new(big.Int).Sub(secp256k1.Params().N, new(big.Int).SetBytes(raw[32:])).FillBytes(high[32:])
	for name, in := range map[string][]byte{"low": raw, "high": high} {
		if got, err := engine.EncodeECDSA(alg.Secp256k1, in); err != nil || !bytes.Equal(got, low) {
			t.Errorf("the %s value: %x, %v, want %x", name, got, err, low)
		}
	}
	got, err := engine.EncodeECDSA(alg.P256, high)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := engine.DecodeECDSA(alg.P256, got); err != nil || !bytes.Equal(back, high) {
		t.Errorf("on P-256: %x, %v, want %x", back, err, high)
	}
}

// TestNoECDSA says what is no signature.
func TestNoECDSA(t *testing.T) {
	for _, size := range []int{0, 1, 63, 65, 134} {
		if got, err := engine.EncodeECDSA(alg.P256, make([]byte, size)); err == nil {
			t.Errorf("%d bytes are a pair of numbers: %x", size, got)
		}
	}
	one33 := "0221" + "01" + strings.Repeat("00", 32) // 2 to the 256th
	for name, der := range map[string]string{
		"nothing":                 "",
		"no sequence":             "020101",
		"an empty sequence":       "3000",
		"one number":              "3003020101",
		"three numbers":           "3009020101020101020101",
		"r is 0":                  "3006020100020101",
		"s is 0":                  "3006020101020100",
		"r is negative":           "30060201ff020101",
		"a number with a zero":    "300702020001020101",
		"another type":            "3006040101020101",
		"cut":                     "300602010102",
		"a byte more":             "300602010102010100",
		"a byte more inside":      "30070201010201010000",
		"a length in a long form": "308106020101020101",
		"r is too large":          "3026" + one33 + "020101",
		"s is too large":          "3026" + "020101" + one33,
	} {
		in, err := hex.DecodeString(der)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := engine.DecodeECDSA(alg.P256, in); err == nil {
			t.Errorf("%s is a signature: %x", name, got)
		}
	}
}

// FuzzDecodeECDSA says that what decodes encodes back the same.
func FuzzDecodeECDSA(f *testing.F) {
	for _, seed := range []string{"3006020101020101", "300802020080020200ff", "30060201ff020101", "3026022101" + strings.Repeat("00", 32) + "020101", ""} {
		in, err := hex.DecodeString(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(alg.P256), in)
		f.Add(uint8(alg.P521), in)
	}
	f.Fuzz(func(t *testing.T, n uint8, der []byte) {
		spec := alg.Spec(n)
		if spec.Info().Family != alg.EC {
			return
		}
		raw, err := engine.DecodeECDSA(spec, der)
		if err != nil {
			return
		}
		if again, err := engine.EncodeECDSA(spec, raw); err != nil || !bytes.Equal(again, der) {
			t.Errorf("%x comes back as %x, %v", der, again, err)
		}
	})
}

// TestDigestInfo says that what is put before a digest is what crypto/rsa puts
// there.
func TestDigestInfo(t *testing.T) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []crypto.Hash{0, crypto.MD5SHA1, crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		digest := bytes.Repeat([]byte{5}, 36)
		if h != 0 {
			digest = bytes.Repeat([]byte{5}, h.Size())
		}
		signature, err := rsa.SignPKCS1v15(nil, k, 0, engine.DigestInfo(h, digest))
		if err != nil {
			t.Fatal(err)
		}
		if err := rsa.VerifyPKCS1v15(&k.PublicKey, h, digest, signature); err != nil {
			t.Errorf("%v: %v", h, err)
		}
	}
}
