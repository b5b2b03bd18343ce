package engine

import (
	"bytes"
	"crypto/sha3"
	"testing"

	"filippo.io/mldsa"
	"filippo.io/mldsa/mldsacrypto"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// muOf computes mu of a message with the empty context (FIPS 204 algorithm 2
// line 10 and algorithm 7 line 6).
func muOf(key, message []byte) []byte {
	tr, mu := make([]byte, 64), make([]byte, 64)
	h := sha3.NewSHAKE256()
	_, _ = h.Write(key)
	_, _ = h.Read(tr)
	h.Reset()
	_, _ = h.Write(append(append(tr, 0, 0), message...))
	_, _ = h.Read(mu)
	return mu
}

// TestVerifyMu compares verifyMu with the library over signatures that the
// library made, from the message and from mu, and over damaged ones.
func TestVerifyMu(t *testing.T) {
	for _, spec := range []alg.Spec{alg.MLDSA44, alg.MLDSA65, alg.MLDSA87} {
		t.Run(spec.String(), func(t *testing.T) {
			params, _ := MLDSAParameters(spec)
			for i := range 5 {
				sk, err := mldsa.NewPrivateKey(params, bytes.Repeat([]byte{byte(i)}, 32))
				if err != nil {
					t.Fatal(err)
				}
				pub, message := sk.PublicKey().Bytes(), []byte{byte(i), 1, 2}
				mu := muOf(pub, message)
				signature, err := sk.Sign(nil, message, nil)
				if err != nil {
					t.Fatal(err)
				}
				external, err := sk.Sign(nil, mu, mldsacrypto.MLDSAMu)
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range [][]byte{signature, external} {
					if !verifyMu(spec, pub, mu, s) {
						t.Fatal("a good signature is refused")
					}
					compareDamaged(t, spec, sk.PublicKey(), message, s)
				}
			}
		})
	}
}

// compareDamaged asserts that verifyMu and the library agree on copies of a
// signature with one bit flipped, at places all over it, and on short ones.
func compareDamaged(t *testing.T, spec alg.Spec, pub *mldsa.PublicKey, message, signature []byte) {
	t.Helper()
	mu := muOf(pub.Bytes(), message)
	for at := 0; at < len(signature); at += 97 {
		bad := bytes.Clone(signature)
		bad[at] ^= 1 << (at % 8)
		want := mldsa.Verify(pub, message, bad, nil) == nil
		if got := verifyMu(spec, pub.Bytes(), mu, bad); got != want {
			t.Fatalf("bit of byte %d flipped: verifies %t, by the library %t", at, got, want)
		}
	}
	for _, length := range []int{0, 1, 64, len(signature) - 1} {
		if verifyMu(spec, pub.Bytes(), mu, signature[:length]) {
			t.Errorf("a signature cut to %d bytes verifies", length)
		}
	}
	if verifyMu(spec, pub.Bytes(), mu[:63], signature) || verifyMu(alg.P256, pub.Bytes(), mu, signature) {
		t.Error("a short mu or another spec verifies")
	}
}
