package secretsmanager_test

import (
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/secret"
)

const (
	named = `{"SecretId":"prod/db"}`
	alice = "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: secretsmanager:DescribeSecret on resource: " + arn
)

// about returns a fault about the secret.
func about(kind fault.Kind, reason fault.Reason) *fault.Error {
	return &fault.Error{
		Kind: kind, Reason: reason, Op: "secret:Describe", Public: "the public text", Resource: "123456789012/us-east-1/secret/" + id,
	}
}

// TestKinds has what each kind of fault is to a client.
func TestKinds(t *testing.T) {
	awstest.TestKinds(t, fake, awstest.Kinds{
		Operation: "DescribeSecret", Body: named, Fault: about,
		Want: map[fault.Kind]string{
			fault.Internal:         "500 InternalServiceError",
			fault.InvalidArgument:  "400 InvalidParameterException The public text.",
			fault.Unauthenticated:  "400 UnrecognizedClientException The security token included in the request is invalid.",
			fault.PermissionDenied: "400 AccessDeniedException " + alice,
			fault.NotFound:         "400 ResourceNotFoundException Secrets Manager can't find the specified secret.",
			fault.AlreadyExists:    "400 ResourceExistsException The operation failed because the public text.",
			fault.WrongState:       "400 InvalidRequestException The public text.",
			fault.Conflict:         "400 InvalidRequestException The public text.",
			fault.Unsupported:      "400 InvalidRequestException The public text.",
			fault.LimitExceeded:    "400 LimitExceededException The public text.",
			fault.BadCiphertext:    "400 InvalidRequestException The public text.",
			fault.BadSignature:     "400 InvalidRequestException The public text.",
			fault.Unavailable:      "503 ServiceUnavailableException The public text.",
		},
	})
}

// TestReasons has what has an exception or a text of its own.
func TestReasons(t *testing.T) {
	put := `{"SecretId":"prod/db","SecretString":"x","ClientRequestToken":"` + first + `"}`
	attached := about(fault.InvalidArgument, fault.StageAttached)
	attached.Err = &secret.Attached{Stage: secret.Current, Version: other}
	nowhere := about(fault.InvalidArgument, fault.StageAttached)
	nowhere.Err = &secret.Attached{Stage: "blue"}
	stage := `{"SecretId":"prod/db","VersionStage":"AWSCURRENT","MoveToVersionId":"` + first + `"}`
	awstest.TestReasons(t, fake, []awstest.Refusal{
		{"CreateSecret", `{"Name":"prod/db"}`, about(fault.WrongState, fault.SecretDeleted), "InvalidRequestException You can't create this secret because a secret with this name is already scheduled for deletion."},
		{"CreateSecret", `{"Name":"prod/db"}`, &fault.Error{Kind: fault.AlreadyExists, Public: "the secret prod/db already exists"}, "ResourceExistsException The operation failed because the secret prod/db already exists."},
		{"GetSecretValue", named, about(fault.WrongState, fault.SecretDeleted), "InvalidRequestException You can't perform this operation on the secret because it was marked for deletion."},
		{"GetSecretValue", named, about(fault.NotFound, fault.NoSuchVersion), "ResourceNotFoundException Secrets Manager can't find the specified secret value for staging label: AWSCURRENT"},
		{"GetSecretValue", `{"SecretId":"prod/db","VersionStage":"blue"}`, about(fault.NotFound, fault.NoSuchVersion), "ResourceNotFoundException Secrets Manager can't find the specified secret value for staging label: blue"},
		{"GetSecretValue", `{"SecretId":"prod/db","VersionId":"` + first + `"}`, about(fault.NotFound, fault.NoSuchVersion), "ResourceNotFoundException Secrets Manager can't find the specified secret value for VersionId: " + first},
		{"GetSecretValue", named, about(fault.PermissionDenied, fault.SecretKey), "AccessDeniedException Access to KMS is not allowed"},
		{"GetSecretValue", named, about(fault.WrongState, fault.SecretKey), "DecryptionFailure Secrets Manager can't decrypt the protected secret text using the provided KMS key. The public text."},
		{"PutSecretValue", put, about(fault.WrongState, fault.SecretKey), "EncryptionFailure Secrets Manager can't encrypt the protected secret text using the provided KMS key. The public text."},
		{"PutSecretValue", put, about(fault.AlreadyExists, fault.VersionTaken), "ResourceExistsException You can't use ClientRequestToken " + first + " because that value is already in use for a version of secret " + arn + "."},
		{"UpdateSecretVersionStage", stage, attached, "InvalidParameterException The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version " + other + ", so you must explicitly reference that version in RemoveFromVersionId."},
		{"UpdateSecretVersionStage", stage, nowhere, "InvalidParameterException The public text."},
		{"UpdateSecretVersionStage", stage, about(fault.InvalidArgument, fault.StageStays), "InvalidParameterException You can only move staging label AWSCURRENT to a different secret version. It can’t be completely removed."},
		{"UpdateSecretVersionStage", stage, about(fault.NotFound, fault.NoSuchVersion), "ResourceNotFoundException The public text."},
		{"PutResourcePolicy", `{"SecretId":"prod/db","ResourcePolicy":"{}"}`, about(fault.InvalidArgument, fault.MalformedPolicy), "MalformedPolicyDocumentException The public text."},
		{"PutResourcePolicy", `{"SecretId":"prod/db","ResourcePolicy":"{}"}`, about(fault.InvalidArgument, fault.PublicPolicy), "PublicPolicyException The public text."},
		{"PutResourcePolicy", `{"SecretId":"prod/db","ResourcePolicy":"{}"}`, about(fault.InvalidArgument, fault.PolicyLockout), "InvalidParameterException The public text."},
		{"ListSecrets", `{}`, about(fault.InvalidArgument, fault.MalformedMarker), "InvalidNextTokenException The public text."},
	})
}

