package transfer

import (
	"slices"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// Specs returns the specs of keys whose plain form, encrypted by AES-KWP, can
// have so many bytes, symmetric ones last. A size tells little of some keys:
// whether one of the specs is right is seen when the key is read.
func Specs(size int) []alg.Spec {
	var asymmetric, symmetric []alg.Spec
	for _, spec := range alg.Specs() {
		least, most := PlainSize(spec)
		if !spec.Symmetric() {
			most += oddity
		}
		if size < kwpSize(least) || size > kwpSize(most) {
			continue
		}
		if spec.Symmetric() {
			symmetric = append(symmetric, spec)
		} else {
			asymmetric = append(asymmetric, spec)
		}
	}
	return slices.Concat(asymmetric, symmetric)
}

// oddity is how many bytes the plain form of a private key may have more than
// it needs: the curve named once more, or attributes (RFC 5958 section 2).
const oddity = 32

// PlainSize returns the least and the most bytes that the plain form of a key
// has (package engine, Importer): a private key need not have its public half
// beside it.
func PlainSize(spec alg.Spec) (least, most int) {
	info := spec.Info()
	bytes := (info.Bits + 7) / 8
	switch info.Family {
	case alg.AES, alg.HMAC:
		return bytes, bytes
	case alg.RSA: // the modulus, the exponent as long, and five halves of it (RFC 8017 appendix A.1.2)
		return bytes * 9 / 2, bytes * 5
	case alg.EC, alg.K256: // the scalar, the point of twice its length, and DER around them (RFC 5915)
		return bytes + 24, bytes*3 + 43
	case alg.EdDSA: // the seed (RFC 8410 section 7), and at most the point
		return bytes + 16, bytes*2 + 32
	case alg.MLDSA: // the seed alone (RFC 9881 section 6)
		return 54, 54
	}
	return 0, 0
}

// Fits reports whether a key of a spec can travel in a way under an RSA key of
// the spec under.
func Fits(spec alg.Spec, how alg.Wrapping, under alg.Spec) bool {
	limit := under.Info().Bits / 8
	switch {
	case how == alg.NoWrapping || under.Info().Family != alg.RSA:
		return false
	case TwoSteps(how):
		return true
	case how == alg.WrapPKCS1:
		return spec.Symmetric()
	}
	_, most := PlainSize(spec)
	return most <= limit-2*Hash(how).Size()-2 // RFC 8017 section 7.1.1
}
