package soft

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"io"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

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
	if _, err := chosen(s.spec, digest, opts); err != nil {
		return nil, err
	}
	return s.inner.Sign(rand, digest, opts)
}

// chosen returns the algorithm that options choose from those of the spec,
// and checks the digest's length.
func chosen(spec alg.Spec, digest []byte, opts crypto.SignerOpts) (alg.Algorithm, error) {
	if opts == nil {
		opts = crypto.Hash(0)
	}
	_, pss := opts.(*rsa.PSSOptions)
	for _, a := range spec.For(alg.SignVerify) {
		info := a.Info()
		switch {
		case !offers(info, opts) || (info.Scheme == alg.PSS) != pss:
		case info.Hash != 0 && len(digest) != info.Hash.Size():
			return 0, fault.Because(fault.InvalidArgument, fault.DigestLength,
				"algorithm %s takes a digest of %d bytes, not %d", a, info.Hash.Size(), len(digest))
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
