// Package mechanism says what each mechanism of PKCS #11 (OASIS, version 2.40)
// is in Holdfast's own algorithms: which of them signs or decrypts, over what,
// and how the two write signatures. What needs only a public key (verification,
// encryption) is done here.
//
// Start with List, NewSignature and NewEncryption. The package is internal and
// may change with any release.
package mechanism

import (
	"crypto"
	_ "crypto/sha1" //nolint:gosec // CKM_SHA_1 and what uses it, which applications still ask for
	_ "crypto/sha256"
	_ "crypto/sha512"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Key is what a mechanism has to know of the key that it is used with.
type Key struct {
	Type pkcs11.KeyType
	// Spec is the key's; alg.NoSpec for those of which the table has none, such as
	// a secret of 20 bytes.
	Spec alg.Spec
	// Bits is the size of the modulus, of the curve or of the secret.
	Bits int
}

// bytes returns the size in bytes.
func (k Key) bytes() int { return (k.Bits + 7) / 8 }

// method is what a mechanism does.
type method uint8

const (
	generate method = iota + 1
	digest
	rsaPKCS1
	rsaPSS
	rsaOAEP
	rsaRaw
	ecdsaDER
	edDSA
	mac
	aesMode
	agreement
)

// row is a mechanism of the table.
type row struct {
	kind     pkcs11.MechanismType
	method   method
	hash     crypto.Hash // of the message, where the mechanism hashes it
	key      pkcs11.KeyType
	min, max uint64 // the key's size: bits, or bytes of AES and secrets
	flags    pkcs11.MechanismFlags
	mode     alg.Algorithm // of AES
}

const (
	signs    = pkcs11.CanSign | pkcs11.CanVerify
	encrypts = pkcs11.CanEncrypt | pkcs11.CanDecrypt
	wraps    = pkcs11.CanWrap | pkcs11.CanUnwrap
	curves   = pkcs11.CanECPrimeField | pkcs11.CanECNamedCurve | pkcs11.CanECUncompressed
	noHash   = crypto.Hash(0)
)

// MaxSecret is the longest secret key in bytes.
const MaxSecret = 512

var rows = []row{
	{pkcs11.MechRSAPKCSKeyPairGen, generate, noHash, pkcs11.KeyRSA, 2048, 4096, pkcs11.CanGenerateKeyPair, 0},
	{pkcs11.MechRSAPKCS, rsaPKCS1, noHash, pkcs11.KeyRSA, 2048, 4096, signs | encrypts | wraps, 0},
	{pkcs11.MechSHA1RSAPKCS, rsaPKCS1, crypto.SHA1, pkcs11.KeyRSA, 2048, 4096, signs, 0},
	{pkcs11.MechSHA224RSAPKCS, rsaPKCS1, crypto.SHA224, pkcs11.KeyRSA, 2048, 4096, signs, 0},
	{pkcs11.MechSHA256RSAPKCS, rsaPKCS1, crypto.SHA256, pkcs11.KeyRSA, 2048, 4096, signs, 0},
	{pkcs11.MechSHA384RSAPKCS, rsaPKCS1, crypto.SHA384, pkcs11.KeyRSA, 2048, 4096, signs, 0},
	{pkcs11.MechSHA512RSAPKCS, rsaPKCS1, crypto.SHA512, pkcs11.KeyRSA, 2048, 4096, signs, 0},
	{pkcs11.MechRSAPKCSPSS, rsaPSS, noHash, pkcs11.KeyRSA, 2048, 4096, signs, 0},
	{pkcs11.MechSHA1RSAPKCSPSS, rsaPSS, crypto.SHA1, pkcs11.KeyRSA, 2048, 4096, signs, 0},
	{pkcs11.MechSHA224RSAPKCSPSS, rsaPSS, crypto.SHA224, pkcs11.KeyRSA, 2048, 4096, signs, 0},
	{pkcs11.MechSHA256RSAPKCSPSS, rsaPSS, crypto.SHA256, pkcs11.KeyRSA, 2048, 4096, signs, 0},
	{pkcs11.MechSHA384RSAPKCSPSS, rsaPSS, crypto.SHA384, pkcs11.KeyRSA, 2048, 4096, signs, 0},
	{pkcs11.MechSHA512RSAPKCSPSS, rsaPSS, crypto.SHA512, pkcs11.KeyRSA, 2048, 4096, signs, 0},
	{pkcs11.MechRSAPKCSOAEP, rsaOAEP, noHash, pkcs11.KeyRSA, 2048, 4096, encrypts | wraps, 0},
	{pkcs11.MechRSAX509, rsaRaw, noHash, pkcs11.KeyRSA, 2048, 4096, signs | encrypts, 0},
	{pkcs11.MechECKeyPairGen, generate, noHash, pkcs11.KeyEC, 256, 521, pkcs11.CanGenerateKeyPair | curves, 0},
	{pkcs11.MechECDSA, ecdsaDER, noHash, pkcs11.KeyEC, 256, 521, signs | curves, 0},
	{pkcs11.MechECDSASHA1, ecdsaDER, crypto.SHA1, pkcs11.KeyEC, 256, 521, signs | curves, 0},
	{pkcs11.MechECDSASHA224, ecdsaDER, crypto.SHA224, pkcs11.KeyEC, 256, 521, signs | curves, 0},
	{pkcs11.MechECDSASHA256, ecdsaDER, crypto.SHA256, pkcs11.KeyEC, 256, 521, signs | curves, 0},
	{pkcs11.MechECDSASHA384, ecdsaDER, crypto.SHA384, pkcs11.KeyEC, 256, 521, signs | curves, 0},
	{pkcs11.MechECDSASHA512, ecdsaDER, crypto.SHA512, pkcs11.KeyEC, 256, 521, signs | curves, 0},
	{pkcs11.MechECDH1Derive, agreement, noHash, pkcs11.KeyEC, 256, 521, pkcs11.CanDerive | curves, 0},
	{pkcs11.MechECEdwardsKeyPairGen, generate, noHash, pkcs11.KeyECEdwards, 256, 256, pkcs11.CanGenerateKeyPair | curves, 0},
	{pkcs11.MechEdDSA, edDSA, noHash, pkcs11.KeyECEdwards, 256, 256, signs | curves, 0},
	{pkcs11.MechAESKeyGen, generate, noHash, pkcs11.KeyAES, 16, 32, pkcs11.CanGenerate, 0},
	{pkcs11.MechAESCBC, aesMode, noHash, pkcs11.KeyAES, 16, 32, encrypts, alg.AESCBC},
	{pkcs11.MechAESCBCPad, aesMode, noHash, pkcs11.KeyAES, 16, 32, encrypts | wraps, alg.AESCBCPad},
	{pkcs11.MechAESCTR, aesMode, noHash, pkcs11.KeyAES, 16, 32, encrypts, alg.AESCTR},
	{pkcs11.MechAESGCM, aesMode, noHash, pkcs11.KeyAES, 16, 32, encrypts, alg.AESGCMRaw},
	{pkcs11.MechAESKeyWrap, aesMode, noHash, pkcs11.KeyAES, 16, 32, encrypts | wraps, alg.AESKW},
	{pkcs11.MechAESKeyWrapPad, aesMode, noHash, pkcs11.KeyAES, 16, 32, encrypts | wraps, alg.AESKWP},
	{pkcs11.MechAESKeyWrapKWP, aesMode, noHash, pkcs11.KeyAES, 16, 32, encrypts | wraps, alg.AESKWP},
	{pkcs11.MechGenericSecretKeyGen, generate, noHash, pkcs11.KeyGenericSecret, 1, MaxSecret, pkcs11.CanGenerate, 0},
	{pkcs11.MechSHA1HMAC, mac, crypto.SHA1, pkcs11.KeyGenericSecret, 1, MaxSecret, signs, 0},
	{pkcs11.MechSHA224HMAC, mac, crypto.SHA224, pkcs11.KeyGenericSecret, 1, MaxSecret, signs, 0},
	{pkcs11.MechSHA256HMAC, mac, crypto.SHA256, pkcs11.KeyGenericSecret, 1, MaxSecret, signs, 0},
	{pkcs11.MechSHA384HMAC, mac, crypto.SHA384, pkcs11.KeyGenericSecret, 1, MaxSecret, signs, 0},
	{pkcs11.MechSHA512HMAC, mac, crypto.SHA512, pkcs11.KeyGenericSecret, 1, MaxSecret, signs, 0},
	{pkcs11.MechSHA1, digest, crypto.SHA1, 0, 0, 0, pkcs11.CanDigest, 0},
	{pkcs11.MechSHA224, digest, crypto.SHA224, 0, 0, 0, pkcs11.CanDigest, 0},
	{pkcs11.MechSHA256, digest, crypto.SHA256, 0, 0, 0, pkcs11.CanDigest, 0},
	{pkcs11.MechSHA384, digest, crypto.SHA384, 0, 0, 0, pkcs11.CanDigest, 0},
	{pkcs11.MechSHA512, digest, crypto.SHA512, 0, 0, 0, pkcs11.CanDigest, 0},
}

// List returns every mechanism (C_GetMechanismList).
func List() []pkcs11.MechanismType {
	list := make([]pkcs11.MechanismType, len(rows))
	for i, r := range rows {
		list[i] = r.kind
	}
	return list
}

// Info says what a mechanism is for (C_GetMechanismInfo). What keys do is done
// by the token and not by the module (CKF_HW), for which programs look.
func Info(t pkcs11.MechanismType) (pkcs11.MechanismInfo, bool) {
	r, ok := find(t)
	info := pkcs11.MechanismInfo{Type: r.kind, Min: r.min, Max: r.max, Flags: r.flags}
	if ok && r.method != digest {
		info.Flags |= pkcs11.CanHW
	}
	return info, ok
}

// Digest returns the hash of a mechanism that digests.
func Digest(t pkcs11.MechanismType) (crypto.Hash, bool) {
	r, ok := find(t)
	return r.hash, ok && r.method == digest
}

// Generates returns the type of the keys that a mechanism generates.
func Generates(t pkcs11.MechanismType) (pkcs11.KeyType, bool) {
	r, ok := find(t)
	return r.key, ok && r.method == generate
}

// Allowed returns the mechanisms that a key of a type is for which may be used
// so.
func Allowed(t pkcs11.KeyType, can pkcs11.MechanismFlags) []pkcs11.MechanismType {
	var list []pkcs11.MechanismType
	for _, r := range rows {
		if r.key == t && r.flags&can != 0 {
			list = append(list, r.kind)
		}
	}
	return list
}

func find(t pkcs11.MechanismType) (row, bool) {
	for i := range rows {
		if rows[i].kind == t {
			return rows[i], true
		}
	}
	return row{}, false
}

// lookup returns the row of a mechanism that can do something with a key.
func lookup(t pkcs11.MechanismType, can pkcs11.MechanismFlags, k Key) (row, error) {
	r, ok := find(t)
	switch {
	case !ok, r.flags&can == 0:
		return row{}, pkcs11.RVMechanismInvalid
	case r.key != k.Type:
		return row{}, pkcs11.RVKeyTypeInconsistent
	}
	return r, nil
}

// hashOf returns the hash that a parameter names.
func hashOf(t pkcs11.MechanismType) crypto.Hash {
	h, _ := Digest(t)
	return h
}

// mgfOf returns the mask generation function of a hash.
func mgfOf(h crypto.Hash) pkcs11.MGF {
	switch h {
	case crypto.SHA1:
		return pkcs11.MGF1SHA1
	case crypto.SHA224:
		return pkcs11.MGF1SHA224
	case crypto.SHA256:
		return pkcs11.MGF1SHA256
	case crypto.SHA384:
		return pkcs11.MGF1SHA384
	default:
		return pkcs11.MGF1SHA512
	}
}

// named returns the algorithm of a scheme and a hash.
func named(scheme alg.Scheme, h crypto.Hash) (alg.Algorithm, bool) {
	for _, list := range [...][]alg.Algorithm{alg.Algorithms(), alg.FurtherAlgorithms()} {
		for _, a := range list {
			if info := a.Info(); info.Scheme == scheme && info.Hash == h {
				return a, true
			}
		}
	}
	return alg.NoAlgorithm, false
}
