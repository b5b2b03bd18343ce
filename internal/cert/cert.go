// Package cert is X.509 (RFC 5280) as bytes: what is to be signed is encoded,
// signed and assembled here, and signatures are checked, for certificates,
// revocation lists and requests and for every algorithm of the table in
// package alg that X.509 has.
//
// Start with Encode. It lets crypto/x509 write a TBSCertificate; SignMessage
// signs it; Assemble joins the two. An authority's own key signs only what
// package lint has let pass, so whoever issues starts there.
package cert

import (
	"crypto/x509"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Specs returns the specs of keys that certificates are for and that
// authorities sign with: RSA (with PKCS #1 v1.5 and PSS), the NIST curves,
// Ed25519 and ML-DSA (RFC 9881). secp256k1 and SM2 are not among them.
func Specs() []alg.Spec {
	return []alg.Spec{
		alg.RSA2048, alg.RSA3072, alg.RSA4096, alg.P256, alg.P384, alg.P521, alg.Ed25519,
		alg.MLDSA44, alg.MLDSA65, alg.MLDSA87,
	}
}

// CheckSpec refuses (Unsupported) the specs that certificates are not for:
// secp256k1, which no profile of X.509 has, and those of symmetric keys. (SM2
// is no spec at all: its keys are refused by ParsePublic.)
func CheckSpec(spec alg.Spec) error {
	if slices.Contains(Specs(), spec) {
		return nil
	}
	return fault.New(fault.Unsupported, "there are no certificates for keys of the spec %s", spec)
}

// Algorithm returns crypto/x509's name of an algorithm, and
// UnknownSignatureAlgorithm for one that it does not have.
func Algorithm(a alg.Algorithm) x509.SignatureAlgorithm {
	switch a { //nolint:exhaustive // the others sign no certificates, or crypto/x509 has no name for them
	case alg.PKCS1SHA256:
		return x509.SHA256WithRSA
	case alg.PKCS1SHA384:
		return x509.SHA384WithRSA
	case alg.PKCS1SHA512:
		return x509.SHA512WithRSA
	case alg.PSSSHA256:
		return x509.SHA256WithRSAPSS
	case alg.PSSSHA384:
		return x509.SHA384WithRSAPSS
	case alg.PSSSHA512:
		return x509.SHA512WithRSAPSS
	case alg.ECDSASHA256:
		return x509.ECDSAWithSHA256
	case alg.ECDSASHA384:
		return x509.ECDSAWithSHA384
	case alg.ECDSASHA512:
		return x509.ECDSAWithSHA512
	case alg.Ed25519Pure:
		return x509.PureEd25519
	}
	return x509.UnknownSignatureAlgorithm
}

// CheckAlgorithm refuses (Unsupported, or InvalidArgument with the reason
// WrongAlgorithm) a spec and an algorithm with which no certificates are
// signed.
func CheckAlgorithm(spec alg.Spec, a alg.Algorithm) error {
	if err := CheckSpec(spec); err != nil {
		return err
	}
	if !spec.Lists(a) || Algorithm(a) == x509.UnknownSignatureAlgorithm && a != alg.MLDSAPure {
		return fault.Because(fault.InvalidArgument, fault.WrongAlgorithm,
			"a %s key does not sign certificates with %s", spec, a)
	}
	return nil
}
