package aws

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// cast holds the keys that the table of errors names: one of each kind.
type cast struct {
	*target
	*kms.Client

	symmetric, disabled, deleted, rsaSign, rsaCrypt, p256, mac *types.KeyMetadata
	blob                                                       []byte // by symmetric
}

func newCast(t *testing.T) *cast {
	t.Helper()
	tg, c := setup(t)
	k := &cast{
		target: tg, Client: c,
		symmetric: newKey(t, c, "", ""), disabled: newKey(t, c, "", ""), deleted: newKey(t, c, "", ""),
		rsaSign:  newKey(t, c, types.KeySpecRsa2048, types.KeyUsageTypeSignVerify),
		rsaCrypt: newKey(t, c, types.KeySpecRsa2048, types.KeyUsageTypeEncryptDecrypt),
		p256:     newKey(t, c, types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify),
		mac:      newKey(t, c, types.KeySpecHmac256, types.KeyUsageTypeGenerateVerifyMac),
	}
	k.blob = encrypt(t, c, k.symmetric.KeyId, []byte("x"), nil).CiphertextBlob
	if _, err := c.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: k.disabled.KeyId}); err != nil {
		t.Fatal(err)
	}
	schedule(t, c, k.deleted.KeyId)
	return k
}

// failure is a row: a call that fails, and exactly how. A message that ends
// in "[…]" has a set in that place, in any order.
type failure struct {
	name    string
	call    func(context.Context, *cast) error
	code    string
	message func(*cast) string
}

const unknown = "00000000-0000-4000-8000-000000000000"

