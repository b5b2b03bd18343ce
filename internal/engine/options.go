package engine

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// RawRSA are the options by which a crypto.Decrypter does RSARaw: the private
// operation of RSA and nothing else. What it returns is as long as the modulus.
// Whoever asks for it undoes the padding, and must not let others tell by errors
// or by time whether that was sound (Bleichenbacher, CRYPTO 1998).
type RawRSA struct{}

// SigningAlgorithm returns the algorithm that the options of a crypto.Signer
// choose from those of the spec, the reverse of Options, and checks the
// digest's length and that the salt of PSS is as long as the hash. Of an RSA
// key, crypto.Hash(0) chooses PKCS1Plain, as it does of crypto/rsa; no options at
// all choose nothing.
func SigningAlgorithm(spec alg.Spec, digest []byte, opts crypto.SignerOpts) (alg.Algorithm, error) {
	unsaid := opts == nil
	if unsaid {
		opts = crypto.Hash(0)
	}
	salt, pss := opts.(*rsa.PSSOptions)
	a := chosen(spec.Info(), opts, pss)
	switch {
	case a == alg.NoAlgorithm, a == alg.PKCS1Plain && unsaid:
		return 0, fault.Because(fault.InvalidArgument, fault.WrongAlgorithm,
			"a key of type %s does not sign with these options", spec)
	case pss && salt.SaltLength != rsa.PSSSaltLengthEqualsHash && salt.SaltLength != a.Info().Hash.Size():
		return 0, fault.Because(fault.InvalidArgument, fault.WrongAlgorithm, "the salt must be as long as the hash")
	}
	return a, CheckDigest(spec, a, digest)
}

// chosen returns the first algorithm of a spec that options ask for.
func chosen(spec alg.SpecInfo, opts crypto.SignerOpts, pss bool) alg.Algorithm {
	for _, list := range [...][]alg.Algorithm{spec.Algorithms, spec.Further} {
		for _, a := range list {
			if info := a.Info(); info.Usage == alg.SignVerify && offers(info, opts) && (info.Scheme == alg.PSS) == pss {
				return a
			}
		}
	}
	return alg.NoAlgorithm
}

// CheckDigest refuses a digest whose length the algorithm does not take for a
// key of the spec, with InvalidArgument and the reason DigestLength.
func CheckDigest(spec alg.Spec, a alg.Algorithm, digest []byte) error {
	least, most := spec.DigestSize(a)
	switch {
	case most == 0 || len(digest) >= least && len(digest) <= most:
		return nil
	case least != most:
		return fault.Because(fault.InvalidArgument, fault.DigestLength,
			"algorithm %s under a key of type %s takes %d to %d bytes, not %d", a, spec, least, most, len(digest))
	}
	return fault.Because(fault.InvalidArgument, fault.DigestLength,
		"algorithm %s takes a digest of %d bytes, not %d", a, most, len(digest))
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
// all, and an empty label; or RSARaw.
func DecryptionAlgorithm(spec alg.Spec, opts crypto.DecrypterOpts) (alg.Algorithm, error) {
	if _, raw := opts.(RawRSA); raw && spec.Has(alg.RSARaw) {
		return alg.RSARaw, nil
	}
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
