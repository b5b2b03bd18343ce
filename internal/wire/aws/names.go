package aws

import (
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// The tables below are the enumerations of the AWS KMS model (API version
// 2014-11-01): KeySpec, KeyUsageType, EncryptionAlgorithmSpec,
// SigningAlgorithmSpec, MacAlgorithmSpec, KeyAgreementAlgorithmSpec, MessageType
// and OriginType.
var (
	specNames = map[alg.Spec]string{
		alg.AES256:    "SYMMETRIC_DEFAULT",
		alg.HMAC224:   "HMAC_224",
		alg.HMAC256:   "HMAC_256",
		alg.HMAC384:   "HMAC_384",
		alg.HMAC512:   "HMAC_512",
		alg.RSA2048:   "RSA_2048",
		alg.RSA3072:   "RSA_3072",
		alg.RSA4096:   "RSA_4096",
		alg.P256:      "ECC_NIST_P256",
		alg.P384:      "ECC_NIST_P384",
		alg.P521:      "ECC_NIST_P521",
		alg.Secp256k1: "ECC_SECG_P256K1",
		alg.Ed25519:   "ECC_NIST_EDWARDS25519",
		alg.MLDSA44:   "ML_DSA_44",
		alg.MLDSA65:   "ML_DSA_65",
		alg.MLDSA87:   "ML_DSA_87",
		alg.AES128:    "AES_128", // these two are not AWS's
		alg.AES192:    "AES_192",
	}
	algorithmNames = map[alg.Algorithm]string{
		alg.AESGCM:      "SYMMETRIC_DEFAULT",
		alg.OAEPSHA1:    "RSAES_OAEP_SHA_1",
		alg.OAEPSHA256:  "RSAES_OAEP_SHA_256",
		alg.PKCS1SHA256: "RSASSA_PKCS1_V1_5_SHA_256",
		alg.PKCS1SHA384: "RSASSA_PKCS1_V1_5_SHA_384",
		alg.PKCS1SHA512: "RSASSA_PKCS1_V1_5_SHA_512",
		alg.PSSSHA256:   "RSASSA_PSS_SHA_256",
		alg.PSSSHA384:   "RSASSA_PSS_SHA_384",
		alg.PSSSHA512:   "RSASSA_PSS_SHA_512",
		alg.ECDSASHA256: "ECDSA_SHA_256",
		alg.ECDSASHA384: "ECDSA_SHA_384",
		alg.ECDSASHA512: "ECDSA_SHA_512",
		alg.Ed25519Pure: "ED25519_SHA_512",
		alg.Ed25519ph:   "ED25519_PH_SHA_512",
		alg.MLDSAPure:   "ML_DSA_SHAKE_256",
		alg.HMACSHA224:  "HMAC_SHA_224",
		alg.HMACSHA256:  "HMAC_SHA_256",
		alg.HMACSHA384:  "HMAC_SHA_384",
		alg.HMACSHA512:  "HMAC_SHA_512",
		alg.ECDH:        "ECDH",

		// What follows is not AWS's: names in its style for what its API does not
		// offer, which policies and descriptions need all the same.

		alg.PKCS1MD5SHA1: "RSASSA_PKCS1_V1_5_MD5_SHA_1",
		alg.PKCS1SHA1:    "RSASSA_PKCS1_V1_5_SHA_1",
		alg.PKCS1SHA224:  "RSASSA_PKCS1_V1_5_SHA_224",
		alg.PKCS1Plain:   "RSASSA_PKCS1_V1_5",
		alg.PSSSHA1:      "RSASSA_PSS_SHA_1",
		alg.PSSSHA224:    "RSASSA_PSS_SHA_224",
		alg.ECDSAMD5SHA1: "ECDSA_MD5_SHA_1",
		alg.ECDSASHA1:    "ECDSA_SHA_1",
		alg.ECDSASHA224:  "ECDSA_SHA_224",
		alg.RSARaw:       "RSA_RAW",
		alg.AESGCMRaw:    "AES_GCM",
		alg.AESCBC:       "AES_CBC",
		alg.AESCBCPad:    "AES_CBC_PAD",
		alg.AESCTR:       "AES_CTR",
		alg.AESKW:        "AES_KW",
		alg.AESKWP:       "AES_KWP",
	}
	usageNames = map[alg.Usage]string{
		alg.EncryptDecrypt:    "ENCRYPT_DECRYPT",
		alg.SignVerify:        "SIGN_VERIFY",
		alg.GenerateVerifyMAC: "GENERATE_VERIFY_MAC",
		alg.KeyAgreement:      "KEY_AGREEMENT",
		alg.KeyTransfer:       "KEY_TRANSFER",        // not AWS's: its wrapping keys have no id
		alg.RawEncryptDecrypt: "RAW_ENCRYPT_DECRYPT", // not AWS's: its ciphertexts name their key
	}
	// AlgorithmSpec, the ways of wrapping key material for import.
	wrappingNames = map[alg.Wrapping]string{
		alg.WrapPKCS1:            "RSAES_PKCS1_V1_5",
		alg.WrapOAEPSHA1:         "RSAES_OAEP_SHA_1",
		alg.WrapOAEPSHA256:       "RSAES_OAEP_SHA_256",
		alg.WrapAESKeyWrapSHA1:   "RSA_AES_KEY_WRAP_SHA_1",
		alg.WrapAESKeyWrapSHA256: "RSA_AES_KEY_WRAP_SHA_256",
	}
	formNames   = map[alg.Form]string{alg.Raw: "RAW", alg.Digest: "DIGEST", alg.ExternalMu: "EXTERNAL_MU"}
	originNames = map[key.Origin]string{
		key.Generated: "AWS_KMS", key.Imported: "EXTERNAL", key.External: "EXTERNAL_KEY_STORE",
	}

	specs      = inverse(specNames)
	algorithms = inverse(algorithmNames)
	usages     = inverse(usageNames)
	forms      = inverse(formNames)
	wrappings  = inverse(wrappingNames)
)

// inverse returns the map from names to values.
func inverse[T comparable](names map[T]string) map[string]T {
	values := make(map[string]T, len(names))
	for v, name := range names {
		values[name] = v
	}
	return values
}

// SpecName returns the KeySpec, such as "RSA_2048"; "" for no spec.
func SpecName(s alg.Spec) string { return specNames[s] }

// AlgorithmName returns the name that requests use for the algorithm, such as
// "ECDSA_SHA_256"; "" for no algorithm.
func AlgorithmName(a alg.Algorithm) string { return algorithmNames[a] }

// UsageName returns the KeyUsage, such as "SIGN_VERIFY"; "" for no usage.
func UsageName(u alg.Usage) string { return usageNames[u] }

// FormName returns the MessageType, such as "DIGEST"; "" for no form.
func FormName(f alg.Form) string { return formNames[f] }

// WrappingName returns the name of a way of wrapping key material, such as
// "RSA_AES_KEY_WRAP_SHA_256"; "" for no wrapping.
func WrappingName(w alg.Wrapping) string { return wrappingNames[w] }

// OriginName returns the Origin, such as "AWS_KMS"; "" for an unknown one.
func OriginName(o key.Origin) string { return originNames[o] }

// originHSM is the Origin of what lives in a custom key store over a cluster.
const originHSM = "AWS_CLOUDHSM"

// KeyOriginName returns the Origin of a key, which tells where the key lives,
// too.
func KeyOriginName(k *key.Key) string {
	if k.Store != "" {
		return originHSM
	}
	return OriginName(k.Origin)
}

// ParseSpec returns the spec of a KeySpec. It is false for names of AWS's
// that Holdfast has no spec for, too.
func ParseSpec(name string) (alg.Spec, bool) {
	s, ok := specs[name]
	return s, ok
}

// ParseAlgorithm returns the algorithm of an encryption, signing, MAC or key
// agreement algorithm's name.
func ParseAlgorithm(name string) (alg.Algorithm, bool) {
	a, ok := algorithms[name]
	return a, ok
}

// ParseUsage returns the usage of a KeyUsage.
func ParseUsage(name string) (alg.Usage, bool) {
	u, ok := usages[name]
	return u, ok
}

// ParseForm returns the form of a MessageType.
func ParseForm(name string) (alg.Form, bool) {
	f, ok := forms[name]
	return f, ok
}

// ParseWrapping returns the wrapping of a WrappingAlgorithm.
func ParseWrapping(name string) (alg.Wrapping, bool) {
	w, ok := wrappings[name]
	return w, ok
}
