package azurekv

import (
	"slices"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// ability is a kind of key that the service makes.
type ability struct {
	spec  alg.Spec
	usage alg.Usage
	// managed says that only a Managed HSM has it.
	managed bool
}

// abilities is the table. Of HMAC keys only the 256-bit ones are there: a
// Managed HSM wants a key whose size goes with the algorithm, and documents
// symmetric keys of up to 256 bits.
var abilities = [...]ability{
	{alg.RSA2048, alg.SignVerify, false},
	{alg.RSA2048, alg.EncryptDecrypt, false},
	{alg.RSA3072, alg.SignVerify, false},
	{alg.RSA3072, alg.EncryptDecrypt, false},
	{alg.RSA4096, alg.SignVerify, false},
	{alg.RSA4096, alg.EncryptDecrypt, false},
	{alg.P256, alg.SignVerify, false},
	{alg.P384, alg.SignVerify, false},
	{alg.P521, alg.SignVerify, false},
	{alg.Secp256k1, alg.SignVerify, false},
	{alg.AES256, alg.EncryptDecrypt, true},
	{alg.HMAC256, alg.GenerateVerifyMAC, true},
}

// able returns the row of the table.
func able(spec alg.Spec, usage alg.Usage) (ability, bool) {
	i := slices.IndexFunc(abilities[:], func(a ability) bool { return a.spec == spec && a.usage == usage })
	if i < 0 {
		return ability{}, false
	}
	return abilities[i], true
}

// algorithms returns what a key of the spec can do there for usages.
func algorithms(spec alg.Spec, usages []alg.Usage) []alg.Algorithm {
	var list []alg.Algorithm
	for _, a := range spec.Info().Algorithms {
		if slices.Contains(usages, a.Info().Usage) && (azure.SignatureOf(spec, a) != "" || azure.EncryptionOf(spec, a) != "") {
			list = append(list, a)
		}
	}
	return list
}

// usages returns what a key with the operations is for, the first of them what
// it is adopted for.
func usages(spec alg.Spec, ops []azure.KeyOperation) []alg.Usage {
	var list []alg.Usage
	for _, u := range []alg.Usage{alg.SignVerify, alg.GenerateVerifyMAC, alg.EncryptDecrypt} {
		if _, ok := able(spec, u); ok && azure.Allows(ops, spec, u) {
			list = append(list, u)
		}
	}
	return list
}
