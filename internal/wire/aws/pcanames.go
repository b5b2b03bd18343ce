package aws

import (
	"github.com/holdfast-kms/holdfast/internal/alg"
)

// The tables below are enumerations of the AWS Private CA model (API version
// 2017-08-22, as of the AWS SDK for Go v2, acmpca 1.56.10): KeyAlgorithm and
// SigningAlgorithm. Ed25519, which AWS does not offer, has names of ours, so
// that an authority made by another API can be described.
var (
	keyAlgorithmNames = map[alg.Spec]string{
		alg.RSA2048: "RSA_2048",
		alg.RSA3072: "RSA_3072",
		alg.RSA4096: "RSA_4096",
		alg.P256:    "EC_prime256v1",
		alg.P384:    "EC_secp384r1",
		alg.P521:    "EC_secp521r1",
		alg.Ed25519: "ED25519",
		alg.MLDSA44: "ML_DSA_44",
		alg.MLDSA65: "ML_DSA_65",
		alg.MLDSA87: "ML_DSA_87",
	}
	caAlgorithmNames = map[alg.Algorithm]string{
		alg.ECDSASHA256: "SHA256WITHECDSA",
		alg.ECDSASHA384: "SHA384WITHECDSA",
		alg.ECDSASHA512: "SHA512WITHECDSA",
		alg.PKCS1SHA256: "SHA256WITHRSA",
		alg.PKCS1SHA384: "SHA384WITHRSA",
		alg.PKCS1SHA512: "SHA512WITHRSA",
		alg.PSSSHA256:   "SHA256WITHRSA_PSS",
		alg.PSSSHA384:   "SHA384WITHRSA_PSS",
		alg.PSSSHA512:   "SHA512WITHRSA_PSS",
		alg.Ed25519Pure: "ED25519",
	}

	keyAlgorithms = inverse(keyAlgorithmNames)
	caAlgorithms  = inverse(caAlgorithmNames)
)

// KeyAlgorithmName returns an authority's KeyAlgorithm, such as
// "EC_prime256v1"; "" for a spec that no authority has.
func KeyAlgorithmName(s alg.Spec) string { return keyAlgorithmNames[s] }

// ParseKeyAlgorithm returns the spec of a KeyAlgorithm. It is false for names
// of AWS's that Holdfast has no spec for, too.
func ParseKeyAlgorithm(name string) (alg.Spec, bool) {
	s, ok := keyAlgorithms[name]
	return s, ok
}

// CAAlgorithmName returns an authority's SigningAlgorithm, such as
// "SHA256WITHRSA"; that of ML-DSA names the key's parameter set.
func CAAlgorithmName(a alg.Algorithm, s alg.Spec) string {
	if a == alg.MLDSAPure {
		return keyAlgorithmNames[s]
	}
	return caAlgorithmNames[a]
}

// ParseCAAlgorithm returns the algorithm of a SigningAlgorithm. Whether a key
// has it is another question, except for ML-DSA, whose names are of one spec
// each.
func ParseCAAlgorithm(name string, s alg.Spec) (alg.Algorithm, bool) {
	if spec, ok := keyAlgorithms[name]; ok && spec.Has(alg.MLDSAPure) {
		return alg.MLDSAPure, spec == s
	}
	a, ok := caAlgorithms[name]
	return a, ok && s.Has(a)
}
