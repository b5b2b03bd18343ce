package gcp

import (
	"slices"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// Cloud KMS's words for what keys are, short enough for a table.
type (
	// Algorithm is what a version of a key does: one thing.
	Algorithm = kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm
	// Purpose is what all versions of a key do.
	Purpose = kmspb.CryptoKey_CryptoKeyPurpose
	// State is that of a version of a key.
	State = kmspb.CryptoKeyVersion_CryptoKeyVersionState
	// Level says what keeps the material of a key.
	Level = kmspb.ProtectionLevel
	// ImportMethod is how material travels to the service.
	ImportMethod = kmspb.ImportJob_ImportMethod
)

// Form is how an algorithm takes what it signs.
type Form uint8

// The forms. The zero Form is that of keys that do not sign.
const (
	// FormDigest is the digest, in the field of its hash.
	FormDigest Form = iota + 1
	// FormData is the message itself.
	FormData
	// FormDigestInfo is the DER that RSASSA-PKCS1-v1_5 signs, as data (RFC 8017
	// section 9.2, note 1).
	FormDigestInfo
	// FormMu is the message representative of ML-DSA, as a digest (FIPS 204
	// algorithm 7, line 6).
	FormMu
)

// Row says what an algorithm of Cloud KMS is in the words of package alg.
type Row struct {
	Algorithm Algorithm
	Purpose   Purpose
	Spec      alg.Spec
	// Does are the algorithms that a key has: several where the service takes
	// what was made of the digest already.
	Does []alg.Algorithm
	Form Form
	// Levels are where such a key can be made; nil for SOFTWARE and HSM.
	Levels []Level
}

// Usage returns what keys of the row are for.
func (r Row) Usage() alg.Usage { return r.Does[0].Info().Usage }

// At reports whether keys of the row can be made at a level.
func (r Row) At(l Level) bool {
	if r.Levels == nil {
		return l == kmspb.ProtectionLevel_SOFTWARE || l == kmspb.ProtectionLevel_HSM
	}
	return slices.Contains(r.Levels, l)
}

// rows returns the table. Where several rows are of one spec and usage the
// first one is what new keys are. Algorithms that are not in it have no like in
// package alg: AES by other modes, HMAC-SHA1, OAEP with SHA-512, key
// encapsulation, SLH-DSA, and keys that are kept outside of Google.
func rows() []Row {
	const (
		encrypt, decrypt = kmspb.CryptoKey_ENCRYPT_DECRYPT, kmspb.CryptoKey_ASYMMETRIC_DECRYPT
		sign, mac        = kmspb.CryptoKey_ASYMMETRIC_SIGN, kmspb.CryptoKey_MAC
	)
	only := func(a ...alg.Algorithm) []alg.Algorithm { return a }
	pkcs1 := only(alg.PKCS1SHA256, alg.PKCS1SHA384, alg.PKCS1SHA512)
	hsm, software := []Level{kmspb.ProtectionLevel_HSM}, []Level{kmspb.ProtectionLevel_SOFTWARE}
	return []Row{
		{kmspb.CryptoKeyVersion_GOOGLE_SYMMETRIC_ENCRYPTION, encrypt, alg.AES256, only(alg.AESGCM), 0, nil},
		{kmspb.CryptoKeyVersion_HMAC_SHA224, mac, alg.HMAC224, only(alg.HMACSHA224), 0, nil},
		{kmspb.CryptoKeyVersion_HMAC_SHA256, mac, alg.HMAC256, only(alg.HMACSHA256), 0, nil},
		{kmspb.CryptoKeyVersion_HMAC_SHA384, mac, alg.HMAC384, only(alg.HMACSHA384), 0, nil},
		{kmspb.CryptoKeyVersion_HMAC_SHA512, mac, alg.HMAC512, only(alg.HMACSHA512), 0, nil},
		{kmspb.CryptoKeyVersion_RSA_SIGN_RAW_PKCS1_2048, sign, alg.RSA2048, pkcs1, FormDigestInfo, nil},
		{kmspb.CryptoKeyVersion_RSA_SIGN_RAW_PKCS1_3072, sign, alg.RSA3072, pkcs1, FormDigestInfo, nil},
		{kmspb.CryptoKeyVersion_RSA_SIGN_RAW_PKCS1_4096, sign, alg.RSA4096, pkcs1, FormDigestInfo, nil},
		{kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_2048_SHA256, sign, alg.RSA2048, only(alg.PKCS1SHA256), FormDigest, nil},
		{kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_3072_SHA256, sign, alg.RSA3072, only(alg.PKCS1SHA256), FormDigest, nil},
		{kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_4096_SHA256, sign, alg.RSA4096, only(alg.PKCS1SHA256), FormDigest, nil},
		{kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_4096_SHA512, sign, alg.RSA4096, only(alg.PKCS1SHA512), FormDigest, nil},
		{kmspb.CryptoKeyVersion_RSA_SIGN_PSS_2048_SHA256, sign, alg.RSA2048, only(alg.PSSSHA256), FormDigest, nil},
		{kmspb.CryptoKeyVersion_RSA_SIGN_PSS_3072_SHA256, sign, alg.RSA3072, only(alg.PSSSHA256), FormDigest, nil},
		{kmspb.CryptoKeyVersion_RSA_SIGN_PSS_4096_SHA256, sign, alg.RSA4096, only(alg.PSSSHA256), FormDigest, nil},
		{kmspb.CryptoKeyVersion_RSA_SIGN_PSS_4096_SHA512, sign, alg.RSA4096, only(alg.PSSSHA512), FormDigest, nil},
		{kmspb.CryptoKeyVersion_RSA_DECRYPT_OAEP_2048_SHA256, decrypt, alg.RSA2048, only(alg.OAEPSHA256), 0, nil},
		{kmspb.CryptoKeyVersion_RSA_DECRYPT_OAEP_3072_SHA256, decrypt, alg.RSA3072, only(alg.OAEPSHA256), 0, nil},
		{kmspb.CryptoKeyVersion_RSA_DECRYPT_OAEP_4096_SHA256, decrypt, alg.RSA4096, only(alg.OAEPSHA256), 0, nil},
		{kmspb.CryptoKeyVersion_RSA_DECRYPT_OAEP_2048_SHA1, decrypt, alg.RSA2048, only(alg.OAEPSHA1), 0, nil},
		{kmspb.CryptoKeyVersion_RSA_DECRYPT_OAEP_3072_SHA1, decrypt, alg.RSA3072, only(alg.OAEPSHA1), 0, nil},
		{kmspb.CryptoKeyVersion_RSA_DECRYPT_OAEP_4096_SHA1, decrypt, alg.RSA4096, only(alg.OAEPSHA1), 0, nil},
		{kmspb.CryptoKeyVersion_EC_SIGN_P256_SHA256, sign, alg.P256, only(alg.ECDSASHA256), FormDigest, nil},
		{kmspb.CryptoKeyVersion_EC_SIGN_P384_SHA384, sign, alg.P384, only(alg.ECDSASHA384), FormDigest, nil},
		{kmspb.CryptoKeyVersion_EC_SIGN_SECP256K1_SHA256, sign, alg.Secp256k1, only(alg.ECDSASHA256), FormDigest, hsm},
		{kmspb.CryptoKeyVersion_EC_SIGN_ED25519, sign, alg.Ed25519, only(alg.Ed25519Pure), FormData, nil},
		// The API's reference does not say where ML-DSA is; Google announced it for
		// keys in software.
		{kmspb.CryptoKeyVersion_PQ_SIGN_ML_DSA_44_EXTERNAL_MU, sign, alg.MLDSA44, only(alg.MLDSAPure), FormMu, software},
		{kmspb.CryptoKeyVersion_PQ_SIGN_ML_DSA_65_EXTERNAL_MU, sign, alg.MLDSA65, only(alg.MLDSAPure), FormMu, software},
		{kmspb.CryptoKeyVersion_PQ_SIGN_ML_DSA_87_EXTERNAL_MU, sign, alg.MLDSA87, only(alg.MLDSAPure), FormMu, software},
		{kmspb.CryptoKeyVersion_PQ_SIGN_ML_DSA_44, sign, alg.MLDSA44, only(alg.MLDSAPure), FormData, software},
		{kmspb.CryptoKeyVersion_PQ_SIGN_ML_DSA_65, sign, alg.MLDSA65, only(alg.MLDSAPure), FormData, software},
		{kmspb.CryptoKeyVersion_PQ_SIGN_ML_DSA_87, sign, alg.MLDSA87, only(alg.MLDSAPure), FormData, software},
	}
}

// Table is the rows, for lookups. It is made once by whoever needs it, and not
// changed after.
type Table struct{ rows []Row }

// NewTable returns the table.
func NewTable() *Table { return &Table{rows()} }

// Rows returns a copy of the rows, in the order of preference for new keys.
func (t *Table) Rows() []Row { return slices.Clone(t.rows) }

// Of returns the row of an algorithm.
func (t *Table) Of(a Algorithm) (Row, bool) {
	return t.first(func(r Row) bool { return r.Algorithm == a })
}

// Choose returns what a new key of a spec and usage is at a level; where want
// is not NoAlgorithm, one that has it.
func (t *Table) Choose(spec alg.Spec, usage alg.Usage, l Level, want alg.Algorithm) (Row, bool) {
	return t.first(func(r Row) bool {
		return r.Spec == spec && r.Usage() == usage && r.At(l) && (want == alg.NoAlgorithm || slices.Contains(r.Does, want))
	})
}

func (t *Table) first(f func(Row) bool) (Row, bool) {
	if i := slices.IndexFunc(t.rows, f); i >= 0 {
		return t.rows[i], true
	}
	return Row{}, false
}

// ParseAlgorithm reads the name of an algorithm, such as
// "EC_SIGN_P256_SHA256". Enums print by their own String.
func ParseAlgorithm(s string) (Algorithm, bool) {
	return parseEnum[Algorithm](kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm_value, s)
}

// ParsePurpose reads the name of a purpose, such as "ASYMMETRIC_SIGN".
func ParsePurpose(s string) (Purpose, bool) {
	return parseEnum[Purpose](kmspb.CryptoKey_CryptoKeyPurpose_value, s)
}

// ParseLevel reads the name of a protection level, such as "HSM".
func ParseLevel(s string) (Level, bool) {
	return parseEnum[Level](kmspb.ProtectionLevel_value, s)
}

// ParseState reads the name of a version's state, such as "DESTROY_SCHEDULED".
func ParseState(s string) (State, bool) {
	return parseEnum[State](kmspb.CryptoKeyVersion_CryptoKeyVersionState_value, s)
}

// parseEnum reads a value of an enum. The zero value is none.
func parseEnum[E ~int32](values map[string]int32, s string) (E, bool) {
	v := values[s]
	return E(v), v != 0
}

// methods are the ways in which material is wrapped, by the bits of the
// service's key. Those by HPKE have no like in package alg.
func methods() map[ImportMethod]struct {
	Wrapping alg.Wrapping
	Bits     int
} {
	type how = struct {
		Wrapping alg.Wrapping
		Bits     int
	}
	return map[ImportMethod]how{
		kmspb.ImportJob_RSA_OAEP_3072_SHA1_AES_256:   {alg.WrapAESKeyWrapSHA1, 3072},
		kmspb.ImportJob_RSA_OAEP_4096_SHA1_AES_256:   {alg.WrapAESKeyWrapSHA1, 4096},
		kmspb.ImportJob_RSA_OAEP_3072_SHA256_AES_256: {alg.WrapAESKeyWrapSHA256, 3072},
		kmspb.ImportJob_RSA_OAEP_4096_SHA256_AES_256: {alg.WrapAESKeyWrapSHA256, 4096},
		kmspb.ImportJob_RSA_OAEP_3072_SHA256:         {alg.WrapOAEPSHA256, 3072},
		kmspb.ImportJob_RSA_OAEP_4096_SHA256:         {alg.WrapOAEPSHA256, 4096},
	}
}

// Wrapping returns how an import method wraps material, and the bits of its
// RSA key; NoWrapping for one that package alg does not have.
func Wrapping(m ImportMethod) (how alg.Wrapping, bits int) {
	row := methods()[m]
	return row.Wrapping, row.Bits
}

// MethodOf returns the import method of a wrapping under a key of so many
// bits, or the unspecified one.
func MethodOf(how alg.Wrapping, bits int) ImportMethod {
	for m, row := range methods() {
		if row.Wrapping == how && row.Bits == bits {
			return m
		}
	}
	return kmspb.ImportJob_IMPORT_METHOD_UNSPECIFIED
}
