package engine

import (
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// TestDigester: a signature of a whole message verifies over what a Digester
// made of its pieces, for every algorithm, and over nothing else.
func TestDigester(t *testing.T) {
	for spec := range publics(t) {
		if spec == alg.Secp256k1 { // its library has no crypto.Signer
			continue
		}
		for _, a := range spec.AllFor(alg.SignVerify) {
			if !a.Takes(alg.Raw) {
				continue
			}
			t.Run(spec.String()+" "+a.String(), func(t *testing.T) {
				signer := private(t, spec)
				public := &PublicKey{spec: spec, key: signer.Public()}
				signature, err := Sign(signer, a, Message{Form: alg.Raw, Bytes: []byte("a message")})
				if err != nil {
					t.Fatal(err)
				}
				for pieces, good := range map[[2]string]bool{{"a mes", "sage"}: true, {"", "a message"}: true, {"a ", "massage"}: false} {
					d, err := public.NewDigester(a)
					if err != nil {
						t.Fatal(err)
					}
					for _, piece := range pieces {
						if _, err := d.Write([]byte(piece)); err != nil {
							t.Fatal(err)
						}
					}
					if err := public.Verify(a, d.Message(), signature); (err == nil) != good {
						t.Errorf("%q: %v", pieces, err)
					}
				}
			})
		}
	}
}
