package profile

import (
	"crypto/rsa"
	"crypto/x509"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// KeyRules say which public keys a profile takes.
type KeyRules struct {
	// RSAMin and RSAMax bound the modulus in bits; both 0 refuse RSA.
	RSAMin, RSAMax            int
	P256, P384, P521, Ed25519 bool
	MLDSA44, MLDSA65, MLDSA87 bool
}

// AnyKey returns the rules that take every key for which there are
// certificates: RSA with 2,048 to 8,192 bits, the NIST curves, Ed25519 and
// ML-DSA.
func AnyKey() KeyRules {
	return KeyRules{
		RSAMin: 2048, RSAMax: MaxRSA, P256: true, P384: true, P521: true, Ed25519: true, MLDSA44: true, MLDSA65: true, MLDSA87: true,
	}
}

// MaxRSA is the largest RSA modulus in bits: a larger one costs whoever
// verifies with it too much.
const MaxRSA = 8192

// keyFamily is what the key usages depend on.
type keyFamily uint8

const (
	rsaKey keyFamily = iota + 1
	ecKey
	edKey
	mldsaKey
)

// unable returns the key usages that keys of the family cannot have: RSA keys
// agree on nothing (RFC 3279 section 2.3.1), those of the curves encipher
// nothing (RFC 8813 section 3), Ed25519 and ML-DSA only sign (RFC 8410 section
// 5, RFC 9881 section 5). Requests ask for them all the same.
func (f keyFamily) unable() x509.KeyUsage {
	const agree = x509.KeyUsageKeyAgreement | x509.KeyUsageEncipherOnly | x509.KeyUsageDecipherOnly
	const encipher = x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment
	switch f {
	case rsaKey:
		return agree
	case ecKey:
		return encipher
	case edKey, mldsaKey:
	}
	return agree | encipher
}

// Rule returns the rule about a spec other than RSA, nil for one that
// certificates are not for.
func (r *KeyRules) Rule(s alg.Spec) *bool {
	switch s { //nolint:exhaustive // certificates are for no others
	case alg.P256:
		return &r.P256
	case alg.P384:
		return &r.P384
	case alg.P521:
		return &r.P521
	case alg.Ed25519:
		return &r.Ed25519
	case alg.MLDSA44:
		return &r.MLDSA44
	case alg.MLDSA65:
		return &r.MLDSA65
	case alg.MLDSA87:
		return &r.MLDSA87
	}
	return nil
}

// Check refuses public keys that are too weak, too large or of another kind
// (ProfileViolation; for a kind that no certificate is for as Unsupported).
func (r *KeyRules) Check(k *engine.PublicKey) error {
	_, _, err := r.judge(k)
	return err
}

// judge is Check, and returns the key's family and its size in bits, which is
// 0 for ML-DSA.
func (r *KeyRules) judge(k *engine.PublicKey) (keyFamily, int, error) {
	if k != nil {
		if pub, ok := k.Key().(*rsa.PublicKey); ok {
			return rsaKey, pub.N.BitLen(), r.checkRSA(pub)
		}
		if allowed := r.Rule(k.Spec()); allowed != nil {
			if !*allowed {
				return 0, 0, violation("the profile takes no key of %s", k.Spec())
			}
			return familyOf(k.Spec()), k.Spec().Info().Bits, nil
		}
	}
	return 0, 0, fault.Because(fault.Unsupported, fault.ProfileViolation,
		"certificates are for keys of RSA, P-256, P-384, P-521, Ed25519 and ML-DSA")
}

func familyOf(s alg.Spec) keyFamily {
	switch s.Info().Family { //nolint:exhaustive // certificates are for no others
	case alg.EC:
		return ecKey
	case alg.EdDSA:
		return edKey
	}
	return mldsaKey
}

func (r *KeyRules) checkRSA(k *rsa.PublicKey) error {
	if bits := k.N.BitLen(); bits < r.RSAMin || bits > r.RSAMax {
		if r.RSAMax == 0 {
			return violation("the profile takes no RSA key")
		}
		return violation("an RSA key of %d bits: this profile wants %d to %d", bits, r.RSAMin, r.RSAMax)
	}
	if k.E < 65537 || k.E%2 == 0 {
		return violation("an RSA key with the public exponent %d: it has to be odd and at least 65537", k.E)
	}
	return nil
}
