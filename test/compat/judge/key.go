package judge

import (
	"crypto"
	_ "crypto/sha256" // registers SHA-256
	_ "crypto/sha512" // registers SHA-384 and SHA-512
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// Message is what the keys sign and encrypt.
var Message = []byte("made elsewhere, used here\n")

// Key uses a key of the server in every way that it has, and holds the results
// against openssl. Plain is the key's plain form, where it is known (random
// bytes, or PKCS #8 in DER), nil where only the server has it.
func Key(t testing.TB, c *kms.Client, id string, plain []byte) {
	t.Helper()
	out, err := c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &id})
	if err != nil {
		t.Fatal(err)
	}
	j := &judged{TB: t, Client: c, id: &id, dir: t.TempDir()}
	m := out.KeyMetadata
	switch {
	case m.KeySpec == types.KeySpecSymmetricDefault:
		j.symmetric()
	case m.KeyUsage == types.KeyUsageTypeGenerateVerifyMac:
		j.codes(m.MacAlgorithms, plain)
	default:
		j.public(plain)
		for _, algorithm := range m.SigningAlgorithms {
			j.signature(algorithm)
		}
		for _, algorithm := range m.EncryptionAlgorithms {
			j.encryption(algorithm)
		}
		if len(m.KeyAgreementAlgorithms) > 0 {
			j.agreement(m.KeySpec)
		}
	}
}

// judged is one key in a folder of its own: public.der, and private.der where
// the plain form is known.
type judged struct {
	testing.TB
	*kms.Client

	id      *string
	dir     string
	private bool
}

func (j *judged) openssl(args ...string) { j.Helper(); OpenSSL(j.TB, j.dir, args...) }

// symmetric has nobody to ask but the server: its ciphertexts are its own.
func (j *judged) symmetric() {
	j.Helper()
	sealed, err := j.Encrypt(j.Context(), &kms.EncryptInput{KeyId: j.id, Plaintext: Message})
	if err != nil {
		j.Fatal(err)
	}
	opened, err := j.Decrypt(j.Context(), &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	if err != nil {
		j.Fatal(err)
	}
	Equal(j.TB, "plaintext", opened.Plaintext, Message)
}

func (j *judged) codes(algorithms []types.MacAlgorithmSpec, plain []byte) {
	j.Helper()
	for _, algorithm := range algorithms {
		out, err := j.GenerateMac(j.Context(), &kms.GenerateMacInput{KeyId: j.id, Message: Message, MacAlgorithm: algorithm})
		if err != nil {
			j.Fatal(err)
		}
		if _, err := j.VerifyMac(j.Context(), &kms.VerifyMacInput{KeyId: j.id, Message: Message, MacAlgorithm: algorithm, Mac: out.Mac}); err != nil {
			j.Error(err)
		}
		if plain == nil {
			continue
		}
		hash := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(string(algorithm), "HMAC_"), "_", ""))
		Write(j.TB, j.dir, "message", Message)
		j.openssl("dgst", "-"+hash, "-mac", "HMAC", "-macopt", "hexkey:"+hex.EncodeToString(plain), "-binary", "-out", "mac", "message")
		Equal(j.TB, string(algorithm), out.Mac, Read(j.TB, j.dir, "mac"))
	}
}

// public compares the public halves, byte by byte.
func (j *judged) public(plain []byte) {
	j.Helper()
	out, err := j.GetPublicKey(j.Context(), &kms.GetPublicKeyInput{KeyId: j.id})
	if err != nil {
		j.Fatal(err)
	}
	Write(j.TB, j.dir, "public.der", out.PublicKey)
	j.openssl("pkey", "-pubin", "-inform", "DER", "-in", "public.der", "-noout")
	if plain == nil {
		return
	}
	j.private = true
	Write(j.TB, j.dir, "private.der", plain)
	j.openssl("pkey", "-in", "private.der", "-inform", "DER", "-pubout", "-outform", "DER", "-out", "theirs.der")
	Equal(j.TB, "public key", out.PublicKey, Read(j.TB, j.dir, "theirs.der"))
}

// hashOf returns the hash that an algorithm's name ends in, and openssl's name
// of it.
func hashOf(algorithm types.SigningAlgorithmSpec) (crypto.Hash, string) {
	switch {
	case strings.HasSuffix(string(algorithm), "SHA_256"):
		return crypto.SHA256, "sha256"
	case strings.HasSuffix(string(algorithm), "SHA_384"):
		return crypto.SHA384, "sha384"
	}
	return crypto.SHA512, "sha512"
}

