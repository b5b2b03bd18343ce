package vault

import (
	"crypto"
	"strconv"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// Type is a key type as Transit writes it: its name, and where the name does
// not say all, the length of the secret or the set of parameters.
type Type struct {
	// Name is the "type" of a key, such as "aes256-gcm96".
	Name string
	// KeySize is the length of an HMAC key in bytes ("key_size"), else 0.
	KeySize int
	// ParameterSet is that of an ML-DSA key in HashiCorp's spelling, else "".
	ParameterSet string
}

// hmacType is the type of all keys for codes, and hmacSize the length in bytes
// of one whose size nobody said: the least that Transit takes.
const (
	hmacType = "hmac"
	hmacSize = 32
)

var (
	// typeNames are the types of keys that both products have. Transit takes no
	// HMAC key below 256 bits and has no curve secp256k1.
	typeNames = map[alg.Spec]Type{
		alg.AES256:  {Name: "aes256-gcm96"},
		alg.HMAC256: {Name: hmacType, KeySize: 32},
		alg.HMAC384: {Name: hmacType, KeySize: 48},
		alg.HMAC512: {Name: hmacType, KeySize: 64},
		alg.RSA2048: {Name: "rsa-2048"},
		alg.RSA3072: {Name: "rsa-3072"},
		alg.RSA4096: {Name: "rsa-4096"},
		alg.P256:    {Name: "ecdsa-p256"},
		alg.P384:    {Name: "ecdsa-p384"},
		alg.P521:    {Name: "ecdsa-p521"},
		alg.Ed25519: {Name: "ed25519"},
		alg.MLDSA44: {Name: "mldsa-44"}, // OpenBao 2.7
		alg.MLDSA65: {Name: "mldsa-65"},
		alg.MLDSA87: {Name: "mldsa-87"},
	}
	// mldsaSets are the parameter sets in HashiCorp's spelling, with the type
	// "ml-dsa".
	mldsaSets = map[string]alg.Spec{"44": alg.MLDSA44, "65": alg.MLDSA65, "87": alg.MLDSA87}

	// hashNames are the hashes of signatures and codes.
	hashNames = map[crypto.Hash]string{
		crypto.SHA1: "sha1", crypto.SHA224: "sha2-224", crypto.SHA256: "sha2-256", crypto.SHA384: "sha2-384", crypto.SHA512: "sha2-512",
		crypto.SHA3_224: "sha3-224", crypto.SHA3_256: "sha3-256", crypto.SHA3_384: "sha3-384", crypto.SHA3_512: "sha3-512",
	}
	// wrapHashNames are the hashes of RSAES-OAEP in an import.
	wrapHashNames = map[crypto.Hash]string{
		crypto.SHA1: "SHA1", crypto.SHA224: "SHA224", crypto.SHA256: "SHA256", crypto.SHA384: "SHA384", crypto.SHA512: "SHA512",
	}
	schemeNames = map[alg.Scheme]string{alg.PSS: "pss", alg.PKCS1: "pkcs1v15"}

	types      = inverse(typeNames)
	hashes     = inverse(hashNames)
	wrapHashes = inverse(wrapHashNames)
	schemes    = inverse(schemeNames)
)

// inverse returns the map from names to values.
func inverse[T, N comparable](names map[T]N) map[N]T {
	values := make(map[N]T, len(names))
	for v, name := range names {
		values[name] = v
	}
	return values
}

// The other words of requests.
const (
	// SaltHash is the "salt_length" of PSS with a salt as long as the hash.
	SaltHash = "hash"
	// SaltAuto is the longest salt that there is room for when signing, and any
	// when verifying: the default.
	SaltAuto = "auto"
	// MarshalASN1 is the "marshaling_algorithm" of ECDSA signatures in DER, the
	// default, and MarshalJWS that of r and s in base64url.
	MarshalASN1 = "asn1"
	MarshalJWS  = "jws"
	// DefaultHash is the hash of a request that names none.
	DefaultHash = crypto.SHA256
	// MaxRandom is how many random bytes one request gets at most.
	MaxRandom = 128 << 10
	// WrappingBits is the length of the modulus of the key under which keys are
	// imported.
	WrappingBits = 4096
)

// TypeOf returns the type of keys of a spec, in the words of the product that
// spelled it first; false where there is none.
func TypeOf(s alg.Spec) (Type, bool) {
	t, ok := typeNames[s]
	return t, ok
}

// ParseType returns the spec of a type. It is false for types of Transit's that
// Holdfast has no spec for, too.
func ParseType(t Type) (alg.Spec, bool) {
	switch {
	case t.Name == hmacType && t.KeySize == 0: // before key_size there was one size
		t.KeySize = hmacSize
	case t.Name == "ml-dsa" && t.KeySize == 0:
		s, ok := mldsaSets[t.ParameterSet]
		return s, ok
	}
	s, ok := types[t]
	return s, ok
}

// String returns the type for people, such as "hmac (64 bytes)".
func (t Type) String() string {
	switch {
	case t.KeySize != 0:
		return t.Name + " (" + strconv.Itoa(t.KeySize) + " bytes)"
	case t.ParameterSet != "":
		return t.Name + "-" + t.ParameterSet
	}
	return t.Name
}

// HashName returns the name of a hash in requests for signatures and codes,
// such as "sha2-256"; "" for none.
func HashName(h crypto.Hash) string { return hashNames[h] }

// ParseHash returns the hash of such a name; "" is the default.
func ParseHash(name string) (crypto.Hash, bool) {
	if name == "" {
		return DefaultHash, true
	}
	h, ok := hashes[name]
	return h, ok
}

// WrapHashName returns the name of a hash in imports, such as "SHA256".
func WrapHashName(h crypto.Hash) string { return wrapHashNames[h] }

// ParseWrapHash returns the hash of such a name; "" is SHA-256.
func ParseWrapHash(name string) (crypto.Hash, bool) {
	if name == "" {
		return crypto.SHA256, true
	}
	h, ok := wrapHashes[name]
	return h, ok
}

// SchemeName returns the "signature_algorithm" of an RSA scheme; "" for all
// others.
func SchemeName(s alg.Scheme) string { return schemeNames[s] }

// ParseScheme returns the RSA scheme of a "signature_algorithm"; "" is PSS, the
// default.
func ParseScheme(name string) (alg.Scheme, bool) {
	if name == "" {
		return alg.PSS, true
	}
	s, ok := schemes[name]
	return s, ok
}
