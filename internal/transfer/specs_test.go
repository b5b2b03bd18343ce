package transfer

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"slices"
	"testing"

	"filippo.io/mldsa"
	mldsax509 "filippo.io/mldsa/x509"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// plainForms returns real keys' plain forms.
func plainForms(t *testing.T) map[alg.Spec][]byte {
	t.Helper()
	forms := map[alg.Spec][]byte{}
	for _, spec := range alg.Specs() {
		if spec.Symmetric() {
			forms[spec] = make([]byte, spec.Info().Bits/8)
		}
	}
	pkcs8 := func(spec alg.Spec, k any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if forms[spec], err = x509.MarshalPKCS8PrivateKey(k); err != nil {
			t.Fatal(err)
		}
	}
	for spec, curve := range map[alg.Spec]elliptic.Curve{alg.P256: elliptic.P256(), alg.P384: elliptic.P384(), alg.P521: elliptic.P521()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		pkcs8(spec, k, err)
	}
	for _, spec := range []alg.Spec{alg.RSA2048, alg.RSA3072} { // 4096 takes too long to make
		k, err := rsa.GenerateKey(rand.Reader, spec.Info().Bits)
		pkcs8(spec, k, err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	pkcs8(alg.Ed25519, ed, err)
	ml, err := mldsa.GenerateKey(mldsa.MLDSA65())
	if err != nil {
		t.Fatal(err)
	}
	if forms[alg.MLDSA65], err = mldsax509.MarshalPKCS8PrivateKey(ml); err != nil {
		t.Fatal(err)
	}
	return forms
}

func TestSpecsKnowKeysBySize(t *testing.T) {
	for spec, plain := range plainForms(t) {
		if least, most := PlainSize(spec); len(plain) < least || len(plain) > most {
			t.Errorf("a key of spec %s has %d bytes, not %d to %d", spec, len(plain), least, most)
		}
		if got := Specs(kwpSize(len(plain))); !slices.Contains(got, spec) {
			t.Errorf("a key of spec %s is taken for one of %s", spec, got)
		}
	}
	for _, size := range []int{-8, 0, 8, 16, 5000} {
		if got := Specs(size); len(got) != 0 {
			t.Errorf("%d bytes are taken for a key of %s", size, got)
		}
	}
}

// TestFits is the table of what travels under which key, as AWS KMS has it
// ("Importing key material", Developer Guide).
func TestFits(t *testing.T) {
	for _, test := range []struct {
		spec  alg.Spec
		how   alg.Wrapping
		under alg.Spec
		want  bool
	}{
		{alg.AES256, alg.WrapPKCS1, alg.RSA2048, true},
		{alg.AES256, alg.WrapOAEPSHA1, alg.RSA2048, true},
		{alg.HMAC512, alg.WrapOAEPSHA256, alg.RSA2048, true},
		{alg.HMAC512, alg.WrapPKCS1, alg.RSA2048, true},
		{alg.P256, alg.WrapOAEPSHA256, alg.RSA2048, true},
		{alg.P256, alg.WrapPKCS1, alg.RSA4096, false},
		{alg.P384, alg.WrapOAEPSHA256, alg.RSA2048, true},
		{alg.P521, alg.WrapOAEPSHA1, alg.RSA2048, false},
		{alg.P521, alg.WrapOAEPSHA256, alg.RSA2048, false},
		{alg.P521, alg.WrapOAEPSHA256, alg.RSA3072, true},
		{alg.Secp256k1, alg.WrapOAEPSHA1, alg.RSA2048, true},
		{alg.Ed25519, alg.WrapOAEPSHA256, alg.RSA2048, true},
		{alg.MLDSA87, alg.WrapOAEPSHA256, alg.RSA2048, true},
		{alg.RSA2048, alg.WrapOAEPSHA256, alg.RSA4096, false},
		{alg.RSA4096, alg.WrapAESKeyWrapSHA1, alg.RSA2048, true},
		{alg.P521, alg.WrapAESKeyWrapSHA256, alg.RSA2048, true},
		{alg.AES256, alg.NoWrapping, alg.RSA2048, false},
		{alg.AES256, alg.WrapOAEPSHA256, alg.P256, false},
		{alg.AES256, alg.WrapOAEPSHA256, alg.NoSpec, false},
	} {
		if got := Fits(test.spec, test.how, test.under); got != test.want {
			t.Errorf("%s by %s under %s: got %v, want %v", test.spec, test.how, test.under, got, test.want)
		}
	}
}
