package pkcs11

import "fmt"

// classNames are the classes of objects in words.
var classNames = map[Class]string{
	ClassData: "data", ClassCertificate: "certificate", ClassPublicKey: "public key",
	ClassPrivateKey: "private key", ClassSecretKey: "secret key",
}

// ClassName returns a class in words.
func ClassName(c Class) string {
	if name, ok := classNames[c]; ok {
		return name
	}
	return fmt.Sprintf("object of class 0x%x", uint64(c))
}

// typeNames are the key types as the standard calls them, without CKK_.
var typeNames = map[KeyType]string{
	KeyRSA: "RSA", KeyEC: "EC", KeyECEdwards: "EC_EDWARDS", KeyMLDSA: "ML_DSA",
	KeyAES: "AES", KeyGenericSecret: "GENERIC_SECRET",
	KeySHA224HMAC: "SHA224_HMAC", KeySHA256HMAC: "SHA256_HMAC",
	KeySHA384HMAC: "SHA384_HMAC", KeySHA512HMAC: "SHA512_HMAC",
}

// TypeName returns a key type as the standard calls it, without CKK_.
func TypeName(k KeyType) string {
	if name, ok := typeNames[k]; ok {
		return name
	}
	return fmt.Sprintf("0x%x", uint64(k))
}

// curveBits has the sizes of curves by the DER of their object identifiers
// (RFC 5480 2.1.1.1, SEC 2).
var curveBits = map[string]int{
	"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07": 256, // P-256
	"\x06\x05\x2b\x81\x04\x00\x22":             384, // P-384
	"\x06\x05\x2b\x81\x04\x00\x23":             521, // P-521
	"\x06\x05\x2b\x81\x04\x00\x0a":             256, // secp256k1
}

// KeyBits returns the size of a key from its attributes: the modulus of RSA, the
// curve's CKA_EC_PARAMS of EC, CKA_VALUE_LEN of secret keys. It is 0 when they
// do not say.
func KeyBits(kind KeyType, modulus, curve []byte, length Attribute) int {
	switch kind {
	case KeyRSA:
		for len(modulus) > 0 && modulus[0] == 0 {
			modulus = modulus[1:]
		}
		return len(modulus) * 8
	case KeyEC:
		return curveBits[string(curve)]
	case KeyECEdwards:
		return 256
	default:
		n, _ := length.Uint()
		return int(min(n, 1<<20)) * 8
	}
}
