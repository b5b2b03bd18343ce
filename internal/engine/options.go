package engine

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// SigningAlgorithm returns the algorithm that the options of a crypto.Signer
// choose from those of the spec, the reverse of Options, and checks the
// digest's length and that the salt of PSS is as long as the hash.
func SigningAlgorithm(spec alg.Spec, digest []byte, opts crypto.SignerOpts) (alg.Algorithm, error) {
	if opts == nil {
		opts = crypto.Hash(0)
	}
	salt, pss := opts.(*rsa.PSSOptions)
	for _, a := range spec.For(alg.SignVerify) {
		info := a.Info()
		switch {
		case !offers(info, opts) || (info.Scheme == alg.PSS) != pss:
		case info.Hash != 0 && len(digest) != info.Hash.Size():
			return 0, fault.Because(fault.InvalidArgument, fault.DigestLength,
				"algorithm %s takes a digest of %d bytes, not %d", a, info.Hash.Size(), len(digest))
		case pss && salt.SaltLength != rsa.PSSSaltLengthEqualsHash && salt.SaltLength != len(digest):
			return 0, fault.Because(fault.InvalidArgument, fault.WrongAlgorithm, "the salt must be as long as the hash")
		default:
			return a, nil
		}
	}
	return 0, fault.Because(fault.InvalidArgument, fault.WrongAlgorithm,
		"a key of type %s does not sign with these options", spec)
}

// offers reports whether an algorithm is what options ask for, as far as they
// name a hash and a context.
func offers(info alg.AlgorithmInfo, opts crypto.SignerOpts) bool {
	if o, ok := opts.(*ed25519.Options); ok && o.Context != "" {
		return false
	}
	if info.Scheme == alg.PureMLDSA {
		return mldsaForm(opts)
	}
	return info.Hash == opts.HashFunc()
}

// DecryptionAlgorithm returns the algorithm that the options of a
// crypto.Decrypter choose from those of the spec: RSAES-OAEP with one hash for
// all, and an empty label.
func DecryptionAlgorithm(spec alg.Spec, opts crypto.DecrypterOpts) (alg.Algorithm, error) {
	o, ok := opts.(*rsa.OAEPOptions)
	if ok && len(o.Label) == 0 && (o.MGFHash == 0 || o.MGFHash == o.Hash) {
		for _, a := range spec.For(alg.EncryptDecrypt) {
			if a.Info().Hash == o.Hash {
				return a, nil
			}
		}
	}
	return 0, fault.Because(fault.InvalidArgument, fault.WrongAlgorithm, "a key of type %s does not decrypt with these options", spec)
}
