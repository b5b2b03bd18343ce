package material

import (
	"crypto/x509"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/weakkey"
)

// Receiver reads the public key that a key is to be encrypted under. One that
// others have the private half of would give the key away.
func Receiver(spki []byte) (*engine.PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, &fault.Error{Kind: fault.InvalidArgument, Public: "the wrapping key is no SubjectPublicKeyInfo in DER", Err: err}
	}
	spec := engine.SpecOf(parsed)
	if spec.Info().Family != alg.RSA {
		return nil, fault.New(fault.InvalidArgument, "keys are wrapped under RSA keys of 2048, 3072 or 4096 bits")
	}
	to, err := engine.ParsePublic(spec, spki)
	if err != nil {
		return nil, err
	}
	return to, weakkey.Check(to, nil)
}
