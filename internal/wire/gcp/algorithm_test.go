package gcp

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// TestTable is every algorithm of Cloud KMS, and what it is here: "" for those
// that have no like.
func TestTable(t *testing.T) {
	const pkcs1 = " rsa-pkcs1-sha256 rsa-pkcs1-sha384 rsa-pkcs1-sha512 info"
	want := map[string]string{
		"GOOGLE_SYMMETRIC_ENCRYPTION": "ENCRYPT_DECRYPT aes-256 aes-256-gcm",
		"AES_128_GCM":                 "", "AES_256_GCM": "", "AES_128_CBC": "", "AES_256_CBC": "", "AES_128_CTR": "", "AES_256_CTR": "",
		"RSA_SIGN_PSS_2048_SHA256":      "ASYMMETRIC_SIGN rsa-2048 rsa-pss-sha256 digest",
		"RSA_SIGN_PSS_3072_SHA256":      "ASYMMETRIC_SIGN rsa-3072 rsa-pss-sha256 digest",
		"RSA_SIGN_PSS_4096_SHA256":      "ASYMMETRIC_SIGN rsa-4096 rsa-pss-sha256 digest",
		"RSA_SIGN_PSS_4096_SHA512":      "ASYMMETRIC_SIGN rsa-4096 rsa-pss-sha512 digest",
		"RSA_SIGN_PKCS1_2048_SHA256":    "ASYMMETRIC_SIGN rsa-2048 rsa-pkcs1-sha256 digest",
		"RSA_SIGN_PKCS1_3072_SHA256":    "ASYMMETRIC_SIGN rsa-3072 rsa-pkcs1-sha256 digest",
		"RSA_SIGN_PKCS1_4096_SHA256":    "ASYMMETRIC_SIGN rsa-4096 rsa-pkcs1-sha256 digest",
		"RSA_SIGN_PKCS1_4096_SHA512":    "ASYMMETRIC_SIGN rsa-4096 rsa-pkcs1-sha512 digest",
		"RSA_SIGN_RAW_PKCS1_2048":       "ASYMMETRIC_SIGN rsa-2048" + pkcs1,
		"RSA_SIGN_RAW_PKCS1_3072":       "ASYMMETRIC_SIGN rsa-3072" + pkcs1,
		"RSA_SIGN_RAW_PKCS1_4096":       "ASYMMETRIC_SIGN rsa-4096" + pkcs1,
		"RSA_DECRYPT_OAEP_2048_SHA256":  "ASYMMETRIC_DECRYPT rsa-2048 rsa-oaep-sha256",
		"RSA_DECRYPT_OAEP_3072_SHA256":  "ASYMMETRIC_DECRYPT rsa-3072 rsa-oaep-sha256",
		"RSA_DECRYPT_OAEP_4096_SHA256":  "ASYMMETRIC_DECRYPT rsa-4096 rsa-oaep-sha256",
		"RSA_DECRYPT_OAEP_4096_SHA512":  "",
		"RSA_DECRYPT_OAEP_2048_SHA1":    "ASYMMETRIC_DECRYPT rsa-2048 rsa-oaep-sha1",
		"RSA_DECRYPT_OAEP_3072_SHA1":    "ASYMMETRIC_DECRYPT rsa-3072 rsa-oaep-sha1",
		"RSA_DECRYPT_OAEP_4096_SHA1":    "ASYMMETRIC_DECRYPT rsa-4096 rsa-oaep-sha1",
		"EC_SIGN_P256_SHA256":           "ASYMMETRIC_SIGN p-256 ecdsa-sha256 digest",
		"EC_SIGN_P384_SHA384":           "ASYMMETRIC_SIGN p-384 ecdsa-sha384 digest",
		"EC_SIGN_SECP256K1_SHA256":      "ASYMMETRIC_SIGN secp256k1 ecdsa-sha256 digest HSM",
		"EC_SIGN_ED25519":               "ASYMMETRIC_SIGN ed25519 ed25519 data",
		"HMAC_SHA1":                     "",
		"HMAC_SHA224":                   "MAC hmac-224 hmac-sha224",
		"HMAC_SHA256":                   "MAC hmac-256 hmac-sha256",
		"HMAC_SHA384":                   "MAC hmac-384 hmac-sha384",
		"HMAC_SHA512":                   "MAC hmac-512 hmac-sha512",
		"EXTERNAL_SYMMETRIC_ENCRYPTION": "", "ML_KEM_768": "", "ML_KEM_1024": "", "KEM_XWING": "", "AES_256_KWP": "",
		"PQ_SIGN_ML_DSA_44":             "ASYMMETRIC_SIGN ml-dsa-44 ml-dsa data SOFTWARE",
		"PQ_SIGN_ML_DSA_65":             "ASYMMETRIC_SIGN ml-dsa-65 ml-dsa data SOFTWARE",
		"PQ_SIGN_ML_DSA_87":             "ASYMMETRIC_SIGN ml-dsa-87 ml-dsa data SOFTWARE",
		"PQ_SIGN_ML_DSA_44_EXTERNAL_MU": "ASYMMETRIC_SIGN ml-dsa-44 ml-dsa mu SOFTWARE",
		"PQ_SIGN_ML_DSA_65_EXTERNAL_MU": "ASYMMETRIC_SIGN ml-dsa-65 ml-dsa mu SOFTWARE",
		"PQ_SIGN_ML_DSA_87_EXTERNAL_MU": "ASYMMETRIC_SIGN ml-dsa-87 ml-dsa mu SOFTWARE",
		"PQ_SIGN_SLH_DSA_SHA2_128S":     "", "PQ_SIGN_HASH_SLH_DSA_SHA2_128S_SHA256": "",
	}
	table := NewTable()
	got := map[string]string{}
	for name := range maps.Keys(kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm_value) {
		if name == "CRYPTO_KEY_VERSION_ALGORITHM_UNSPECIFIED" {
			continue
		}
		a, ok := ParseAlgorithm(name)
		if !ok || a.String() != name {
			t.Errorf("%s is read as %s", name, a)
		}
		row, ok := table.Of(a)
		if got[name] = ""; ok {
			got[name] = describe(row)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(table.Rows()); n != 32 {
		t.Errorf("the table has %d rows", n)
	}
}

func describe(r Row) string {
	words := []string{r.Purpose.String(), r.Spec.String()}
	for _, a := range r.Does {
		words = append(words, a.String())
	}
	if r.Form != 0 {
		words = append(words, map[Form]string{FormDigest: "digest", FormData: "data", FormDigestInfo: "info", FormMu: "mu"}[r.Form])
	}
	for _, l := range r.Levels {
		words = append(words, l.String())
	}
	return strings.Join(words, " ")
}

// TestRows: what a row has is a key's of the spec, for one usage, and signs if
// it has a form.
func TestRows(t *testing.T) {
	for _, r := range NewTable().Rows() {
		for _, a := range r.Does {
			if !r.Spec.Has(a) || a.Info().Usage != r.Usage() {
				t.Errorf("%s: %s", r.Algorithm, a)
			}
		}
		if (r.Form != 0) != (r.Usage() == alg.SignVerify) {
			t.Errorf("%s: form %d", r.Algorithm, r.Form)
		}
	}
}

// TestChoose is what new keys are.
func TestChoose(t *testing.T) {
	const software, hsm = kmspb.ProtectionLevel_SOFTWARE, kmspb.ProtectionLevel_HSM
	for _, tt := range []struct {
		spec  alg.Spec
		usage alg.Usage
		level Level
		with  alg.Algorithm
		want  string
	}{
		{alg.AES256, alg.EncryptDecrypt, software, 0, "GOOGLE_SYMMETRIC_ENCRYPTION"},
		{alg.RSA2048, alg.SignVerify, software, 0, "RSA_SIGN_RAW_PKCS1_2048"},
		{alg.RSA2048, alg.SignVerify, hsm, alg.PKCS1SHA384, "RSA_SIGN_RAW_PKCS1_2048"},
		{alg.RSA3072, alg.SignVerify, software, alg.PSSSHA256, "RSA_SIGN_PSS_3072_SHA256"},
		{alg.RSA3072, alg.SignVerify, software, alg.PSSSHA512, ""},
		{alg.RSA4096, alg.SignVerify, hsm, alg.PSSSHA512, "RSA_SIGN_PSS_4096_SHA512"},
		{alg.RSA4096, alg.SignVerify, hsm, alg.PSSSHA384, ""},
		{alg.RSA4096, alg.EncryptDecrypt, software, 0, "RSA_DECRYPT_OAEP_4096_SHA256"},
		{alg.RSA4096, alg.EncryptDecrypt, software, alg.OAEPSHA1, "RSA_DECRYPT_OAEP_4096_SHA1"},
		{alg.RSA2048, alg.KeyTransfer, software, 0, ""},
		{alg.Secp256k1, alg.SignVerify, hsm, 0, "EC_SIGN_SECP256K1_SHA256"},
		{alg.Secp256k1, alg.SignVerify, software, 0, ""},
		{alg.P521, alg.SignVerify, hsm, 0, ""},
		{alg.MLDSA65, alg.SignVerify, software, 0, "PQ_SIGN_ML_DSA_65_EXTERNAL_MU"},
		{alg.MLDSA65, alg.SignVerify, hsm, 0, ""},
		{alg.P256, alg.SignVerify, kmspb.ProtectionLevel_EXTERNAL, 0, ""},
	} {
		row, ok := NewTable().Choose(tt.spec, tt.usage, tt.level, tt.with)
		if ok != (tt.want != "") || ok && row.Algorithm.String() != tt.want {
			t.Errorf("%s for %s at %s with %q: %s", tt.spec, tt.usage, tt.level, tt.with, row.Algorithm)
		}
	}
}

// TestWords: the other words print and parse, and the zero ones do not.
func TestWords(t *testing.T) {
	for _, name := range slices.Collect(maps.Keys(kmspb.CryptoKey_CryptoKeyPurpose_value)) {
		if p, ok := ParsePurpose(name); p.String() != name || ok != (p != 0) {
			t.Errorf("purpose %s is read as %s", name, p)
		}
	}
	for _, name := range slices.Collect(maps.Keys(kmspb.ProtectionLevel_value)) {
		if l, ok := ParseLevel(name); l.String() != name || ok != (l != 0) {
			t.Errorf("level %s is read as %s", name, l)
		}
	}
	for _, name := range slices.Collect(maps.Keys(kmspb.CryptoKeyVersion_CryptoKeyVersionState_value)) {
		if s, ok := ParseState(name); s.String() != name || ok != (s != 0) {
			t.Errorf("state %s is read as %s", name, s)
		}
	}
	for _, bad := range []string{"", "hsm", "HSM ", "nothing"} {
		if _, ok := ParseLevel(bad); ok {
			t.Errorf("%q is a level", bad)
		}
	}
}

// TestMethods is how material travels by each import method.
func TestMethods(t *testing.T) {
	want := map[string]string{
		"RSA_OAEP_3072_SHA1_AES_256": "rsa-aes-key-wrap-sha1", "RSA_OAEP_4096_SHA1_AES_256": "rsa-aes-key-wrap-sha1",
		"RSA_OAEP_3072_SHA256_AES_256": "rsa-aes-key-wrap-sha256", "RSA_OAEP_4096_SHA256_AES_256": "rsa-aes-key-wrap-sha256",
		"RSA_OAEP_3072_SHA256": "rsa-oaep-sha256", "RSA_OAEP_4096_SHA256": "rsa-oaep-sha256",
	}
	for name, value := range kmspb.ImportJob_ImportMethod_value {
		m := ImportMethod(value)
		how, bits := Wrapping(m)
		if how.String() != want[name] || (bits == 0) != (want[name] == "") {
			t.Errorf("%s: %s, %d bits, want %s", name, how, bits, want[name])
		}
		if bits != 0 && (MethodOf(how, bits) != m || !strings.Contains(name, map[int]string{3072: "3072", 4096: "4096"}[bits])) {
			t.Errorf("%s with %d bits is read back as %s", how, bits, MethodOf(how, bits))
		}
	}
	if m := MethodOf(alg.WrapPKCS1, 3072); m != 0 {
		t.Errorf("there is a method %s", m)
	}
}

// TestCRC32C has the examples of RFC 3720 section B.4 and the catalogue's check
// value.
func TestCRC32C(t *testing.T) {
	up, down := make([]byte, 32), make([]byte, 32)
	for i := range up {
		up[i], down[i] = byte(i), byte(31-i)
	}
	for want, data := range map[int64][]byte{
		0: nil, 0xe3069283: []byte("123456789"), 0x8a9136aa: make([]byte, 32), 0x46dd794e: up, 0x113fdb5c: down,
	} {
		if got := CRC32C(data); got.GetValue() != want || !Intact(data, got) {
			t.Errorf("%x: %x, want %x", data, got.GetValue(), want)
		}
		wrong := CRC32C(data)
		wrong.Value ^= 1
		if Intact(data, nil) || Intact(data, wrong) {
			t.Errorf("%x: another checksum is taken for its own", data)
		}
	}
}
