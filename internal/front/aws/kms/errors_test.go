package kms_test

import (
	"slices"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/key"
)

const (
	name      = "123456789012/us-east-1/" + keyID // key.Name.String
	aliasName = "123456789012/us-east-1/alias/alias/web"
	alice     = "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: kms:Encrypt on resource: " + keyARN
	imports   = `{"KeyId":"k","ImportToken":"aGk=","EncryptedKeyMaterial":"aGk=","ExpirationModel":"KEY_MATERIAL_DOES_NOT_EXPIRE"}`
	derive    = `{"KeyId":"k","KeyAgreementAlgorithm":"ECDH","PublicKey":"aGk="}`
	encrypt   = `{"KeyId":"k","Plaintext":"aGk=","EncryptionAlgorithm":"RSAES_OAEP_SHA_1"}`
)

func because(k fault.Kind, r fault.Reason) *fault.Error {
	return &fault.Error{Kind: k, Reason: r, Resource: name, Op: "key:Encrypt", Public: "the public text"}
}

// about is because for a refusal that lies in what the key is.
func about(k fault.Kind, r fault.Reason, spec alg.Spec, usage alg.Usage) *fault.Error {
	e := because(k, r)
	e.Err = &key.Misfit{Key: &key.Key{
		Name: key.Name{Realm: key.DefaultRealm, Region: "us-east-1", ID: keyID}, Spec: spec, Usage: usage, Origin: key.Generated,
	}}
	return e
}

// rival is the refusal of a second material that would have to wait.
func rival() *fault.Error {
	e := because(fault.WrongState, fault.MaterialPending)
	e.Err = &key.MaterialConflict{New: "a", Pending: "b"}
	return e
}

// TestKinds has every kind without a reason.
func TestKinds(t *testing.T) {
	awstest.TestKinds(t, fake, awstest.Kinds{
		Operation: "Encrypt", Body: encrypt, Fault: because,
		Want: map[fault.Kind]string{
			fault.Internal:         "500 KMSInternalException",
			fault.InvalidArgument:  "400 ValidationException the public text",
			fault.Unauthenticated:  "400 UnrecognizedClientException The security token included in the request is invalid.",
			fault.PermissionDenied: "400 AccessDeniedException " + alice,
			fault.NotFound:         "400 NotFoundException Key '" + keyARN + "' does not exist",
			fault.AlreadyExists:    "400 AlreadyExistsException An alias with the name " + keyARN + " already exists",
			fault.WrongState:       "400 KMSInvalidStateException the public text",
			fault.Conflict:         "400 ConflictException the public text",
			fault.Unsupported:      "400 UnsupportedOperationException",
			fault.LimitExceeded:    "400 LimitExceededException the public text",
			fault.BadCiphertext:    "400 InvalidCiphertextException",
			fault.BadSignature:     "400 KMSInvalidSignatureException",
			fault.Unavailable:      "503 DependencyTimeoutException the public text",
		},
	})
}

