package vault

import (
	"slices"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// ability is what Transit does with keys of some specs.
type ability struct {
	specs      []alg.Spec
	usage      alg.Usage
	algorithms []alg.Algorithm // nil: all that the spec has for the usage
}

// abilities are those that OpenBao 2.x and HashiCorp Vault 1.13 and later both
// have. Not there: secp256k1, HMAC keys below 256 bits, Ed25519ph (Enterprise
// only), RSAES-OAEP with SHA-1 (a key decrypts with SHA-256), key agreement
// (OpenBao makes a key of the secret and does not give it away), and ML-DSA,
// which the two spell in different ways and only one of them for everybody.
var abilities = []ability{
	{[]alg.Spec{alg.AES256}, alg.EncryptDecrypt, nil},
	{[]alg.Spec{alg.HMAC256, alg.HMAC384, alg.HMAC512}, alg.GenerateVerifyMAC, nil},
	{[]alg.Spec{alg.RSA2048, alg.RSA3072, alg.RSA4096}, alg.SignVerify, nil},
	{[]alg.Spec{alg.RSA2048, alg.RSA3072, alg.RSA4096}, alg.EncryptDecrypt, []alg.Algorithm{alg.OAEPSHA256}},
	{[]alg.Spec{alg.P256, alg.P384, alg.P521}, alg.SignVerify, nil},
	{[]alg.Spec{alg.Ed25519}, alg.SignVerify, []alg.Algorithm{alg.Ed25519Pure}},
}

// algorithms returns what a key of a spec does for a usage.
func algorithms(spec alg.Spec, usage alg.Usage) []alg.Algorithm {
	for _, a := range abilities {
		if a.usage == usage && slices.Contains(a.specs, spec) {
			if a.algorithms == nil {
				return spec.For(usage)
			}
			return a.algorithms
		}
	}
	return nil
}

// usages returns what keys of a spec can be for, signing first.
func usages(spec alg.Spec) []alg.Usage {
	var list []alg.Usage
	for _, a := range abilities {
		if slices.Contains(a.specs, spec) {
			list = append(list, a.usage)
		}
	}
	return list
}

func unsupported(spec alg.Spec, usage alg.Usage) error {
	return fault.New(fault.Unsupported, "Transit has no keys of type %q for %q", spec, usage)
}
