package engine_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
)

// TestWipe says that nothing of a plain key is left that its type shows.
func TestWipe(t *testing.T) {
	for _, spec := range []alg.Spec{alg.AES256, alg.HMAC512, alg.RSA2048, alg.P256, alg.Ed25519, alg.Secp256k1, alg.MLDSA44} {
		p, err := engine.ParsePlain(spec, enginetest.NewPlain(t, spec))
		if err != nil {
			t.Fatal(err)
		}
		p.Wipe()
		left := p.Secret
		switch k := p.Private.(type) {
		case *rsa.PrivateKey:
			left = append(k.D.FillBytes(make([]byte, 256)), k.Primes[0].FillBytes(make([]byte, 128))...)
		case *ecdsa.PrivateKey:
			left = k.D.FillBytes(make([]byte, 32)) //nolint:staticcheck // deprecated for those who compute with it
		case *secp256k1.PrivateKey:
			left = k.Serialize()
		case ed25519.PrivateKey:
			left = k
		}
		if bytes.Count(left, []byte{0}) != len(left) {
			t.Errorf("of a key of type %s, %x is left", spec, left)
		}
	}
}
