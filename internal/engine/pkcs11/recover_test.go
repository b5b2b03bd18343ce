package pkcs11

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"math/big"
	"slices"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	k256 "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// TestCandidates: the key that signed is one of the two to which a signature
// may belong, on every curve.
func TestCandidates(t *testing.T) {
	for _, spec := range []alg.Spec{alg.P256, alg.P384, alg.P521, alg.Secp256k1} {
		for range 8 {
			digest := make([]byte, spec.For(alg.SignVerify)[0].Info().Hash.Size())
			_, _ = rand.Read(digest) // never fails
			public, raw := signECDSA(t, spec, digest)
			want, err := engine.MarshalPublic(spec, public)
			if err != nil {
				t.Fatal(err)
			}
			found := candidates(spec, digest, raw)
			if !slices.ContainsFunc(found, func(k crypto.PublicKey) bool {
				got, err := engine.MarshalPublic(spec, k)
				return err == nil && string(got) == string(want)
			}) {
				t.Errorf("%s: the key is none of %d candidates", spec, len(found))
			}
		}
		for _, bad := range [][]byte{make([]byte, 64), {1, 1}} { // no signatures
			for _, k := range candidates(spec, make([]byte, 32), bad) {
				if engine.SpecOf(k) != spec {
					t.Errorf("%s: %T of no signature", spec, k)
				}
			}
		}
	}
}

// signECDSA signs a digest with a new key, and returns r and s as tokens do.
func signECDSA(t *testing.T, spec alg.Spec, digest []byte) (crypto.PublicKey, []byte) {
	t.Helper()
	var der []byte
	var public crypto.PublicKey
	size := (spec.Info().Bits + 7) / 8
	if c := goCurve(spec); c != nil {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if der, err = ecdsa.SignASN1(rand.Reader, k, digest); err != nil {
			t.Fatal(err)
		}
		public = &k.PublicKey
	} else {
		k, err := secp256k1.GeneratePrivateKey()
		if err != nil {
			t.Fatal(err)
		}
		der, public = k256.Sign(k, digest).Serialize(), k.PubKey()
	}
	in := cryptobyte.String(der)
	var body cryptobyte.String
	r, s := new(big.Int), new(big.Int)
	if !in.ReadASN1(&body, asn1.SEQUENCE) || !body.ReadASN1Integer(r) || !body.ReadASN1Integer(s) {
		t.Fatal("no signature")
	}
	return public, append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
}

// TestEncodeECDSA asserts the DER of signatures, and that on secp256k1 the
// lower s is chosen.
func TestEncodeECDSA(t *testing.T) {
	for _, bad := range [][]byte{nil, make([]byte, 63), make([]byte, 134)} {
		if _, err := engine.EncodeECDSA(alg.P256, bad); err == nil {
			t.Errorf("%d bytes are a signature", len(bad))
		}
	}
	raw := make([]byte, 64)
	raw[31], raw[32] = 1, 0xff // s above half of the order
	for _, tt := range []struct {
		spec alg.Spec
		s    byte
	}{{alg.P256, 0xff}, {alg.Secp256k1, 0x00}} {
		der, err := engine.EncodeECDSA(tt.spec, raw)
		if err != nil {
			t.Fatal(err)
		}
		in := cryptobyte.String(der)
		var body cryptobyte.String
		r, s := new(big.Int), new(big.Int)
		if !in.ReadASN1(&body, asn1.SEQUENCE) || !body.ReadASN1Integer(r) || !body.ReadASN1Integer(s) || !in.Empty() {
			t.Fatal("no DER")
		}
		if got := s.FillBytes(make([]byte, 32))[0]; r.Int64() != 1 || got != tt.s {
			t.Errorf("%s: r %x, s begins with %x, want %x", tt.spec, r, got, tt.s)
		}
	}
}
