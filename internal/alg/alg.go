// Package alg is the one table of what keys can be and what they can do:
// every key spec with its usages and algorithms, every algorithm with its
// scheme, hash and limits. The names are the field's, not one cloud's; each
// API's spelling is in its package under wire.
//
// What the table names works: engine/soft makes, signs, verifies, encrypts
// and decrypts all of it, and vectors from elsewhere prove it.
package alg

import (
	"crypto"
	"slices"
)

// Spec is a key's type and size.
type Spec uint8

// The specs. The zero Spec is none.
const (
	NoSpec Spec = iota
	AES256
	HMAC224
	HMAC256
	HMAC384
	HMAC512
	RSA2048
	RSA3072
	RSA4096
	P256
	P384
	P521
	Secp256k1
	Ed25519
	MLDSA44
	MLDSA65
	MLDSA87
	AES128 // used by the raw modes only, as AES192
	AES192
)

// Usage is what a key may be used for. A key has one usage for its life.
type Usage uint8

// The usages. The zero Usage is none.
const (
	NoUsage Usage = iota
	EncryptDecrypt
	SignVerify
	GenerateVerifyMAC
	// KeyTransfer is the usage of a key exchange key: other keys come in wrapped
	// under it, and it does nothing else.
	KeyTransfer
	// KeyAgreement is the usage of a key that shares a secret with the owner of
	// another one.
	KeyAgreement
	// RawEncryptDecrypt is the usage of an AES key that does what its caller says:
	// the caller chooses the mode, the initialisation vector and all else, and the
	// ciphertext says nothing of the key. It is a usage of its own, for a key that
	// does both would undo by one what it promises by the other.
	RawEncryptDecrypt
)

// Family groups the specs whose keys have one Go type.
type Family uint8

// The families.
const (
	AES Family = iota + 1
	HMAC
	RSA
	EC    // the NIST curves
	K256  // secp256k1 (SEC 2, section 2.4.1)
	EdDSA // Ed25519 (RFC 8032)
	MLDSA // FIPS 204
)

// Algorithm is one way of using a key.
type Algorithm uint8

// The algorithms. The zero Algorithm is none.
const (
	NoAlgorithm Algorithm = iota
	AESGCM                // AES-256-GCM under a key derived for each message, see engine.AEAD
	OAEPSHA1              // RSAES-OAEP with SHA-1 and MGF1-SHA-1 (RFC 8017 section 7.1)
	OAEPSHA256            // RSAES-OAEP with SHA-256 and MGF1-SHA-256
	PKCS1SHA256           // RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2)
	PKCS1SHA384           //
	PKCS1SHA512           //
	PSSSHA256             // RSASSA-PSS, salt as long as the hash (RFC 8017 section 8.1)
	PSSSHA384             //
	PSSSHA512             //
	ECDSASHA256           // ECDSA, ASN.1 DER signature (FIPS 186-5 section 6)
	ECDSASHA384           //
	ECDSASHA512           //
	Ed25519Pure           // Ed25519 (RFC 8032 section 5.1)
	Ed25519ph             // Ed25519ph over a SHA-512 digest, empty context
	MLDSAPure             // ML-DSA over the message or an external mu, empty context (FIPS 204)
	HMACSHA224            // FIPS 198-1
	HMACSHA256            //
	HMACSHA384            //
	HMACSHA512            //
	ECDH                  // the x coordinate of ECC CDH (NIST SP 800-56A section 5.7.1.2), as it is

	// What follows is in SpecInfo.Further: TLS before version 1.3 and PKCS #11 ask
	// for it, and no cloud's API does.

	PKCS1MD5SHA1 // RSASSA-PKCS1-v1_5 over an MD5 and a SHA-1 digest, with no DigestInfo (RFC 4346 section 7.4.3)
	PKCS1SHA1    // RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2)
	PKCS1SHA224  //
	PKCS1Plain   // the same over bytes that are their own DigestInfo (CKM_RSA_PKCS, PKCS #11 v3.1 section 6.1.6)
	PSSSHA1      // RSASSA-PSS, salt as long as the hash
	PSSSHA224    //
	ECDSAMD5SHA1 // ECDSA over an MD5 and a SHA-1 digest, of which the leftmost bits count
	ECDSASHA1    //
	ECDSASHA224  //
	RSARaw       // RSADP (RFC 8017 section 5.1.2): the private operation and nothing else
	AESGCMRaw    // GCM (NIST SP 800-38D) under the key itself, the IV and the tag's length from the caller
	AESCBC       // CBC (NIST SP 800-38A section 6.2) of whole blocks
	AESCBCPad    // CBC with the padding of RFC 5652 section 6.3
	AESCTR       // CTR (NIST SP 800-38A section 6.5), all 128 bits of the IV count
	AESKW        // AES key wrap (RFC 3394)
	AESKWP       // AES key wrap with padding (RFC 5649)
)