// TestUnavailableKey: a place of keys that cannot be reached is no mistake of
// the client's.
func TestUnavailableKey(t *testing.T) {
	d := newDoor(t)
	d.Err = about(fault.Unavailable, fault.SecretKey)
	if a := send(t, d, "GetSecretValue", named); a.Status != 503 {
		t.Errorf("the answer is %d %s", a.Status, a.Body)
	}
}

// TestSecretCause holds that the cause of a failure stays in the log.
func TestSecretCause(t *testing.T) { awstest.TestSecretCause(t, fake, "DescribeSecret", named) }

// TestRefused has requests that never reach the door.
func TestRefused(t *testing.T) {
	long := strings.Repeat("x", 65537)
	awstest.TestBadInput(t, fake, []awstest.Input{
		{"DescribeSecret", `{}`, "ValidationException 1 validation error detected: Value null at 'secretId' failed to satisfy constraint: Member must not be null"},
		{"DescribeSecret", `{"SecretId":"arn:aws:kms:us-east-1:123456789012:key/x"}`, "InvalidParameterException The ARN 'arn:aws:kms:us-east-1:123456789012:key/x' is not the ARN of a secret."},
		{"CreateSecret", `{"Name":"a b"}`, "ValidationException Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"},
		{"CreateSecret", `{"Name":"a","SecretString":"x","SecretBinary":"eA=="}`, "InvalidParameterException You can't specify both a binary secret value and a string secret value in the same secret."},
		{"CreateSecret", `{"Name":"a","SecretString":"` + long + `"}`, "ValidationException 1 validation error detected: Value at 'secretString' failed to satisfy constraint: Member must have length less than or equal to 65536"},
		{"CreateSecret", `{"Name":"a","SecretString":"` + strings.Repeat("x", 500_000) + `"}`, "RequestEntityTooLargeException The request must be at most 425984 bytes."},
		{"CreateSecret", `{"Name":"a","AddReplicaRegions":[{"Region":"us-west-2"}]}`, "UnsupportedOperationException Holdfast does not support the parameter AddReplicaRegions."},
		{"CreateSecret", `{"Name":"a","ForceOverwriteReplicaSecret":true}`, "UnsupportedOperationException Holdfast does not support the parameter ForceOverwriteReplicaSecret."},
		{"CreateSecret", `{"Name":"a","Type":"x"}`, "UnsupportedOperationException Holdfast does not support the parameter Type."},
		{"CreateSecret", `{"Name":"a","KmsKeyId":"arn:aws:s3:::x"}`, "InvalidParameterException The ARN 'arn:aws:s3:::x' is not the ARN of a KMS key or alias."},
		{"PutSecretValue", named, "InvalidRequestException You must provide either SecretString or SecretBinary."},
		{"PutSecretValue", `{"SecretId":"a","SecretString":"x","VersionStages":["current"]}`, "UnsupportedOperationException Holdfast does not support the staging label current, which it has for one of AWS's own."},
		{"PutSecretValue", `{"SecretId":"a","SecretString":"x","RotationToken":"` + first + `"}`, "UnsupportedOperationException Holdfast does not support the parameter RotationToken."},
		{"DeleteSecret", `{"SecretId":"a","RecoveryWindowInDays":7,"ForceDeleteWithoutRecovery":true}`, "InvalidParameterException You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays."},
		{"DeleteSecret", `{"SecretId":"a","RecoveryWindowInDays":6}`, "InvalidParameterException The RecoveryWindowInDays value must be between 7 and 30 days (inclusive)."},
		{"DeleteSecret", `{"SecretId":"a","RecoveryWindowInDays":0}`, "InvalidParameterException The RecoveryWindowInDays value must be between 7 and 30 days (inclusive)."},
		{"BatchGetSecretValue", `{}`, "InvalidParameterException Either 'SecretIdList' or 'Filters' must be provided, but not both."},
		{"BatchGetSecretValue", `{"SecretIdList":["a"],"MaxResults":1}`, "InvalidParameterException MaxResults and NextToken go with Filters, not with SecretIdList."},
		{"ListSecrets", `{"NextToken":"x"}`, "InvalidNextTokenException The NextToken is not of this listing."},
		{"ListSecrets", `{"Filters":[{"Key":"name","Values":["a*"]}]}`, `ValidationException 1 validation error detected: Value '[a*]' at 'filters.1.member.values' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy regular expression pattern: ^\!?[a-zA-Z0-9 :_@\/\+\=\.\-\!]*$]`},
		{"RotateSecret", named, "UnsupportedOperationException The operation RotateSecret is not supported by Holdfast."},
		{"ReplicateSecretToRegions", named, "UnsupportedOperationException The operation ReplicateSecretToRegions is not supported by Holdfast."},
		{"MakeSecret", `{}`, "UnknownOperationException The requested operation is not recognized by the service."},
	})
}