// failures are the answers of the real service, observed on it.
var failures = []failure{
	{"unknown id", describing(func(*cast) string { return unknown }), "NotFoundException", func(k *cast) string {
		return "Key '" + k.arn("key/"+unknown) + "' does not exist"
	}},
	{"unknown ARN", describing(func(k *cast) string { return k.arn("key/" + unknown) }), "NotFoundException", func(k *cast) string {
		return "Key '" + k.arn("key/"+unknown) + "' does not exist"
	}},
	{"unknown multi-region id", describing(func(*cast) string { return "mrk-" + strings.Repeat("0", 32) }), "NotFoundException", func(k *cast) string {
		return "Key '" + k.arn("key/mrk-"+strings.Repeat("0", 32)) + "' does not exist"
	}},
	{"not an id", describing(text("fake")), "NotFoundException", says("Invalid keyId 'fake'")},
	{"an id without dashes", describing(text(strings.Repeat("0", 32))), "NotFoundException", says("Invalid keyId '" + strings.Repeat("0", 32) + "'")},
	{"a short multi-region id", describing(text("mrk-fake")), "NotFoundException", says("Invalid keyId 'mrk-fake'")},
	{
		"ARN of another region", describing(func(k *cast) string { return "arn:aws:kms:eu-north-1:" + k.account + ":key/" + unknown }),
		"NotFoundException", says("Invalid arn eu-north-1"),
	},
	{"unknown alias", describing(text("alias/no-such-alias")), "NotFoundException", func(k *cast) string {
		return "Alias " + k.arn("alias/no-such-alias") + " is not found."
	}},
	{"disabled", encrypting(func(k *cast) *types.KeyMetadata { return k.disabled }, 1, ""), "DisabledException", func(k *cast) string {
		return *k.disabled.Arn + " is disabled."
	}},
	{"pending deletion", encrypting(func(k *cast) *types.KeyMetadata { return k.deleted }, 1, ""), "KMSInvalidStateException", func(k *cast) string {
		return *k.deleted.Arn + " is pending deletion."
	}},
	{"wrong usage, Encrypt", encrypting(func(k *cast) *types.KeyMetadata { return k.p256 }, 1, ""), "InvalidKeyUsageException", func(k *cast) string {
		return *k.p256.Arn + " key usage is SIGN_VERIFY which is not valid for Encrypt."
	}},
	{"wrong usage, Sign", signing(func(k *cast) *types.KeyMetadata { return k.rsaCrypt }, "RSASSA_PSS_SHA_256", "", 8), "InvalidKeyUsageException", func(k *cast) string {
		return *k.rsaCrypt.Arn + " key usage is ENCRYPT_DECRYPT which is not valid for Sign."
	}},
	{
		"wrong algorithm, Sign", signing(func(k *cast) *types.KeyMetadata { return k.p256 }, "ECDSA_SHA_512", "", 8), "InvalidKeyUsageException",
		says("Algorithm ECDSA_SHA_512 is incompatible with key spec ECC_NIST_P256."),
	},
	{
		"wrong algorithm, Encrypt", encrypting(func(k *cast) *types.KeyMetadata { return k.symmetric }, 1, "RSAES_OAEP_SHA_1"), "InvalidKeyUsageException",
		says("Algorithm RSAES_OAEP_SHA_1 is incompatible with key spec SYMMETRIC_DEFAULT."),
	},
	{"another key's ciphertext", func(ctx context.Context, k *cast) error {
		_, err := k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: k.blob, KeyId: k.disabled.KeyId})
		return err
	}, "IncorrectKeyException", says("The key ID in the request does not identify a CMK that can perform this operation.")},
	{"not a ciphertext", func(ctx context.Context, k *cast) error {
		_, err := k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: []byte("not a ciphertext")})
		return err
	}, "InvalidCiphertextException", says("")},
	{
		"4,097 bytes", encrypting(func(k *cast) *types.KeyMetadata { return k.symmetric }, 4097, ""), "ValidationException",
		says("1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096"),
	},
	{
		"RSA, SHA-1, one byte over", encrypting(func(k *cast) *types.KeyMetadata { return k.rsaCrypt }, 215, "RSAES_OAEP_SHA_1"), "ValidationException",
		says("Algorithm RSAES_OAEP_SHA_1 and key spec RSA_2048 cannot encrypt data larger than 214 bytes."),
	},
	{
		"RSA, SHA-256, one byte over", encrypting(func(k *cast) *types.KeyMetadata { return k.rsaCrypt }, 191, "RSAES_OAEP_SHA_256"), "ValidationException",
		says("Algorithm RSAES_OAEP_SHA_256 and key spec RSA_2048 cannot encrypt data larger than 190 bytes."),
	},
	{
		"short digest, ECDSA", signing(func(k *cast) *types.KeyMetadata { return k.p256 }, "ECDSA_SHA_256", "DIGEST", 31), "ValidationException",
		says("Digest is invalid length for algorithm ECDSA_SHA_256."),
	},
	{
		"long digest, RSA", signing(func(k *cast) *types.KeyMetadata { return k.rsaSign }, "RSASSA_PSS_SHA_384", "DIGEST", 64), "ValidationException",
		says("Digest is invalid length for algorithm RSASSA_PSS_SHA_384."),
	},
	{"no size", func(ctx context.Context, k *cast) error {
		_, err := k.GenerateRandom(ctx, &kms.GenerateRandomInput{})
		return err
	}, "ValidationException", says("NumberOfBytes is required.")},
	{
		"size of zero", random(0), "ValidationException",
		says("1 validation error detected: Value '0' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1"),
	},
	{
		"size of 1,025", random(1025), "ValidationException",
		says("1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy constraint: Member must have value less than or equal to 1024"),
	},
	{"unknown spec", creating(&kms.CreateKeyInput{KeySpec: "AES_3"}), "ValidationException", says(
		"1 validation error detected: Value 'AES_3' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: […]")},
	{"unknown usage", creating(&kms.CreateKeyInput{KeyUsage: "ALL"}), "ValidationException", says(
		"1 validation error detected: Value 'ALL' at 'keyUsage' failed to satisfy constraint: Member must satisfy enum value set: [" +
			"ENCRYPT_DECRYPT, SIGN_VERIFY, GENERATE_VERIFY_MAC, KEY_AGREEMENT, ENCAPSULATE_DECAPSULATE]")},
	{
		"HMAC without usage", creating(&kms.CreateKeyInput{KeySpec: types.KeySpecHmac256}), "ValidationException",
		says("You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."),
	},
	{
		"usage does not fit", creating(&kms.CreateKeyInput{KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeKeyAgreement}), "ValidationException",
		says("KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048"),
	},
	{"tag key of 129", creating(&kms.CreateKeyInput{Tags: []types.Tag{tag(strings.Repeat("k", 129), "")}}), "ValidationException", says(
		"1 validation error detected: Value '" + strings.Repeat("k", 129) + "' at 'tags.1.member.tagKey' failed to satisfy constraint: Member must have length less than or equal to 128")},
	{"one tag twice", creating(&kms.CreateKeyInput{Tags: []types.Tag{tag("a", "1"), tag("a", "2")}}), "TagException", says("Duplicate tag keys")},
	{"51 tags", creating(&kms.CreateKeyInput{Tags: manyTags(51)}), "TagException", says("Too many tags")},
	{"reserved tag", creating(&kms.CreateKeyInput{Tags: []types.Tag{tag("AwS:x", "")}}), "TagException", says("Tags beginning with aws: are reserved")},
	{
		"alias without prefix", aliasing("mine", func(k *cast) string { return *k.symmetric.KeyId }), "ValidationException",
		says(`Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`),
	},
	{"reserved alias", aliasing("alias/aws/mine", func(k *cast) string { return *k.symmetric.KeyId }), "NotAuthorizedException", nil},
	{"alias where only ids are taken", func(ctx context.Context, k *cast) error {
		_, err := k.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: aws.String("alias/any")})
		return err
	}, "NotFoundException", says("Invalid keyId 'alias/any'")},
	{"policy of an alias", func(ctx context.Context, k *cast) error {
		_, err := k.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: aws.String("alias/any")})
		return err
	}, "NotFoundException", says("Invalid keyId 'alias/any'")},
	{"rotate an asymmetric key", func(ctx context.Context, k *cast) error {
		_, err := k.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: k.p256.KeyId})
		return err
	}, "UnsupportedOperationException", says("")},
	{"rotation of an asymmetric key", func(ctx context.Context, k *cast) error {
		_, err := k.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: k.p256.KeyId})
		return err
	}, "UnsupportedOperationException", says("")},
	{"dry run, all right", func(ctx context.Context, k *cast) error {
		_, err := k.Encrypt(ctx, &kms.EncryptInput{KeyId: k.symmetric.KeyId, Plaintext: []byte("x"), DryRun: aws.Bool(true)})
		return err
	}, "DryRunOperationException", says("The request would have succeeded, but the DryRun option is set.")},
	{"dry run, disabled", func(ctx context.Context, k *cast) error {
		_, err := k.Encrypt(ctx, &kms.EncryptInput{KeyId: k.disabled.KeyId, Plaintext: []byte("x"), DryRun: aws.Bool(true)})
		return err
	}, "DisabledException", func(k *cast) string { return *k.disabled.Arn + " is disabled." }},
	{"bad MAC", func(ctx context.Context, k *cast) error {
		_, err := k.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: k.mac.KeyId, Mac: make([]byte, 32), Message: []byte("m"), MacAlgorithm: types.MacAlgorithmSpecHmacSha256})
		return err
	}, "KMSInvalidMacException", says("")},
	{"bad signature", func(ctx context.Context, k *cast) error {
		in := &kms.VerifyInput{KeyId: k.p256.KeyId, Signature: []byte("s"), Message: []byte("m"), SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256}
		_, err := k.Verify(ctx, in)
		return err
	}, "KMSInvalidSignatureException", says("")},
	{"bad marker", func(ctx context.Context, k *cast) error {
		_, err := k.ListKeys(ctx, &kms.ListKeysInput{Marker: aws.String("nothing of yours")})
		return err
	}, "InvalidMarkerException", nil},
	{"period of 89 days", func(ctx context.Context, k *cast) error {
		_, err := k.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: k.symmetric.KeyId, RotationPeriodInDays: aws.Int32(89)})
		return err
	}, "ValidationException", says(
		"1 validation error detected: Value '89' at 'rotationPeriodInDays' failed to satisfy constraint: Member must have value greater than or equal to 90")},
	{"window of 6 days", func(ctx context.Context, k *cast) error {
		_, err := k.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: k.symmetric.KeyId, PendingWindowInDays: aws.Int32(6)})
		return err
	}, "ValidationException", nil},
	{"cancel what is not pending", func(ctx context.Context, k *cast) error {
		_, err := k.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: k.symmetric.KeyId})
		return err
	}, "KMSInvalidStateException", nil},
}

