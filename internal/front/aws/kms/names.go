package kms

import (
	"strings"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// The enumerations of AWS's model. Holdfast lacks some of their values and
// refuses those by name, after the request has passed AWS's own validation.
var (
	keySpecs = []string{
		"RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1",
		"SYMMETRIC_DEFAULT", "HMAC_224", "HMAC_256", "HMAC_384", "HMAC_512", "SM2", "ML_DSA_44", "ML_DSA_65",
		"ML_DSA_87", "ECC_NIST_EDWARDS25519", "ML_KEM_512", "ML_KEM_768", "ML_KEM_1024",
	}
	keyUsages = []string{
		"SIGN_VERIFY", "ENCRYPT_DECRYPT", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT", "ENCAPSULATE_DECAPSULATE",
	}
	origins              = []string{originKMS, originExternal, originHSM, originXKS}
	encryptionAlgorithms = []string{"SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"}
	signingAlgorithms    = []string{
		"RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_384", "RSASSA_PSS_SHA_512", "RSASSA_PKCS1_V1_5_SHA_256",
		"RSASSA_PKCS1_V1_5_SHA_384", "RSASSA_PKCS1_V1_5_SHA_512", "ECDSA_SHA_256", "ECDSA_SHA_384", "ECDSA_SHA_512",
		"SM2DSA", "ML_DSA_SHAKE_256", "ED25519_SHA_512", "ED25519_PH_SHA_512",
	}
	macAlgorithms          = []string{"HMAC_SHA_224", "HMAC_SHA_256", "HMAC_SHA_384", "HMAC_SHA_512"}
	keyAgreementAlgorithms = []string{"ECDH"}
	messageTypes           = []string{"RAW", "DIGEST", "EXTERNAL_MU"}
	dataKeySpecs           = []string{dataKey256, "AES_128"}
	materials              = []string{allMaterial, "ROTATIONS_ONLY"}
)

const (
	originKMS      = "AWS_KMS"
	originExternal = "EXTERNAL"
	dataKey256     = "AES_256"
	allMaterial    = "ALL_KEY_MATERIAL"
)

// Patterns of AWS's model.
var (
	aliasPattern = &aws.Pattern{Text: "^[a-zA-Z0-9:/_-]+$", Matches: func(s string) bool {
		return s != "" && strings.Trim(s, letters+":/_-") == ""
	}}
	policyNamePattern = &aws.Pattern{Text: `[\w]+`, Matches: func(s string) bool {
		return s != "" && strings.Trim(s, letters+"_") == ""
	}}
	policyPattern = &aws.Pattern{Text: `[\u0009\u000A\u000D\u0020-\u00FF]+`, Matches: func(s string) bool {
		return !strings.ContainsFunc(s, func(r rune) bool {
			return r > '\u00ff' || r < ' ' && r != '\t' && r != '\n' && r != '\r'
		})
	}}
)

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// Lengths of AWS's model.
const (
	maxKeyID     = 2048
	maxAliasName = 256
	maxPolicy    = 131072
)

// parseAlgorithm returns the algorithm of a request. The name is one of AWS's.
func parseAlgorithm(x *aws.Exchange, name string) (alg.Algorithm, error) {
	x.Words.Algorithm = name
	a, ok := wire.ParseAlgorithm(name)
	if !ok {
		return a, wire.Unsupported("Holdfast does not support the algorithm " + name + ".")
	}
	return a, nil
}

// encryptionAlgorithm is parseAlgorithm for a request that may leave it out.
func encryptionAlgorithm(x *aws.Exchange, name string) (alg.Algorithm, error) {
	if name == "" {
		name = encryptionAlgorithms[0]
	}
	return parseAlgorithm(x, name)
}

// keyRef returns the key of a key id or key ARN, which is what operations
// take that manage a key.
func keyRef(id string) (kms.Ref, error) {
	ref, err := anyRef(id)
	if err == nil && ref.Alias != "" {
		err = invalidKeyID(id)
	}
	return ref, err
}

// anyRef returns the key of a key id, key ARN, alias name or alias ARN, which
// is what operations take that use a key.
func anyRef(id string) (kms.Ref, error) {
	ref, ok := aws.KeyRef(id)
	if !ok {
		return kms.Ref{}, invalidKeyID(id)
	}
	return ref, nil
}

func invalidKeyID(id string) error {
	text := "Invalid keyId '" + id + "'"
	return &fault.Error{
		Kind: fault.NotFound, Reason: fault.MalformedKeyID, Public: text,
		Err: &wire.Exception{Code: "NotFoundException", Message: text},
	}
}

// writeARN adds a key's ARN.
func writeARN(out *wire.Encoder, name string, k *key.Key) {
	out.Text(name, "arn:", wire.Partition, ":kms:", k.Name.Region, ":", string(k.Name.Realm), ":key/", string(k.Name.ID))
}
