package azure

import (
	"slices"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// KeyType is a "kty": what a key is, and whether it is in hardware.
type KeyType string

// The key types.
const (
	RSA    KeyType = "RSA"
	RSAHSM KeyType = "RSA-HSM"
	EC     KeyType = "EC"
	ECHSM  KeyType = "EC-HSM"
	Oct    KeyType = "oct"
	OctHSM KeyType = "oct-HSM"
)

// InHSM reports whether keys of the type are in hardware.
func (t KeyType) InHSM() bool { return t == RSAHSM || t == ECHSM || t == OctHSM }

// Software returns the type without its "-HSM": the kty of RFC 7518.
func (t KeyType) Software() KeyType {
	switch t {
	case RSAHSM:
		return RSA
	case ECHSM:
		return EC
	case OctHSM:
		return Oct
	default:
		return t
	}
}

// KeyTypeOf returns the type of keys of a spec, "" for a spec that the service
// does not have.
func KeyTypeOf(spec alg.Spec, hsm bool) KeyType {
	var software, hardware KeyType
	switch spec.Info().Family {
	case alg.RSA:
		software, hardware = RSA, RSAHSM
	case alg.EC, alg.K256:
		software, hardware = EC, ECHSM
	case alg.AES, alg.HMAC:
		software, hardware = Oct, OctHSM
	case alg.EdDSA, alg.MLDSA:
	}
	if hsm {
		return hardware
	}
	return software
}

// CurveName is a "crv".
type CurveName string

// The curves.
const (
	P256  CurveName = "P-256"
	P384  CurveName = "P-384"
	P521  CurveName = "P-521"
	P256K CurveName = "P-256K" // secp256k1, "secp256k1" in RFC 8812
)

var curves = map[CurveName]alg.Spec{P256: alg.P256, P384: alg.P384, P521: alg.P521, P256K: alg.Secp256k1}

// Spec returns the spec of keys on the curve, or NoSpec.
func (c CurveName) Spec() alg.Spec { return curves[c] }

// CurveOf returns the curve of a spec, or "".
func CurveOf(spec alg.Spec) CurveName {
	for name, s := range curves {
		if s == spec {
			return name
		}
	}
	return ""
}

// SignatureAlgorithm is an "alg" of sign and verify (RFC 7518 section 3.1).
type SignatureAlgorithm string

// EncryptionAlgorithm is an "alg" of encrypt, decrypt, wrapkey and unwrapkey.
type EncryptionAlgorithm string

// row is an algorithm in the service's words and in ours, for keys of a family.
type row struct {
	name   string
	a      alg.Algorithm
	family alg.Family
}

var signatures = [...]row{
	{"RS256", alg.PKCS1SHA256, alg.RSA},
	{"RS384", alg.PKCS1SHA384, alg.RSA},
	{"RS512", alg.PKCS1SHA512, alg.RSA},
	{"PS256", alg.PSSSHA256, alg.RSA},
	{"PS384", alg.PSSSHA384, alg.RSA},
	{"PS512", alg.PSSSHA512, alg.RSA},
	{"ES256", alg.ECDSASHA256, alg.EC},
	{"ES384", alg.ECDSASHA384, alg.EC},
	{"ES512", alg.ECDSASHA512, alg.EC},
	{"ES256K", alg.ECDSASHA256, alg.K256},
	{"HS256", alg.HMACSHA256, alg.HMAC},
	{"HS384", alg.HMACSHA384, alg.HMAC},
	{"HS512", alg.HMACSHA512, alg.HMAC},
}

var encryptions = [...]row{
	{"RSA-OAEP", alg.OAEPSHA1, alg.RSA},
	{"RSA-OAEP-256", alg.OAEPSHA256, alg.RSA},
	{"A256GCM", alg.AESGCM, alg.AES},
}

// foreign are the encryption algorithms that the table of package alg does not
// have.
var foreign = [...]string{
	"RSA1_5", "A128GCM", "A192GCM", "A128KW", "A192KW", "A256KW", "A128CBC", "A192CBC", "A256CBC", "A128CBCPAD", "A192CBCPAD", "A256CBCPAD",
	"CKM_AES_KEY_WRAP", "CKM_AES_KEY_WRAP_PAD",
}

// SignatureOf returns the service's name of an algorithm with keys of the spec,
// "" where it has none.
func SignatureOf(spec alg.Spec, a alg.Algorithm) SignatureAlgorithm {
	return SignatureAlgorithm(nameOf(signatures[:], spec, a))
}

// EncryptionOf returns the service's name of an algorithm with keys of the
// spec, "" where it has none.
func EncryptionOf(spec alg.Spec, a alg.Algorithm) EncryptionAlgorithm {
	return EncryptionAlgorithm(nameOf(encryptions[:], spec, a))
}

func nameOf(rows []row, spec alg.Spec, a alg.Algorithm) string {
	for _, r := range rows {
		if r.a == a && r.family == spec.Info().Family && spec.Lists(a) {
			return r.name
		}
	}
	return ""
}

// For returns the algorithm that the name means with keys of the spec, or
// NoAlgorithm.
func (s SignatureAlgorithm) For(spec alg.Spec) alg.Algorithm {
	return algorithmOf(signatures[:], string(s), spec)
}

// For returns the algorithm that the name means with keys of the spec, or
// NoAlgorithm.
func (e EncryptionAlgorithm) For(spec alg.Spec) alg.Algorithm {
	return algorithmOf(encryptions[:], string(e), spec)
}

func algorithmOf(rows []row, name string, spec alg.Spec) alg.Algorithm {
	for _, r := range rows {
		if r.name == name && r.family == spec.Info().Family && spec.Lists(r.a) {
			return r.a
		}
	}
	return alg.NoAlgorithm
}

// Known reports whether the service has an algorithm of the name.
func (s SignatureAlgorithm) Known() bool { return known(signatures[:], string(s)) }

// Known reports whether the service has an algorithm of the name.
func (e EncryptionAlgorithm) Known() bool {
	return known(encryptions[:], string(e)) || slices.Contains(foreign[:], string(e))
}

func known(rows []row, name string) bool {
	return slices.ContainsFunc(rows, func(r row) bool { return r.name == name })
}

// KeyOperation is one of a key's "key_ops".
type KeyOperation string

// The operations.
const (
	Encrypt   KeyOperation = "encrypt"
	Decrypt   KeyOperation = "decrypt"
	Sign      KeyOperation = "sign"
	Verify    KeyOperation = "verify"
	WrapKey   KeyOperation = "wrapKey"
	UnwrapKey KeyOperation = "unwrapKey"
	Import    KeyOperation = "import"
	Export    KeyOperation = "export"
)

// OperationsFor returns the key_ops of a key that is for a usage and nothing
// else.
func OperationsFor(u alg.Usage) []KeyOperation {
	switch u {
	case alg.SignVerify, alg.GenerateVerifyMAC:
		return []KeyOperation{Sign, Verify}
	case alg.EncryptDecrypt:
		return []KeyOperation{Encrypt, Decrypt}
	case alg.KeyTransfer:
		return []KeyOperation{Import}
	case alg.KeyAgreement, alg.RawEncryptDecrypt, alg.NoUsage: // a vault derives no secrets
	}
	return nil
}

// Allows reports whether a key with the operations can do what a usage of its
// spec is for: sign; decrypt, by either of the two ways that RSA keys have, and
// of a symmetric key encrypt as well; take keys.
func Allows(ops []KeyOperation, spec alg.Spec, u alg.Usage) bool {
	if !spec.Allows(u) {
		return false
	}
	has := func(o KeyOperation) bool { return slices.Contains(ops, o) }
	switch u {
	case alg.SignVerify, alg.GenerateVerifyMAC:
		return has(Sign)
	case alg.EncryptDecrypt:
		if spec.Symmetric() {
			return has(Encrypt) && has(Decrypt)
		}
		return has(Decrypt) || has(UnwrapKey)
	case alg.KeyTransfer:
		return has(Import)
	case alg.KeyAgreement, alg.RawEncryptDecrypt, alg.NoUsage: // a vault derives no secrets
	}
	return false
}