// TestErrors compares codes and texts, and that all have status 400.
func TestErrors(t *testing.T) {
	k := newCast(t)
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			err := f.call(t.Context(), k)
			api, ok := errors.AsType[smithy.APIError](err)
			if !ok {
				t.Fatalf("got %v, want %s", err, f.code)
			}
			if api.ErrorCode() != f.code {
				t.Errorf("got %s %q, want %s", api.ErrorCode(), api.ErrorMessage(), f.code)
			}
			if f.message != nil && !sameMessage(api.ErrorMessage(), f.message(k)) {
				t.Errorf("\ngot  %q\nwant %q", api.ErrorMessage(), f.message(k))
			}
			if s := status(err); s != 400 {
				t.Errorf("status %d, want 400", s)
			}
		})
	}
}

// status returns the HTTP status of an API's answer, 0 for anything else.
func status(err error) int {
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return answer.HTTPStatusCode()
	}
	return 0
}

var enumSet = regexp.MustCompile(`\[(.*)\]$`)

// sameMessage compares texts; a set at the end is compared as one, since its
// order changes with the service's releases, and "[…]" stands for any.
func sameMessage(got, want string) bool {
	g, w := enumSet.FindStringSubmatch(got), enumSet.FindStringSubmatch(want)
	if g == nil || w == nil {
		return got == want
	}
	if strings.TrimSuffix(got, g[0]) != strings.TrimSuffix(want, w[0]) {
		return false
	}
	return w[1] == "…" || slices.Equal(sorted(g[1]), sorted(w[1]))
}