// Scheme is the mathematical method of an algorithm.
type Scheme uint8

// The schemes.
const (
	GCM Scheme = iota + 1
	OAEP
	PKCS1
	PSS
	ECDSA
	PureEdDSA
	PrehashEdDSA
	PureMLDSA
	MAC
	Agreement
	RSAPrimitive // RSA without a padding
	CipherMode   // a mode of AES whose parameters are the caller's
)

// Form says how the message of a signature reaches the key.
type Form uint8

// The forms.
const (
	Raw        Form = iota + 1 // the message itself; the key's owner hashes it
	Digest                     // the message's digest, already computed; for PKCS1Plain any bytes that fit
	ExternalMu                 // ML-DSA's 64-byte mu (FIPS 204 algorithm 7, line 6), already computed
)

// SpecInfo is a row of the table of specs.
type SpecInfo struct {
	Name   string // the field's short name, such as "rsa-2048"
	Family Family
	Bits   int // RSA modulus, EC field, or secret length in bits; 0 for ML-DSA
	Usages []Usage
	// Algorithms that a key of this spec can use, for any of its usages.
	Algorithms []Algorithm
	// Further algorithms that such a key can use and that no cloud's API offers:
	// what TLS and PKCS #11 ask for. For does not list them, and Has knows them.
	Further []Algorithm
}

// AlgorithmInfo is a row of the table of algorithms.
type AlgorithmInfo struct {
	Name   string
	Usage  Usage
	Scheme Scheme
	Hash   crypto.Hash // 0 where the scheme has its own
	Forms  []Form      // for signatures: the forms in which the message may come
}

var (
	rsaAlgorithms = []Algorithm{
		OAEPSHA1, OAEPSHA256, PKCS1SHA256, PKCS1SHA384, PKCS1SHA512, PSSSHA256, PSSSHA384, PSSSHA512,
	}
	rsaFurther = []Algorithm{PKCS1MD5SHA1, PKCS1SHA1, PKCS1SHA224, PKCS1Plain, PSSSHA1, PSSSHA224, RSARaw}
	aesFurther = []Algorithm{AESGCMRaw, AESCBC, AESCBCPad, AESCTR, AESKW, AESKWP}
	rsaUsages  = []Usage{EncryptDecrypt, SignVerify, KeyTransfer}
	signUsages = []Usage{SignVerify}
	ecUsages   = []Usage{SignVerify, KeyAgreement}
	macUsages  = []Usage{GenerateVerifyMAC}
	rawUsages  = []Usage{RawEncryptDecrypt}
	hashForms  = []Form{Raw, Digest}
	digestForm = []Form{Digest}
)

var specs = [...]SpecInfo{
	NoSpec:    {},
	AES256:    {"aes-256", AES, 256, []Usage{EncryptDecrypt, RawEncryptDecrypt}, []Algorithm{AESGCM}, aesFurther},
	HMAC224:   {"hmac-224", HMAC, 224, macUsages, []Algorithm{HMACSHA224}, nil},
	HMAC256:   {"hmac-256", HMAC, 256, macUsages, []Algorithm{HMACSHA256}, nil},
	HMAC384:   {"hmac-384", HMAC, 384, macUsages, []Algorithm{HMACSHA384}, nil},
	HMAC512:   {"hmac-512", HMAC, 512, macUsages, []Algorithm{HMACSHA512}, nil},
	RSA2048:   {"rsa-2048", RSA, 2048, rsaUsages, rsaAlgorithms, rsaFurther},
	RSA3072:   {"rsa-3072", RSA, 3072, rsaUsages, rsaAlgorithms, rsaFurther},
	RSA4096:   {"rsa-4096", RSA, 4096, rsaUsages, rsaAlgorithms, rsaFurther},
	P256:      {"p-256", EC, 256, ecUsages, []Algorithm{ECDSASHA256, ECDH}, []Algorithm{ECDSAMD5SHA1, ECDSASHA1, ECDSASHA224, ECDSASHA384, ECDSASHA512}},
	P384:      {"p-384", EC, 384, ecUsages, []Algorithm{ECDSASHA384, ECDH}, []Algorithm{ECDSAMD5SHA1, ECDSASHA1, ECDSASHA224, ECDSASHA256, ECDSASHA512}},
	P521:      {"p-521", EC, 521, ecUsages, []Algorithm{ECDSASHA512, ECDH}, []Algorithm{ECDSAMD5SHA1, ECDSASHA1, ECDSASHA224, ECDSASHA256, ECDSASHA384}},
	Secp256k1: {"secp256k1", K256, 256, signUsages, []Algorithm{ECDSASHA256}, nil},
	Ed25519:   {"ed25519", EdDSA, 256, signUsages, []Algorithm{Ed25519Pure, Ed25519ph}, nil},
	MLDSA44:   {"ml-dsa-44", MLDSA, 0, signUsages, []Algorithm{MLDSAPure}, nil},
	MLDSA65:   {"ml-dsa-65", MLDSA, 0, signUsages, []Algorithm{MLDSAPure}, nil},
	MLDSA87:   {"ml-dsa-87", MLDSA, 0, signUsages, []Algorithm{MLDSAPure}, nil},
	AES128:    {"aes-128", AES, 128, rawUsages, nil, aesFurther},
	AES192:    {"aes-192", AES, 192, rawUsages, nil, aesFurther},
}

