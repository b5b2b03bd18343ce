package aws

import (
	"crypto"
	_ "crypto/sha256" // registers SHA-256
	_ "crypto/sha512" // registers SHA-384 and SHA-512
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// openssl3 says how openssl 3.0 verifies each signing algorithm. What it does
// not know is named in unknownToOpenSSL, with the reason.
var openssl3 = map[types.SigningAlgorithmSpec][]string{
	"RSASSA_PKCS1_V1_5_SHA_256": {"pkeyutl", "-verify", "-pkeyopt", "rsa_padding_mode:pkcs1", "-pkeyopt", "digest:sha256"},
	"RSASSA_PKCS1_V1_5_SHA_384": {"pkeyutl", "-verify", "-pkeyopt", "rsa_padding_mode:pkcs1", "-pkeyopt", "digest:sha384"},
	"RSASSA_PKCS1_V1_5_SHA_512": {"pkeyutl", "-verify", "-pkeyopt", "rsa_padding_mode:pkcs1", "-pkeyopt", "digest:sha512"},
	// The salt must be as long as the digest: KMS fixes it, openssl checks it.
	"RSASSA_PSS_SHA_256": {"pkeyutl", "-verify", "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "digest:sha256", "-pkeyopt", "rsa_pss_saltlen:32"},
	"RSASSA_PSS_SHA_384": {"pkeyutl", "-verify", "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "digest:sha384", "-pkeyopt", "rsa_pss_saltlen:48"},
	"RSASSA_PSS_SHA_512": {"pkeyutl", "-verify", "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "digest:sha512", "-pkeyopt", "rsa_pss_saltlen:64"},
	"ECDSA_SHA_256":      {"pkeyutl", "-verify"},
	"ECDSA_SHA_384":      {"pkeyutl", "-verify"},
	"ECDSA_SHA_512":      {"pkeyutl", "-verify"},
	"ED25519_SHA_512":    {"pkeyutl", "-verify", "-rawin"},
}

var unknownToOpenSSL = map[types.SigningAlgorithmSpec]string{
	"ED25519_PH_SHA_512": "openssl 3.0 has no Ed25519ph; internal/engine checks the vectors of RFC 8032 7.3",
	"ML_DSA_SHAKE_256":   "openssl 3.0 has no ML-DSA; internal/engine checks NIST's vectors",
}

// hashOf returns the hash that an algorithm's name ends in.
func hashOf(algorithm types.SigningAlgorithmSpec) crypto.Hash {
	switch {
	case strings.HasSuffix(string(algorithm), "SHA_256"):
		return crypto.SHA256
	case strings.HasSuffix(string(algorithm), "SHA_384"):
		return crypto.SHA384
	}
	return crypto.SHA512
}

// TestSignaturesVerifyWithOpenSSL signs with every algorithm of every spec,
// RAW and DIGEST, and has openssl judge.
func TestSignaturesVerifyWithOpenSSL(t *testing.T) {
	need(t, programs().openssl)
	_, c := setup(t)
	seen := map[types.SigningAlgorithmSpec]bool{}
	for _, spec := range []types.KeySpec{
		"RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519", "ML_DSA_44", "ML_DSA_65", "ML_DSA_87",
	} {
		m := newKey(t, c, spec, types.KeyUsageTypeSignVerify)
		if len(m.SigningAlgorithms) == 0 {
			t.Errorf("%s lists no signing algorithm", spec)
		}
		for _, algorithm := range m.SigningAlgorithms {
			seen[algorithm] = true
			t.Run(fmt.Sprintf("%s/%s", spec, algorithm), func(t *testing.T) { judge(t, c, m, algorithm) })
		}
	}
	for algorithm := range openssl3 {
		if !seen[algorithm] {
			t.Errorf("no key offers %s", algorithm)
		}
	}
}

// judge signs a message in every form that the algorithm takes.
func judge(t *testing.T, c *kms.Client, m *types.KeyMetadata, algorithm types.SigningAlgorithmSpec) {
	message := []byte("a message to be signed\n")
	digest := sum(hashOf(algorithm), message)
	command, known := openssl3[algorithm]
	dir := t.TempDir()
	write(t, dir, "public.der", publicKey(t, c, m.KeyId))
	for form, input := range map[types.MessageType][]byte{"RAW": message, "DIGEST": digest} {
		if !takes(algorithm, form) {
			continue
		}
		out, err := c.Sign(t.Context(), &kms.SignInput{KeyId: m.KeyId, Message: input, MessageType: form, SigningAlgorithm: algorithm})
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		in := &kms.VerifyInput{KeyId: m.KeyId, Message: input, MessageType: form, SigningAlgorithm: algorithm, Signature: out.Signature}
		if v, err := c.Verify(t.Context(), in); err != nil || !v.SignatureValid {
			t.Errorf("%s: Verify: %v", form, err)
		}
		in.Signature = slices.Concat(out.Signature[:len(out.Signature)-1], []byte{out.Signature[len(out.Signature)-1] ^ 1})
		_, err = c.Verify(t.Context(), in)
		refused(t, err, "KMSInvalidSignatureException", "")
		if !known {
			if unknownToOpenSSL[algorithm] == "" {
				t.Fatalf("the test does not say how openssl verifies %s", algorithm)
			}
			continue
		}
		write(t, dir, "sig", out.Signature)
		write(t, dir, "in", digest)
		if algorithm == "ED25519_SHA_512" {
			write(t, dir, "in", message)
		}
		openssl(t, dir, slices.Concat(command, []string{"-pubin", "-inkey", "public.der", "-keyform", "DER", "-in", "in", "-sigfile", "sig"})...)
	}
}

// takes reports whether the API takes messages of the form: pure EdDSA and
// ML-DSA sign messages, the prehashed variants digests.
func takes(algorithm types.SigningAlgorithmSpec, form types.MessageType) bool {
	if algorithm == "ED25519_SHA_512" || algorithm == "ML_DSA_SHAKE_256" {
		return form == types.MessageTypeRaw
	}
	if algorithm == "ED25519_PH_SHA_512" {
		return form == types.MessageTypeDigest
	}
	return true
}

// TestPublicKeysParseWithOpenSSL has openssl print every public key.
func TestPublicKeysParseWithOpenSSL(t *testing.T) {
	need(t, programs().openssl)
	_, c := setup(t)
	for spec, want := range map[types.KeySpec]string{
		"RSA_2048": "(2048 bit)", "RSA_3072": "(3072 bit)", "RSA_4096": "(4096 bit)", "ECC_NIST_P256": "prime256v1", "ECC_NIST_P384": "secp384r1",
		"ECC_NIST_P521": "secp521r1", "ECC_SECG_P256K1": "secp256k1", "ECC_NIST_EDWARDS25519": "ED25519 Public-Key",
	} {
		t.Run(string(spec), func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "public.der", publicKey(t, c, newKey(t, c, spec, types.KeyUsageTypeSignVerify).KeyId))
			if out := openssl(t, dir, "pkey", "-pubin", "-inform", "DER", "-in", "public.der", "-noout", "-text"); !strings.Contains(out, want) {
				t.Errorf("openssl says %q, want %q in it", out, want)
			}
		})
	}
}

// TestCiphertextOfOpenSSL encrypts with the public key, outside, as one does
// to send a secret to someone whose private key stays put.
func TestCiphertextOfOpenSSL(t *testing.T) {
	need(t, programs().openssl)
	_, c := setup(t)
	for _, spec := range []types.KeySpec{"RSA_2048", "RSA_3072", "RSA_4096"} {
		m := newKey(t, c, spec, types.KeyUsageTypeEncryptDecrypt)
		for algorithm, hash := range map[types.EncryptionAlgorithmSpec]string{"RSAES_OAEP_SHA_1": "sha1", "RSAES_OAEP_SHA_256": "sha256"} {
			t.Run(fmt.Sprintf("%s/%s", spec, algorithm), func(t *testing.T) {
				dir := t.TempDir()
				write(t, dir, "public.der", publicKey(t, c, m.KeyId))
				write(t, dir, "in", []byte("from outside"))
				openssl(t, dir, "pkeyutl", "-encrypt", "-pubin", "-inkey", "public.der", "-keyform", "DER", "-in", "in", "-out", "blob",
					"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:"+hash, "-pkeyopt", "rsa_mgf1_md:"+hash)
				blob, err := os.ReadFile(filepath.Join(dir, "blob"))
				if err != nil {
					t.Fatal(err)
				}
				out, err := c.Decrypt(t.Context(), &kms.DecryptInput{KeyId: m.KeyId, CiphertextBlob: blob, EncryptionAlgorithm: algorithm})
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "plaintext", out.Plaintext, []byte("from outside"))
			})
		}
	}
}

func publicKey(t *testing.T, c *kms.Client, id *string) []byte {
	t.Helper()
	out, err := c.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: id})
	if err != nil {
		t.Fatal(err)
	}
	return out.PublicKey
}

func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// openssl runs a command of it in dir and returns what it printed.
func openssl(t *testing.T, dir string, args ...string) string {
	t.Helper()
	tg, _ := setup(t)
	return tg.execute(t, dir, append([]string{"openssl"}, args...)...)
}
