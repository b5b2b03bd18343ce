package pca

import (
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// configuration is a CertificateAuthorityConfiguration.
type configuration struct {
	keyAlgorithm, signingAlgorithm string
	subject                        *subject
	csrExtensions                  *csrExtensions
}

// Members declares the structure.
func (c *configuration) Members(m *aws.Members) {
	m.Enum("KeyAlgorithm", &c.keyAlgorithm, keyAlgorithms).Required()
	m.Enum("SigningAlgorithm", &c.signingAlgorithm, signingAlgorithms).Required()
	aws.Struct(m, "Subject", &c.subject).Required()
	aws.Struct(m, "CsrExtensions", &c.csrExtensions)
}

// algorithms returns what the authority's key is to be and how it signs.
func (c *configuration) algorithms() (alg.Spec, alg.Algorithm, error) {
	spec, ok := wire.ParseKeyAlgorithm(c.keyAlgorithm)
	if !ok {
		return 0, 0, wire.Unsupported("Holdfast does not support the KeyAlgorithm " + c.keyAlgorithm + ".")
	}
	a, err := parseSigning(c.signingAlgorithm, spec)
	return spec, a, err
}

// parseSigning returns the algorithm of a SigningAlgorithm, for a key of a
// spec. AWS lets an EC key sign with any hash; a key of ours is for the one
// that goes with its curve.
func parseSigning(name string, spec alg.Spec) (alg.Algorithm, error) {
	if name == "SM3WITHSM2" {
		return 0, wire.Unsupported("Holdfast does not support the SigningAlgorithm " + name + ".")
	}
	a, ok := wire.ParseCAAlgorithm(name, spec)
	if !ok {
		return 0, invalidArgs("The signing algorithm " + name + " is not compatible with the key algorithm " +
			wire.KeyAlgorithmName(spec) + ".")
	}
	return a, nil
}