func sorted(list string) []string {
	return slices.Sorted(slices.Values(strings.Split(list, ", ")))
}

func text(s string) func(*cast) string { return func(*cast) string { return s } }
func says(s string) func(*cast) string { return text(s) }

func describing(name func(*cast) string) func(context.Context, *cast) error {
	return func(ctx context.Context, k *cast) error {
		_, err := k.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(name(k))})
		return err
	}
}

func encrypting(key func(*cast) *types.KeyMetadata, size int, algorithm types.EncryptionAlgorithmSpec) func(context.Context, *cast) error {
	return func(ctx context.Context, k *cast) error {
		_, err := k.Encrypt(ctx, &kms.EncryptInput{KeyId: key(k).KeyId, Plaintext: make([]byte, size), EncryptionAlgorithm: algorithm})
		return err
	}
}

func signing(key func(*cast) *types.KeyMetadata, algorithm types.SigningAlgorithmSpec, form types.MessageType, size int) func(context.Context, *cast) error {
	return func(ctx context.Context, k *cast) error {
		_, err := k.Sign(ctx, &kms.SignInput{KeyId: key(k).KeyId, Message: make([]byte, size), MessageType: form, SigningAlgorithm: algorithm})
		return err
	}
}

func creating(in *kms.CreateKeyInput) func(context.Context, *cast) error {
	return func(ctx context.Context, k *cast) error { _, err := k.CreateKey(ctx, in); return err }
}

func aliasing(name string, key func(*cast) string) func(context.Context, *cast) error {
	return func(ctx context.Context, k *cast) error {
		_, err := k.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &name, TargetKeyId: aws.String(key(k))})
		return err
	}
}

func random(n int32) func(context.Context, *cast) error {
	return func(ctx context.Context, k *cast) error {
		_, err := k.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: &n})
		return err
	}
}

func manyTags(n int) []types.Tag {
	var tags []types.Tag
	for i := range n {
		tags = append(tags, tag(fmt.Sprint("k", i), "v"))
	}
	return tags
}
