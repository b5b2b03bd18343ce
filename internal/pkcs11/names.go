package pkcs11

import "fmt"

// mechanismNames are the standard's names, without CKM_, of the mechanisms
// that tokens list most.
var mechanismNames = map[MechanismType]string{
	MechRSAPKCSKeyPairGen: "RSA_PKCS_KEY_PAIR_GEN", MechRSAPKCS: "RSA_PKCS", 0x2: "RSA_9796", MechRSAX509: "RSA_X_509",
	0x5: "MD5_RSA_PKCS", MechSHA1RSAPKCS: "SHA1_RSA_PKCS", MechRSAPKCSOAEP: "RSA_PKCS_OAEP", 0xa: "RSA_X9_31_KEY_PAIR_GEN",
	MechRSAPKCSPSS: "RSA_PKCS_PSS", 0xe: "SHA1_RSA_PKCS_PSS", MechMLDSAKeyPairGen: "ML_DSA_KEY_PAIR_GEN", MechMLDSA: "ML_DSA",
	0x10: "DSA_KEY_PAIR_GEN", 0x11: "DSA", 0x12: "DSA_SHA1", 0x13: "DSA_SHA224", 0x14: "DSA_SHA256", 0x15: "DSA_SHA384", 0x16: "DSA_SHA512",
	0x20: "DH_PKCS_KEY_PAIR_GEN", 0x21: "DH_PKCS_DERIVE",
	MechSHA256RSAPKCS: "SHA256_RSA_PKCS", MechSHA384RSAPKCS: "SHA384_RSA_PKCS", MechSHA512RSAPKCS: "SHA512_RSA_PKCS",
	0x43: "SHA256_RSA_PKCS_PSS", 0x44: "SHA384_RSA_PKCS_PSS", 0x45: "SHA512_RSA_PKCS_PSS", 0x46: "SHA224_RSA_PKCS", 0x47: "SHA224_RSA_PKCS_PSS",
	0x120: "DES_KEY_GEN", 0x121: "DES_ECB", 0x122: "DES_CBC", 0x125: "DES_CBC_PAD", 0x130: "DES2_KEY_GEN", 0x131: "DES3_KEY_GEN",
	0x132: "DES3_ECB", 0x133: "DES3_CBC", 0x136: "DES3_CBC_PAD", 0x138: "DES3_CMAC", 0x1100: "DES_ECB_ENCRYPT_DATA",
	0x1101: "DES_CBC_ENCRYPT_DATA", 0x1102: "DES3_ECB_ENCRYPT_DATA", 0x1103: "DES3_CBC_ENCRYPT_DATA",
	0x210: "MD5", 0x211: "MD5_HMAC", MechSHA1: "SHA_1", 0x221: "SHA_1_HMAC", MechSHA224: "SHA224", MechSHA224HMAC: "SHA224_HMAC",
	MechSHA256: "SHA256", MechSHA256HMAC: "SHA256_HMAC", MechSHA384: "SHA384", MechSHA384HMAC: "SHA384_HMAC",
	MechSHA512: "SHA512", MechSHA512HMAC: "SHA512_HMAC", MechGenericSecretKeyGen: "GENERIC_SECRET_KEY_GEN",
	0x360: "CONCATENATE_BASE_AND_KEY", 0x362: "CONCATENATE_BASE_AND_DATA", 0x363: "CONCATENATE_DATA_AND_BASE", 0x364: "XOR_BASE_AND_DATA",
	MechECKeyPairGen: "EC_KEY_PAIR_GEN", MechECDSA: "ECDSA", 0x1042: "ECDSA_SHA1", 0x1043: "ECDSA_SHA224", 0x1044: "ECDSA_SHA256",
	0x1045: "ECDSA_SHA384", 0x1046: "ECDSA_SHA512", 0x1050: "ECDH1_DERIVE", 0x1051: "ECDH1_COFACTOR_DERIVE", 0x1053: "ECDH_AES_KEY_WRAP",
	MechRSAAESKeyWrap: "RSA_AES_KEY_WRAP", MechECEdwardsKeyPairGen: "EC_EDWARDS_KEY_PAIR_GEN", 0x1056: "EC_MONTGOMERY_KEY_PAIR_GEN",
	MechEdDSA: "EDDSA", MechAESKeyGen: "AES_KEY_GEN", MechAESECB: "AES_ECB", MechAESCBC: "AES_CBC", 0x1083: "AES_MAC",
	0x1084: "AES_MAC_GENERAL", MechAESCBCPad: "AES_CBC_PAD", MechAESCTR: "AES_CTR", MechAESGCM: "AES_GCM", 0x1088: "AES_CCM", 0x1089: "AES_CTS",
	0x108a: "AES_CMAC", 0x108b: "AES_CMAC_GENERAL", 0x108e: "AES_GMAC", 0x1104: "AES_ECB_ENCRYPT_DATA", 0x1105: "AES_CBC_ENCRYPT_DATA",
	MechAESKeyWrap: "AES_KEY_WRAP", MechAESKeyWrapPad: "AES_KEY_WRAP_PAD", MechAESKeyWrapKWP: "AES_KEY_WRAP_KWP",
	0x2000: "DSA_PARAMETER_GEN", 0x2001: "DH_PKCS_PARAMETER_GEN",
	MechSHA256KeyGen: "SHA256_KEY_GEN", MechSHA384KeyGen: "SHA384_KEY_GEN", MechSHA512KeyGen: "SHA512_KEY_GEN", MechSHA224KeyGen: "SHA224_KEY_GEN",
}

// Name returns the standard's name of a mechanism, such as "CKM_ECDSA", or its
// number in hex.
func (m MechanismType) Name() string {
	if name, ok := mechanismNames[m]; ok {
		return "CKM_" + name
	}
	return fmt.Sprintf("0x%x", uint64(m))
}

// flagWords are what mechanisms are for, in words.
var flagWords = []struct {
	flag MechanismFlags
	word string
}{
	{CanGenerate, "generate"},
	{CanGenerateKeyPair, "generate-pair"},
	{CanEncrypt, "encrypt"},
	{CanDecrypt, "decrypt"},
	{CanSign, "sign"},
	{CanVerify, "verify"},
	{CanDigest, "digest"},
	{CanWrap, "wrap"},
	{CanUnwrap, "unwrap"},
	{CanDerive, "derive"},
}

// Words returns in words what a mechanism is for.
func (f MechanismFlags) Words() []string {
	words := []string{}
	for _, w := range flagWords {
		if f&w.flag != 0 {
			words = append(words, w.word)
		}
	}
	return words
}