// TestReasons has every reason with its kind, and fails for one that is added
// and has no row.
func TestReasons(t *testing.T) {
	invalid, state, denied := fault.InvalidArgument, fault.WrongState, fault.PermissionDenied
	rsa := func(r fault.Reason) *fault.Error { return about(invalid, r, alg.RSA2048, alg.SignVerify) }
	rows := []struct {
		Operation, Body string
		Err             *fault.Error
		Want            string
	}{
		{"Encrypt", encrypt, because(state, fault.KeyDisabled), "DisabledException " + keyARN + " is disabled."},
		{"Encrypt", encrypt, because(state, fault.KeyPendingDeletion), "KMSInvalidStateException " + keyARN + " is pending deletion."},
		{"Encrypt", encrypt, because(state, fault.KeyPendingImport), "KMSInvalidStateException " + keyARN + " is pending import."},
		{"Encrypt", encrypt, because(state, fault.KeyUnavailable), "KMSInvalidStateException " + keyARN + " is unavailable."},
		{"Encrypt", encrypt, because(state, fault.KeyCreating), "KMSInvalidStateException " + keyARN + " is creating."},
		{"Encrypt", encrypt, because(state, fault.KeySucceeded), "KMSInvalidStateException the public text"},
		{"CancelKeyDeletion", `{"KeyId":"k"}`, because(state, fault.KeyNotPendingDeletion), "KMSInvalidStateException " + keyARN + " is not pending deletion."},
		{"Encrypt", encrypt, rsa(fault.WrongUsage), "InvalidKeyUsageException " + keyARN + " key usage is SIGN_VERIFY which is not valid for Encrypt."},
		{"Encrypt", encrypt, because(invalid, fault.WrongUsage), "ValidationException the public text"},
		{"Encrypt", encrypt, about(invalid, fault.WrongUsage, alg.AES256, alg.RawEncryptDecrypt), "InvalidKeyUsageException " + keyARN + " key usage is RAW_ENCRYPT_DECRYPT which is not valid for Encrypt."},
		{"Sign", `{"KeyId":"k","Message":"aGk=","SigningAlgorithm":"ECDSA_SHA_512"}`, about(invalid, fault.WrongAlgorithm, alg.P256, alg.SignVerify), "InvalidKeyUsageException Algorithm ECDSA_SHA_512 is incompatible with key spec ECC_NIST_P256."},
		{"Encrypt", encrypt, about(invalid, fault.WrongAlgorithm, alg.AES256, alg.EncryptDecrypt), "InvalidKeyUsageException Algorithm RSAES_OAEP_SHA_1 is incompatible with key spec SYMMETRIC_DEFAULT."},
		{"GenerateDataKey", `{"KeyId":"k","KeySpec":"AES_128"}`, rsa(fault.WrongAlgorithm), "InvalidKeyUsageException Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048."},
		{"Sign", `{"KeyId":"k","Message":"aGk=","SigningAlgorithm":"ED25519_PH_SHA_512"}`, about(invalid, fault.WrongAlgorithm, alg.Ed25519, alg.SignVerify), "ValidationException MessageType RAW is not valid for algorithm ED25519_PH_SHA_512."},
		{"Decrypt", `{"CiphertextBlob":"aGk="}`, because(invalid, fault.IncorrectKey), "IncorrectKeyException The key ID in the request does not identify a CMK that can perform this operation."},
		{"Sign", `{"KeyId":"k","Message":"aGk=","MessageType":"DIGEST","SigningAlgorithm":"ECDSA_SHA_384"}`, about(invalid, fault.DigestLength, alg.P384, alg.SignVerify), "ValidationException Digest is invalid length for algorithm ECDSA_SHA_384."},
		{"Encrypt", encrypt, rsa(fault.MessageTooLong), "ValidationException Algorithm RSAES_OAEP_SHA_1 and key spec RSA_2048 cannot encrypt data larger than 214 bytes."},
		{"Encrypt", encrypt, about(invalid, fault.MessageTooLong, alg.RSA4096, alg.EncryptDecrypt), "ValidationException Algorithm RSAES_OAEP_SHA_1 and key spec RSA_4096 cannot encrypt data larger than 470 bytes."},
		{"Encrypt", encrypt, about(invalid, fault.MessageTooLong, alg.AES256, alg.EncryptDecrypt), "ValidationException the public text"},
		{"PutKeyPolicy", `{"KeyId":"k","Policy":"x"}`, because(invalid, fault.MalformedPolicy), "MalformedPolicyDocumentException the public text"},
		{"PutKeyPolicy", `{"KeyId":"k","Policy":"x"}`, because(invalid, fault.PolicyLockout), "MalformedPolicyDocumentException The new key policy will not allow you to update the key policy in the future."},
		{"PutKeyPolicy", `{"KeyId":"k","Policy":"x"}`, because(fault.LimitExceeded, fault.PolicyTooLong), "LimitExceededException the public text"},
		{"Encrypt", encrypt, because(fault.NotFound, fault.MalformedKeyID), "NotFoundException Invalid keyId '" + keyID + "'"},
		{"DeleteAlias", `{"AliasName":"web"}`, because(invalid, fault.MalformedAlias), `ValidationException Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`},
		{"DeleteAlias", `{"AliasName":"alias/a:b"}`, because(invalid, fault.MalformedAlias), "InvalidAliasNameException the public text"},
		{"CreateAlias", `{"AliasName":"alias/aws/x","TargetKeyId":"k"}`, because(denied, fault.ReservedAlias), "NotAuthorizedException"},
		{"ListKeyRotations", `{"KeyId":"k"}`, because(invalid, fault.MalformedMarker), "InvalidMarkerException the public text"},
		{"TagResource", `{"KeyId":"k","Tags":[]}`, because(invalid, fault.MalformedTag), "TagException the public text"},
		{"TagResource", `{"KeyId":"k","Tags":[]}`, because(invalid, fault.ReservedTag), "TagException Tags beginning with aws: are reserved"},
		{"TagResource", `{"KeyId":"k","Tags":[]}`, because(invalid, fault.DuplicateTag), "TagException Duplicate tag keys"},
		{"TagResource", `{"KeyId":"k","Tags":[]}`, because(fault.LimitExceeded, fault.TooManyTags), "TagException Too many tags"},
		{"Encrypt", encrypt, &fault.Error{Kind: fault.NotFound, Reason: fault.ForeignRegion, Resource: "eu-west-1"}, "NotFoundException Invalid arn eu-west-1"},
		{"CreateKey", `{"KeySpec":"RSA_2048","KeyUsage":"GENERATE_VERIFY_MAC"}`, because(invalid, fault.IncompatibleUsage), "ValidationException KeyUsage GENERATE_VERIFY_MAC is not compatible with KeySpec RSA_2048"},
		{"CreateKey", `{"KeySpec":"RSA_2048","KeyUsage":"KEY_AGREEMENT"}`, because(invalid, fault.IncompatibleUsage), "ValidationException KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048"},
		{"DeriveSharedSecret", derive, because(invalid, fault.UnfitPeer), "ValidationException"},
		{"DeriveSharedSecret", derive, about(invalid, fault.UnfitPeer, alg.P256, alg.KeyAgreement), "ValidationException"},
		{"DeriveSharedSecret", derive, about(invalid, fault.WrongUsage, alg.P256, alg.SignVerify), "InvalidKeyUsageException " + keyARN + " key usage is SIGN_VERIFY which is not valid for DeriveSharedSecret."},
		{"CreateKey", `{"KeySpec":"HMAC_256"}`, because(invalid, fault.UsageRequired), "ValidationException You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."},
		{"Encrypt", encrypt, because(invalid, fault.DryRun), "DryRunOperationException The request would have succeeded, but the DryRun option is set."},
		{"Encrypt", encrypt, because(denied, fault.DeniedByResourcePolicy), "AccessDeniedException " + alice + " with an explicit deny in a resource-based policy"},
		{"Encrypt", encrypt, because(denied, fault.DeniedByIdentityPolicy), "AccessDeniedException " + alice + " with an explicit deny in an identity-based policy"},
		{"Encrypt", encrypt, because(denied, fault.NoResourcePolicyAllows), "AccessDeniedException " + alice + " because no resource-based policy allows the kms:Encrypt action"},
		{"Encrypt", encrypt, because(denied, fault.NoIdentityPolicyAllows), "AccessDeniedException " + alice + " because no identity-based policy allows the kms:Encrypt action"},
		{"Encrypt", encrypt, because(denied, fault.DeniedBySessionPolicy), "AccessDeniedException " + alice + " with an explicit deny in a session policy"},
		{"Encrypt", encrypt, because(denied, fault.NoSessionPolicyAllows), "AccessDeniedException " + alice + " because no session policy allows the kms:Encrypt action"},
		{"Encrypt", encrypt, because(denied, fault.ApprovalRequired), "AccessDeniedException " + alice + ": the public text"},
		{"Encrypt", encrypt, because(denied, fault.MFARequired), "AccessDeniedException " + alice + ": the public text"},
		{"ListKeys", `{}`, &fault.Error{Kind: denied, Reason: fault.NoIdentityPolicyAllows, Op: "key:List"}, "AccessDeniedException User: arn:aws:iam::123456789012:user/alice is not authorized to perform: kms:ListKeys on resource: * because no identity-based policy allows the kms:ListKeys action"},
		{"Decrypt", `{"CiphertextBlob":"aGk="}`, because(denied, fault.UnknownKey), "AccessDeniedException The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access."},
		{"RotateKeyOnDemand", `{"KeyId":"k"}`, because(fault.LimitExceeded, fault.TooManyRotations), "LimitExceededException The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: " + keyARN},

		// Imports.
		{"ImportKeyMaterial", imports, because(invalid, fault.ExpiredImportToken), "ExpiredImportTokenException the public text"},
		{"ImportKeyMaterial", imports, because(invalid, fault.InvalidImportToken), "InvalidImportTokenException the public text"},
		{"ImportKeyMaterial", imports, because(invalid, fault.IncorrectMaterial), "IncorrectKeyMaterialException the public text"},
		{"ImportKeyMaterial", imports, because(invalid, fault.WeakKey), "IncorrectKeyMaterialException the public text"},
		{"ImportKeyMaterial", imports, because(fault.BadCiphertext, fault.Unspecified), "InvalidCiphertextException"},
		{"ImportKeyMaterial", imports, because(state, fault.OriginForbids), "UnsupportedOperationException the public text"},
		{"ImportKeyMaterial", imports, about(state, fault.OriginForbids, alg.AES256, alg.EncryptDecrypt), "UnsupportedOperationException " + keyARN + " origin is AWS_KMS which is not valid for this operation."},
		{"ImportKeyMaterial", imports, because(state, fault.MaterialPending), "KMSInvalidStateException the public text"},
		{"ImportKeyMaterial", imports, rival(), "KMSInvalidStateException New key material (id: a) cannot be imported into KMS key " + keyARN + ", because another key material (id: b) is pending rotation."},
		{"RotateKeyOnDemand", `{"KeyId":"k"}`, because(state, fault.NoMaterialPending), "KMSInvalidStateException No available key material pending rotation for the key: " + keyARN + "."},

		// Without a reason, but with a text of their own.
		{"RotateKeyOnDemand", `{"KeyId":"k"}`, because(fault.Unsupported, fault.Unspecified), "UnsupportedOperationException"},
		{"VerifyMac", `{"KeyId":"k","Message":"aGk=","Mac":"aGk=","MacAlgorithm":"HMAC_SHA_256"}`, because(fault.BadSignature, fault.Unspecified), "KMSInvalidMacException"},
		{"Encrypt", encrypt, &fault.Error{Kind: fault.NotFound, Resource: aliasName}, "NotFoundException Alias arn:aws:kms:us-east-1:123456789012:alias/web is not found."},
		{"CreateAlias", `{"AliasName":"alias/web","TargetKeyId":"k"}`, &fault.Error{Kind: fault.AlreadyExists, Resource: aliasName}, "AlreadyExistsException An alias with the name arn:aws:kms:us-east-1:123456789012:alias/web already exists"},
	}
	awstest.TestReasons(t, fake, rows)
	// What no AWS KMS operation of ours can meet: these come from authorities.
	awstest.TestEveryReason(t, slices.Concat(rows, storeRefusals),
		fault.MalformedCSR, fault.ProfileViolation, fault.LintFailed, fault.AuthorityCreating, fault.AuthorityPending, fault.AuthorityDisabled,
		fault.AuthorityExpired, fault.AuthorityDeleted, fault.AlreadyRevoked, fault.NotExportable, fault.NotRenewable, fault.InUse,
		fault.MalformedCertificate, fault.CertificateMismatch, fault.ForeignBlob, fault.MalformedBlob, fault.ReplayedBlob)
}

// TestSecretCause holds that the cause of a failure stays in the log.
func TestSecretCause(t *testing.T) {
	awstest.TestSecretCause(t, fake, "Encrypt", encrypt)
}