var algorithms = [...]AlgorithmInfo{
	NoAlgorithm: {},
	AESGCM:      {"aes-256-gcm", EncryptDecrypt, GCM, 0, nil},
	OAEPSHA1:    {"rsa-oaep-sha1", EncryptDecrypt, OAEP, crypto.SHA1, nil},
	OAEPSHA256:  {"rsa-oaep-sha256", EncryptDecrypt, OAEP, crypto.SHA256, nil},
	PKCS1SHA256: {"rsa-pkcs1-sha256", SignVerify, PKCS1, crypto.SHA256, hashForms},
	PKCS1SHA384: {"rsa-pkcs1-sha384", SignVerify, PKCS1, crypto.SHA384, hashForms},
	PKCS1SHA512: {"rsa-pkcs1-sha512", SignVerify, PKCS1, crypto.SHA512, hashForms},
	PSSSHA256:   {"rsa-pss-sha256", SignVerify, PSS, crypto.SHA256, hashForms},
	PSSSHA384:   {"rsa-pss-sha384", SignVerify, PSS, crypto.SHA384, hashForms},
	PSSSHA512:   {"rsa-pss-sha512", SignVerify, PSS, crypto.SHA512, hashForms},
	ECDSASHA256: {"ecdsa-sha256", SignVerify, ECDSA, crypto.SHA256, hashForms},
	ECDSASHA384: {"ecdsa-sha384", SignVerify, ECDSA, crypto.SHA384, hashForms},
	ECDSASHA512: {"ecdsa-sha512", SignVerify, ECDSA, crypto.SHA512, hashForms},
	Ed25519Pure: {"ed25519", SignVerify, PureEdDSA, 0, []Form{Raw}},
	Ed25519ph:   {"ed25519ph", SignVerify, PrehashEdDSA, crypto.SHA512, []Form{Digest}},
	MLDSAPure:   {"ml-dsa", SignVerify, PureMLDSA, 0, []Form{Raw, ExternalMu}},
	HMACSHA224:  {"hmac-sha224", GenerateVerifyMAC, MAC, crypto.SHA224, nil},
	HMACSHA256:  {"hmac-sha256", GenerateVerifyMAC, MAC, crypto.SHA256, nil},
	HMACSHA384:  {"hmac-sha384", GenerateVerifyMAC, MAC, crypto.SHA384, nil},
	HMACSHA512:  {"hmac-sha512", GenerateVerifyMAC, MAC, crypto.SHA512, nil},
	ECDH:        {"ecdh", KeyAgreement, Agreement, 0, nil},

	PKCS1MD5SHA1: {"rsa-pkcs1-md5sha1", SignVerify, PKCS1, crypto.MD5SHA1, digestForm},
	PKCS1SHA1:    {"rsa-pkcs1-sha1", SignVerify, PKCS1, crypto.SHA1, hashForms},
	PKCS1SHA224:  {"rsa-pkcs1-sha224", SignVerify, PKCS1, crypto.SHA224, hashForms},
	PKCS1Plain:   {"rsa-pkcs1", SignVerify, PKCS1, 0, digestForm},
	PSSSHA1:      {"rsa-pss-sha1", SignVerify, PSS, crypto.SHA1, hashForms},
	PSSSHA224:    {"rsa-pss-sha224", SignVerify, PSS, crypto.SHA224, hashForms},
	ECDSAMD5SHA1: {"ecdsa-md5sha1", SignVerify, ECDSA, crypto.MD5SHA1, digestForm},
	ECDSASHA1:    {"ecdsa-sha1", SignVerify, ECDSA, crypto.SHA1, hashForms},
	ECDSASHA224:  {"ecdsa-sha224", SignVerify, ECDSA, crypto.SHA224, hashForms},
	RSARaw:       {"rsa-raw", EncryptDecrypt, RSAPrimitive, 0, nil},
	AESGCMRaw:    {"aes-gcm", RawEncryptDecrypt, CipherMode, 0, nil},
	AESCBC:       {"aes-cbc", RawEncryptDecrypt, CipherMode, 0, nil},
	AESCBCPad:    {"aes-cbc-pad", RawEncryptDecrypt, CipherMode, 0, nil},
	AESCTR:       {"aes-ctr", RawEncryptDecrypt, CipherMode, 0, nil},
	AESKW:        {"aes-kw", RawEncryptDecrypt, CipherMode, 0, nil},
	AESKWP:       {"aes-kwp", RawEncryptDecrypt, CipherMode, 0, nil},
}

