package soft

import (
	"crypto"
	"io"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// redacted is embedded in every type that holds a secret.
type redacted = engine.Redacted

// signer is an opened key of every family that signs, but RSA. It signs only
// with the algorithms of the table, and hides the key that does it.
type signer struct {
	redacted
	spec   alg.Spec
	inner  crypto.Signer
	public crypto.PublicKey // inner's: some compute it each time they are asked
}

// Public returns the public half.
func (s *signer) Public() crypto.PublicKey { return s.public }

// Sign signs a digest, or a message where the algorithm has no hash.
func (s *signer) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if _, err := engine.SigningAlgorithm(s.spec, digest, opts); err != nil {
		return nil, err
	}
	return s.inner.Sign(rand, digest, opts)
}
