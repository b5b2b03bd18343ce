package byok

import (
	"encoding/hex"
	"slices"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/holdfast-kms/holdfast/test/compat/judge"
)

// kind is a sort of key, and how openssl makes one.
type kind struct {
	spec    types.KeySpec
	usage   types.KeyUsageType
	genpkey []string // empty for random bytes
	bytes   int
}

// kinds are the sorts of keys that can be imported over the AWS API.
var kinds = map[string]kind{
	"symmetric":    {"SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", nil, 32},
	"hmac-224":     {"HMAC_224", "GENERATE_VERIFY_MAC", nil, 28},
	"hmac-256":     {"HMAC_256", "GENERATE_VERIFY_MAC", nil, 32},
	"hmac-384":     {"HMAC_384", "GENERATE_VERIFY_MAC", nil, 48},
	"hmac-512":     {"HMAC_512", "GENERATE_VERIFY_MAC", nil, 64},
	"rsa-2048":     {"RSA_2048", "SIGN_VERIFY", []string{"RSA", "-pkeyopt", "rsa_keygen_bits:2048"}, 0},
	"rsa-3072":     {"RSA_3072", "SIGN_VERIFY", []string{"RSA", "-pkeyopt", "rsa_keygen_bits:3072"}, 0},
	"rsa-4096":     {"RSA_4096", "SIGN_VERIFY", []string{"RSA", "-pkeyopt", "rsa_keygen_bits:4096"}, 0},
	"rsa-2048-enc": {"RSA_2048", "ENCRYPT_DECRYPT", []string{"RSA", "-pkeyopt", "rsa_keygen_bits:2048"}, 0},
	"p-256":        {"ECC_NIST_P256", "SIGN_VERIFY", []string{"EC", "-pkeyopt", "ec_paramgen_curve:P-256"}, 0},
	"p-384":        {"ECC_NIST_P384", "SIGN_VERIFY", []string{"EC", "-pkeyopt", "ec_paramgen_curve:P-384"}, 0},
	"p-256-agree":  {"ECC_NIST_P256", "KEY_AGREEMENT", []string{"EC", "-pkeyopt", "ec_paramgen_curve:P-256"}, 0},
	"p-521":        {"ECC_NIST_P521", "SIGN_VERIFY", []string{"EC", "-pkeyopt", "ec_paramgen_curve:P-521"}, 0},
	"secp256k1":    {"ECC_SECG_P256K1", "SIGN_VERIFY", []string{"EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"}, 0},
	"ed25519":      {"ECC_NIST_EDWARDS25519", "SIGN_VERIFY", []string{"ED25519"}, 0},
}

// make has openssl make a key of the kind in the file of dir and returns its
// plain form: random bytes, or PKCS #8 in DER.
func (k kind) make(t *testing.T, dir, file string) []byte {
	t.Helper()
	if k.genpkey == nil {
		judge.OpenSSL(t, dir, "rand", "-out", file, strconv.Itoa(k.bytes))
	} else {
		judge.PKCS8(t, dir, file, k.genpkey...)
	}
	return judge.Read(t, dir, file)
}

// wrapping is a way of encrypting a key under an RSA key.
type wrapping struct {
	hash string // of OAEP; "" for PKCS #1 v1.5
	kwp  bool   // by an AES key in between, RFC 5649
}

var wrappings = map[types.AlgorithmSpec]wrapping{
	"RSAES_PKCS1_V1_5":         {},
	"RSAES_OAEP_SHA_1":         {hash: "sha1"},
	"RSAES_OAEP_SHA_256":       {hash: "sha256"},
	"RSA_AES_KEY_WRAP_SHA_1":   {hash: "sha1", kwp: true},
	"RSA_AES_KEY_WRAP_SHA_256": {hash: "sha256", kwp: true},
}

// padding returns what openssl needs to be told of the padding.
func (w wrapping) padding() []string {
	if w.hash == "" {
		return []string{"-pkeyopt", "rsa_padding_mode:pkcs1"}
	}
	return judge.OAEP(w.hash)
}

// wrap has openssl encrypt a file of dir under a public key (a
// SubjectPublicKeyInfo in DER). Nothing of it is done in this program.
func (w wrapping) wrap(t *testing.T, dir, file string, public []byte) []byte {
	t.Helper()
	judge.Write(t, dir, "wrapping.der", public)
	encrypt := func(in, out string) {
		judge.OpenSSL(t, dir, slices.Concat([]string{"pkeyutl", "-encrypt", "-pubin", "-inkey", "wrapping.der", "-keyform", "DER", "-in", in, "-out", out}, w.padding())...)
	}
	if !w.kwp {
		encrypt(file, "wrapped")
		return judge.Read(t, dir, "wrapped")
	}
	judge.OpenSSL(t, dir, "rand", "-out", "aes", "32")
	judge.OpenSSL(t, dir, "enc", "-id-aes256-wrap-pad", "-iv", "A65959A6", "-K", hex.EncodeToString(judge.Read(t, dir, "aes")), "-in", file, "-out", "kwp")
	encrypt("aes", "aes.wrapped")
	return slices.Concat(judge.Read(t, dir, "aes.wrapped"), judge.Read(t, dir, "kwp"))
}

// unwrap is the inverse with the private key in the file key of dir: the
// recipient's side, by openssl.
func (w wrapping) unwrap(t *testing.T, dir, key string, modulus int, wrapped []byte) []byte {
	t.Helper()
	decrypt := func(in []byte, out string) {
		judge.Write(t, dir, "in", in)
		judge.OpenSSL(t, dir, slices.Concat([]string{"pkeyutl", "-decrypt", "-inkey", key, "-in", "in", "-out", out}, w.padding())...)
	}
	if !w.kwp {
		decrypt(wrapped, "plain")
		return judge.Read(t, dir, "plain")
	}
	decrypt(wrapped[:modulus], "aes")
	judge.Write(t, dir, "in", wrapped[modulus:])
	judge.OpenSSL(t, dir, "enc", "-d", "-id-aes256-wrap-pad", "-iv", "A65959A6", "-K", hex.EncodeToString(judge.Read(t, dir, "aes")), "-in", "in", "-out", "plain")
	return judge.Read(t, dir, "plain")
}