var usageNames = [...]string{
	NoUsage: "", EncryptDecrypt: "encrypt-decrypt", SignVerify: "sign-verify", GenerateVerifyMAC: "mac",
	KeyTransfer: "key-transfer", KeyAgreement: "key-agreement",
	RawEncryptDecrypt: "raw-encrypt-decrypt",
}

// Wrapping is a way in which a key travels encrypted under an RSA key.
type Wrapping uint8

// The wrappings. The zero Wrapping is none.
const (
	NoWrapping           Wrapping = iota
	WrapOAEPSHA1                  // RSAES-OAEP with SHA-1 and MGF1-SHA-1, for symmetric keys (RFC 8017 section 7.1)
	WrapOAEPSHA256                // RSAES-OAEP with SHA-256 and MGF1-SHA-256
	WrapPKCS1                     // RSAES-PKCS1-v1_5 (RFC 8017 section 7.2), for symmetric keys; only where a client has nothing better
	WrapAESKeyWrapSHA1            // CKM_RSA_AES_KEY_WRAP: an AES key by WrapOAEPSHA1, then the key by AES-KWP (RFC 5649) under it
	WrapAESKeyWrapSHA256          // the same, the AES key by WrapOAEPSHA256
)

var wrappingNames = [...]string{
	NoWrapping: "", WrapOAEPSHA1: "rsa-oaep-sha1", WrapOAEPSHA256: "rsa-oaep-sha256", WrapPKCS1: "rsa-pkcs1",
	WrapAESKeyWrapSHA1: "rsa-aes-key-wrap-sha1", WrapAESKeyWrapSHA256: "rsa-aes-key-wrap-sha256",
}

// Wrappings returns every wrapping.
func Wrappings() []Wrapping { return all[Wrapping](len(wrappingNames)) }

// String returns the wrapping's name, such as "rsa-aes-key-wrap-sha1".
func (w Wrapping) String() string {
	if int(w) < len(wrappingNames) {
		return wrappingNames[w]
	}
	return ""
}

// ParseWrapping returns the wrapping of a name that String gives, or NoWrapping.
func ParseWrapping(name string) Wrapping { return parse(Wrappings(), name) }

// Specs returns every spec in the order of the table.
func Specs() []Spec { return all[Spec](len(specs)) }

// Algorithms returns every algorithm but the further ones in the order of the
// table.
func Algorithms() []Algorithm { return everyAlgorithm()[:ECDH] }

// FurtherAlgorithms returns the further ones: those that a spec has only in
// SpecInfo.Further. (Some specs have others there, as P-256 has ECDSASHA384.)
func FurtherAlgorithms() []Algorithm { return everyAlgorithm()[ECDH:] }

func everyAlgorithm() []Algorithm { return all[Algorithm](len(algorithms)) }

// Usages returns every usage.
func Usages() []Usage { return all[Usage](len(usageNames)) }

// all returns the values 1 to n-1 of an enumeration whose zero value is none.
func all[T ~uint8](n int) []T {
	list := make([]T, 0, n-1)
	for i := 1; i < n; i++ {
		list = append(list, T(i))
	}
	return list
}

