package gcpkms

import (
	"bytes"
	"crypto"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/engine/gcpkms/gcpkmstest"
	"github.com/holdfast-kms/holdfast/internal/wire/gcp"
)

// BenchmarkSign compares a signature through the engine with one by the
// official client alone, with the checksums that its reference asks for.
func BenchmarkSign(b *testing.B) {
	s := gcpkmstest.Start(b)
	e := newEngine(b, options(s))
	ref := enginetest.NewRef("k")
	m, err := e.Generate(b.Context(), ref, engine.Kind{Spec: alg.P256, Usage: alg.SignVerify})
	if err != nil {
		b.Fatal(err)
	}
	k, err := e.Open(b.Context(), ref, alg.P256, m.Wrapped)
	if err != nil {
		b.Fatal(err)
	}
	digest := bytes.Repeat([]byte{7}, 32)
	b.Run("sdk", func(b *testing.B) {
		c, err := e.service.get(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		name := e.ring.Key("holdfast-k-1").At(1).String()
		for b.Loop() {
			answer, err := c.AsymmetricSign(b.Context(), &kmspb.AsymmetricSignRequest{
				Name: name, Digest: &kmspb.Digest{Digest: &kmspb.Digest_Sha256{Sha256: digest}}, DigestCrc32C: gcp.CRC32C(digest),
			})
			if err != nil || !answer.GetVerifiedDigestCrc32C() || !gcp.Intact(answer.GetSignature(), answer.GetSignatureCrc32C()) {
				b.Fatal(err)
			}
		}
	})
	b.Run("engine", func(b *testing.B) {
		for b.Loop() {
			if _, err := k.Signer.Sign(nil, digest, crypto.SHA256); err != nil {
				b.Fatal(err)
			}
		}
	})
}