// options returns what openssl's pkeyutl needs to be told of an algorithm.
func options(algorithm types.SigningAlgorithmSpec) []string {
	hash, name := hashOf(algorithm)
	switch {
	case strings.HasPrefix(string(algorithm), "RSASSA_PKCS1"):
		return []string{"-pkeyopt", "rsa_padding_mode:pkcs1", "-pkeyopt", "digest:" + name}
	case strings.HasPrefix(string(algorithm), "RSASSA_PSS"):
		return []string{"-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "digest:" + name, "-pkeyopt", fmt.Sprint("rsa_pss_saltlen:", hash.Size())}
	case algorithm == types.SigningAlgorithmSpecEd25519Sha512:
		return []string{"-rawin"}
	}
	return nil
}

// signature has openssl verify a signature, and make the same one where the
// algorithm leaves nothing to chance and the key is known.
func (j *judged) signature(algorithm types.SigningAlgorithmSpec) {
	j.Helper()
	if algorithm == types.SigningAlgorithmSpecEd25519PhSha512 {
		return // unknown to openssl 3.0; the pure form is judged
	}
	input, form := Message, types.MessageTypeRaw
	if algorithm != types.SigningAlgorithmSpecEd25519Sha512 {
		hash, _ := hashOf(algorithm)
		h := hash.New()
		_, _ = h.Write(Message) // a hash takes everything
		input, form = h.Sum(nil), types.MessageTypeDigest
	}
	out, err := j.Sign(j.Context(), &kms.SignInput{KeyId: j.id, Message: input, MessageType: form, SigningAlgorithm: algorithm})
	if err != nil {
		j.Fatalf("%s: %v", algorithm, err)
	}
	Write(j.TB, j.dir, "in", input)
	Write(j.TB, j.dir, "signature", out.Signature)
	j.openssl(slices.Concat([]string{"pkeyutl", "-verify", "-pubin", "-inkey", "public.der", "-keyform", "DER", "-in", "in", "-sigfile", "signature"}, options(algorithm))...)
	if j.private && (strings.HasPrefix(string(algorithm), "RSASSA_PKCS1") || strings.HasPrefix(string(algorithm), "ED25519")) {
		j.openssl(slices.Concat([]string{"pkeyutl", "-sign", "-inkey", "private.der", "-keyform", "DER", "-in", "in", "-out", "same"}, options(algorithm))...)
		Equal(j.TB, string(algorithm), out.Signature, Read(j.TB, j.dir, "same"))
	}
}

// encryption has each side decrypt what the other one encrypted.
func (j *judged) encryption(algorithm types.EncryptionAlgorithmSpec) {
	j.Helper()
	padding := OAEP("sha1")
	if strings.HasSuffix(string(algorithm), "256") {
		padding = OAEP("sha256")
	}
	Write(j.TB, j.dir, "in", Message)
	j.openssl(slices.Concat([]string{"pkeyutl", "-encrypt", "-pubin", "-inkey", "public.der", "-keyform", "DER", "-in", "in", "-out", "ciphertext"}, padding)...)
	j.decrypts(algorithm, Read(j.TB, j.dir, "ciphertext"))

	out, err := j.Encrypt(j.Context(), &kms.EncryptInput{KeyId: j.id, Plaintext: Message, EncryptionAlgorithm: algorithm})
	if err != nil {
		j.Fatal(err)
	}
	j.decrypts(algorithm, out.CiphertextBlob)
	if j.private {
		Write(j.TB, j.dir, "ciphertext", out.CiphertextBlob)
		j.openssl(slices.Concat([]string{"pkeyutl", "-decrypt", "-inkey", "private.der", "-keyform", "DER", "-in", "ciphertext", "-out", "plaintext"}, padding)...)
		Equal(j.TB, string(algorithm)+", opened by openssl", Read(j.TB, j.dir, "plaintext"), Message)
	}
}

func (j *judged) decrypts(algorithm types.EncryptionAlgorithmSpec, ciphertext []byte) {
	j.Helper()
	out, err := j.Decrypt(j.Context(), &kms.DecryptInput{KeyId: j.id, CiphertextBlob: ciphertext, EncryptionAlgorithm: algorithm})
	if err != nil {
		j.Fatalf("%s: %v", algorithm, err)
	}
	Equal(j.TB, string(algorithm), out.Plaintext, Message)
}

// agreement has openssl make the other side, and come to the same secret.
func (j *judged) agreement(spec types.KeySpec) {
	j.Helper()
	curve := "P-" + strings.TrimPrefix(string(spec), "ECC_NIST_P")
	j.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:"+curve, "-out", "peer.pem")
	j.openssl("pkey", "-in", "peer.pem", "-pubout", "-outform", "DER", "-out", "peer.der")
	j.openssl("pkeyutl", "-derive", "-inkey", "peer.pem", "-peerkey", "public.der", "-peerform", "DER", "-out", "secret")
	out, err := j.DeriveSharedSecret(j.Context(), &kms.DeriveSharedSecretInput{
		KeyId: j.id, KeyAgreementAlgorithm: types.KeyAgreementAlgorithmSpecEcdh, PublicKey: Read(j.TB, j.dir, "peer.der"),
	})
	if err != nil {
		j.Fatal(err)
	}
	Equal(j.TB, "shared secret", out.SharedSecret, Read(j.TB, j.dir, "secret"))
}

// OAEP returns what openssl's pkeyutl needs to be told of RSAES-OAEP with a
// hash that is also that of its mask.
func OAEP(hash string) []string {
	return []string{"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:" + hash, "-pkeyopt", "rsa_mgf1_md:" + hash}
}