// Info returns the spec's row; of an unknown spec the empty one.
func (s Spec) Info() SpecInfo {
	if int(s) < len(specs) {
		return specs[s]
	}
	return SpecInfo{}
}

// String returns the spec's name, such as "rsa-2048".
func (s Spec) String() string { return s.Info().Name }

// Symmetric reports whether keys of the spec have no public half.
func (s Spec) Symmetric() bool {
	f := s.Info().Family
	return f == AES || f == HMAC
}

// Allows reports whether a key of the spec can have the usage.
func (s Spec) Allows(u Usage) bool { return slices.Contains(s.Info().Usages, u) }

// Usual returns the usage of a key of the spec of which nobody says another:
// the only one that there is, or the one beside which the other is rare: key
// agreement, raw encryption. It is NoUsage where it has to be said.
func (s Spec) Usual() Usage {
	switch usages := s.Info().Usages; {
	case len(usages) == 1, len(usages) == 2 && (usages[1] == KeyAgreement || usages[1] == RawEncryptDecrypt):
		return usages[0]
	}
	return NoUsage
}

// Has reports whether a key of the spec can use the algorithm, be it a further
// one or not.
func (s Spec) Has(a Algorithm) bool { return s.Lists(a) || slices.Contains(s.Info().Further, a) }

// Lists reports whether the algorithm is one of those that the clouds' APIs
// know of a key of the spec: Has without the further ones.
func (s Spec) Lists(a Algorithm) bool { return slices.Contains(s.Info().Algorithms, a) }

// For returns the algorithms that a key of the spec with the usage can use,
// without the further ones.
func (s Spec) For(u Usage) []Algorithm { return forUsage(s.Info().Algorithms, u) }

// FurtherFor returns the further ones.
func (s Spec) FurtherFor(u Usage) []Algorithm { return forUsage(s.Info().Further, u) }

// AllFor returns both, the further ones last.
func (s Spec) AllFor(u Usage) []Algorithm { return append(s.For(u), s.FurtherFor(u)...) }

func forUsage(from []Algorithm, u Usage) []Algorithm {
	var list []Algorithm
	for _, a := range from {
		if a.Info().Usage == u {
			list = append(list, a)
		}
	}
	return list
}

// MaxPlaintext returns the longest plaintext in bytes that the algorithm can
// encrypt under a key of the spec: for OAEP the modulus less two hashes and
// two bytes (RFC 8017 section 7.1.1), else 0 for "no limit of its own".
func (s Spec) MaxPlaintext(a Algorithm) int {
	if info := a.Info(); info.Scheme == OAEP {
		return s.Info().Bits/8 - 2*info.Hash.Size() - 2
	}
	return 0
}

// DigestSize returns the least and the most bytes that a digest of the algorithm
// has under a key of the spec: of PKCS1Plain what the padding leaves room for (RFC
// 8017 section 9.2), else as many as the hash has; twice 0 where there is none.
func (s Spec) DigestSize(a Algorithm) (least, most int) {
	if a == PKCS1Plain {
		return 1, s.Info().Bits/8 - 11
	}
	if h := a.Info().Hash; h != 0 {
		return h.Size(), h.Size()
	}
	return 0, 0
}

// Info returns the algorithm's row; of an unknown algorithm the empty one.
func (a Algorithm) Info() AlgorithmInfo {
	if int(a) < len(algorithms) {
		return algorithms[a]
	}
	return AlgorithmInfo{}
}

// String returns the algorithm's name, such as "rsa-pss-sha256".
func (a Algorithm) String() string { return a.Info().Name }

// Takes reports whether a message may come to the algorithm in the form.
func (a Algorithm) Takes(f Form) bool { return slices.Contains(a.Info().Forms, f) }

// String returns the usage's name, such as "sign-verify".
func (u Usage) String() string {
	if int(u) < len(usageNames) {
		return usageNames[u]
	}
	return ""
}

// ParseSpec returns the spec of a name that String gives, or NoSpec.
func ParseSpec(name string) Spec { return parse(Specs(), name) }

// ParseAlgorithm returns the algorithm of a name that String gives, or NoAlgorithm.
func ParseAlgorithm(name string) Algorithm { return parse(everyAlgorithm(), name) }

// ParseUsage returns the usage of a name that String gives, or NoUsage.
func ParseUsage(name string) Usage { return parse(Usages(), name) }

func parse[T interface {
	~uint8
	String() string
}](values []T, name string) T {
	for _, v := range values {
		if v.String() == name {
			return v
		}
	}
	return 0
}
