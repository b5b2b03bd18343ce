package secretsmanager

import (
	"errors"
	"net/http"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/secret"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// The exceptions that several faults become.
const (
	invalidParameter = "InvalidParameterException"
	invalidRequest   = "InvalidRequestException"
	notFoundCode     = "ResourceNotFoundException"
	existsCode       = "ResourceExistsException"
)

// explain puts an error into AWS Secrets Manager's words. It answers 400 to
// every mistake of a client's.
func explain(x *aws.Exchange, err error) aws.Failure {
	e := aws.FaultOf(err)
	if f, ok := aws.Carried(e); ok {
		return f
	}
	if f, ok := byReason(x, e); ok {
		return f
	}
	switch e.Kind {
	case fault.Internal:
		return aws.Internal(x, "InternalServiceError")
	case fault.Unauthenticated:
		return aws.Unauthenticated(e)
	case fault.PermissionDenied:
		return aws.Denied(x, e)
	case fault.InvalidArgument:
		return bad(invalidParameter, sentence(e.Public))
	case fault.NotFound:
		return bad(notFoundCode, "Secrets Manager can't find the specified secret.")
	case fault.AlreadyExists:
		return bad(existsCode, "The operation failed because "+e.Public+".")
	case fault.WrongState, fault.Conflict, fault.Unsupported, fault.BadCiphertext, fault.BadSignature:
		return bad(invalidRequest, sentence(e.Public))
	case fault.LimitExceeded:
		return bad("LimitExceededException", sentence(e.Public))
	case fault.Unavailable:
		return aws.Failure{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailableException", Message: sentence(e.Public)}
	}
	return aws.Internal(x, "InternalServiceError")
}

// byReason explains what has an exception or a text of its own. The texts are
// AWS's, as its users have reported them.
func byReason(x *aws.Exchange, e *fault.Error) (aws.Failure, bool) {
	switch e.Reason { //nolint:exhaustive // the others go by their kinds
	case fault.SecretKey:
		return keyRefused(x, e), true
	case fault.SecretDeleted:
		return bad(invalidRequest, deleted(x.Operation())), true
	case fault.NoSuchVersion:
		return bad(notFoundCode, noVersion(x, e)), true
	case fault.VersionTaken:
		return bad(existsCode, "You can't use ClientRequestToken "+x.Words.Token+
			" because that value is already in use for a version of secret "+aws.ARNOf(e.Resource)+"."), true
	case fault.StageAttached:
		return bad(invalidParameter, attached(e)), true
	case fault.StageStays:
		return bad(invalidParameter, "You can only move staging label AWSCURRENT to a different secret version. It can’t be completely removed."), true
	case fault.MalformedPolicy, fault.PolicyTooLong:
		return bad("MalformedPolicyDocumentException", sentence(e.Public)), true
	case fault.PublicPolicy:
		return bad("PublicPolicyException", sentence(e.Public)), true
	case fault.MalformedMarker:
		return bad("InvalidNextTokenException", sentence(e.Public)), true
	}
	return aws.Failure{}, false
}

// keyRefused explains a refusal by the key that seals a secret.
func keyRefused(x *aws.Exchange, e *fault.Error) aws.Failure {
	switch {
	case e.Kind == fault.PermissionDenied:
		return bad("AccessDeniedException", "Access to KMS is not allowed")
	case e.Kind == fault.Unavailable:
		return aws.Failure{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailableException", Message: sentence(e.Public)}
	case x.Operation() == "GetSecretValue" || x.Operation() == "BatchGetSecretValue":
		return bad("DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key. "+sentence(e.Public))
	}
	return bad("EncryptionFailure", "Secrets Manager can't encrypt the protected secret text using the provided KMS key. "+sentence(e.Public))
}

// deleted is the text for a secret that waits for its end.
func deleted(operation string) string {
	if operation == "CreateSecret" {
		return "You can't create this secret because a secret with this name is already scheduled for deletion."
	}
	return "You can't perform this operation on the secret because it was marked for deletion."
}

// noVersion is the text for a version that is not there.
func noVersion(x *aws.Exchange, e *fault.Error) string {
	if x.Words.Version == "" {
		return sentence(e.Public)
	}
	return "Secrets Manager can't find the specified secret value for " + x.Words.Version
}

// attached is the text for a staging label that is elsewhere than the request
// says.
func attached(e *fault.Error) string {
	a, ok := errors.AsType[*secret.Attached](e.Err)
	if !ok || a.Version == "" {
		return sentence(e.Public)
	}
	return "The parameter RemoveFromVersionId can't be empty. Staging label " + wire.StageName(string(a.Stage)) +
		" is currently attached to version " + a.Version + ", so you must explicitly reference that version in RemoveFromVersionId."
}

func bad(code, message string) aws.Failure {
	return aws.Failure{Status: http.StatusBadRequest, Code: code, Message: message}
}

// sentence returns a text of the core's as AWS would print it.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
