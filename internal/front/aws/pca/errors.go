package pca

import (
	"net/http"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
)

// The exceptions that several faults become.
const (
	invalidState  = "InvalidStateException"
	invalidTag    = "InvalidTagException"
	malformedCSR  = "MalformedCSRException"
	limitExceeded = "LimitExceededException"
	inProgress    = "RequestInProgressException"
	validation    = "ValidationException"
)

// explain puts an error into AWS Private CA's words. Like the other services
// it answers 400 to every mistake of a client's.
func explain(x *aws.Exchange, err error) aws.Failure {
	e := aws.FaultOf(err)
	if f, ok := aws.Carried(e); ok {
		return f
	}
	if code, ok := exceptions[e.Reason]; ok {
		return bad(code, sentence(e.Public))
	}
	switch e.Kind {
	case fault.Internal:
		return aws.Internal(x, "InternalFailure")
	case fault.Unauthenticated:
		return aws.Unauthenticated(e)
	case fault.PermissionDenied:
		return aws.Denied(x, e)
	case fault.InvalidArgument, fault.Unsupported, fault.BadCiphertext, fault.BadSignature:
		return bad(unfit(x.Operation()), sentence(e.Public))
	case fault.NotFound:
		return bad("ResourceNotFoundException", missing(x, e))
	case fault.AlreadyExists:
		return bad(taken(x.Operation()), sentence(e.Public))
	case fault.WrongState:
		return wrongState(x, e)
	case fault.Conflict:
		return bad(busy(x.Operation()), sentence(e.Public))
	case fault.LimitExceeded:
		return bad(limitExceeded, sentence(e.Public))
	case fault.Unavailable:
		return aws.Failure{Status: http.StatusServiceUnavailable, Code: "RequestFailedException", Message: sentence(e.Public)}
	}
	return aws.Internal(x, "InternalFailure")
}

// exceptions are those of the reasons that have one of their own, whatever
// the operation.
var exceptions = map[fault.Reason]string{
	fault.AuthorityCreating:    inProgress,
	fault.AlreadyRevoked:       "RequestAlreadyProcessedException",
	fault.MalformedPolicy:      "InvalidPolicyException",
	fault.PolicyTooLong:        "InvalidPolicyException",
	fault.PolicyLockout:        "LockoutPreventedException",
	fault.MalformedMarker:      "InvalidNextTokenException",
	fault.MalformedTag:         invalidTag,
	fault.ReservedTag:          invalidTag,
	fault.DuplicateTag:         invalidTag,
	fault.TooManyTags:          "TooManyTagsException",
	fault.MalformedCSR:         malformedCSR,
	fault.MalformedCertificate: "MalformedCertificateException",
	fault.CertificateMismatch:  "CertificateMismatchException",
}

func bad(code, message string) aws.Failure {
	return aws.Failure{Status: http.StatusBadRequest, Code: code, Message: message}
}

// sentence returns a text of the core's as AWS would print it.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	if text = strings.ToUpper(text[:1]) + text[1:]; !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// unfit returns the exception for arguments that an operation cannot take:
// what its model has, and ValidationException where that has none.
func unfit(operation string) string {
	switch operation {
	case "CreateCertificateAuthority", "UpdateCertificateAuthority", "IssueCertificate",
		"CreateCertificateAuthorityAuditReport", "DescribeCertificateAuthorityAuditReport":
		return "InvalidArgsException"
	case "ImportCertificateAuthorityCertificate", "RevokeCertificate":
		return "InvalidRequestException"
	}
	return validation
}

// taken returns the exception for something that exists already.
func taken(operation string) string {
	if operation == "CreatePermission" {
		return "PermissionAlreadyExistsException"
	}
	return unfit(operation)
}

// busy returns the exception for what another call is at, or was.
func busy(operation string) string {
	switch operation {
	case "CreateCertificateAuthorityAuditReport":
		return inProgress
	case "CreateCertificateAuthority", "IssueCertificate": // an idempotency token of another request
		return unfit(operation)
	}
	return "ConcurrentModificationException"
}

// missing is the text for what does not exist. AWS's own was not to be had.
func missing(x *aws.Exchange, e *fault.Error) string {
	if e.Resource == "" || x.Words.Resource == "" { // of the authority, something else is missing
		return sentence(e.Public)
	}
	return "Resource " + x.Words.Resource + " not found."
}

// wrongState explains what an authority's state forbids. The texts of the
// first five operations are AWS's, as its users have reported them; programs
// look for that of UpdateCertificateAuthority. The rest is ours.
func wrongState(x *aws.Exchange, e *fault.Error) aws.Failure {
	if e.Reason == fault.Unspecified { // more than one of the states: a certificate above that is revoked, say
		return bad(invalidState, sentence(e.Public))
	}
	authority := "The certificate authority " + x.Words.Resource
	switch x.Operation() {
	case "UpdateCertificateAuthority":
		return bad(invalidState, "The certificate authority must be in the ACTIVE or DISABLED state to be updated")
	case "DeleteCertificateAuthority":
		return bad(invalidState, "The certificate authority is not in a valid state for deletion.")
	case "IssueCertificate":
		return bad(invalidState, authority+" is not in a valid state for issuing certificates.")
	case "GetCertificate":
		return bad(invalidState, authority+" is not in the correct state to have issued certificates.")
	case "GetCertificateAuthorityCsr", "GetCertificateAuthorityCertificate":
		return bad(invalidState, authority+" is not in the correct state to have a certificate signing request")
	}
	return bad(invalidState, sentence(e.Public))
}
