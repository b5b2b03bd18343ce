package step

import (
	"crypto/x509"
	"slices"

	"github.com/holdfast-kms/holdfast"
)

// signer is a key with the algorithm that certificates are to be signed with.
type signer struct {
	*holdfast.Key
	algorithm x509.SignatureAlgorithm
}

// algorithms are those that certificates can have, the first ones first.
var algorithms = []struct {
	name      string
	algorithm x509.SignatureAlgorithm
}{
	{"ecdsa-sha256", x509.ECDSAWithSHA256},
	{"ecdsa-sha384", x509.ECDSAWithSHA384},
	{"ecdsa-sha512", x509.ECDSAWithSHA512},
	{"ed25519", x509.PureEd25519},
	{"rsa-pkcs1-sha256", x509.SHA256WithRSA},
	{"rsa-pkcs1-sha384", x509.SHA384WithRSA},
	{"rsa-pkcs1-sha512", x509.SHA512WithRSA},
	{"rsa-pss-sha256", x509.SHA256WithRSAPSS},
	{"rsa-pss-sha384", x509.SHA384WithRSAPSS},
	{"rsa-pss-sha512", x509.SHA512WithRSAPSS},
}

// newSigner chooses the algorithm of a key.
func newSigner(key *holdfast.Key) (*signer, error) {
	if _, err := key.Signer(); err != nil {
		return nil, err
	}
	if _, err := publicOf(key); err != nil {
		return nil, err
	}
	has := key.Algorithms()
	for _, a := range algorithms {
		if slices.Contains(has, a.name) {
			return &signer{key, a.algorithm}, nil
		}
	}
	return nil, &holdfast.Error{
		Kind: holdfast.Unsupported, Op: "signing with", URI: key.URI(),
		Detail: "the key has no algorithm that certificates have",
	}
}

// SignatureAlgorithm returns the algorithm to sign certificates with.
func (s *signer) SignatureAlgorithm() x509.SignatureAlgorithm { return s.algorithm }
