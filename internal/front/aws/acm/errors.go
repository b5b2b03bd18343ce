package acm

import (
	"net/http"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// The exceptions that several faults become.
const (
	notFoundCode = "ResourceNotFoundException"
	invalidTag   = "InvalidTagException"
	validation   = "ValidationException"
)

// explain puts an error into AWS Certificate Manager's words. Like the other
// services it answers 400 to every mistake of a client's.
func explain(x *aws.Exchange, err error) aws.Failure {
	e := aws.FaultOf(err)
	if f, ok := aws.Carried(e); ok {
		return f
	}
	if code, ok := exceptions[e.Reason]; ok {
		return bad(code, about(e))
	}
	switch e.Kind {
	case fault.Internal:
		return aws.Internal(x, "InternalFailure")
	case fault.Unauthenticated:
		return aws.Unauthenticated(e)
	case fault.PermissionDenied:
		return aws.Denied(x, e)
	case fault.InvalidArgument, fault.Unsupported, fault.AlreadyExists, fault.BadCiphertext, fault.BadSignature:
		return bad(validation, about(e))
	case fault.NotFound:
		return notFound(e)
	case fault.WrongState:
		return bad(wrongState(x.Operation()), about(e))
	case fault.Conflict:
		return conflict(x, e)
	case fault.LimitExceeded:
		return bad("LimitExceededException", about(e))
	case fault.Unavailable:
		return aws.Failure{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailableException", Message: about(e)}
	}
	return aws.Internal(x, "InternalFailure")
}

// exceptions are those of the reasons that have one of their own, whatever
// the operation.
var exceptions = map[fault.Reason]string{
	fault.MalformedTag:  invalidTag,
	fault.ReservedTag:   invalidTag,
	fault.DuplicateTag:  invalidTag,
	fault.TooManyTags:   "TooManyTagsException",
	fault.InUse:         "ResourceInUseException",
	fault.NotRenewable:  validation,
	fault.NotExportable: validation,
}

func bad(code, message string) aws.Failure {
	return aws.Failure{Status: http.StatusBadRequest, Code: code, Message: message}
}

// about returns a text of the core's as AWS would print it, with the
// certificate that it is about.
func about(e *fault.Error) string {
	text := e.Public
	if text == "" {
		return ""
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	if isManaged(e.Resource) {
		text += ": " + aws.ARNOf(e.Resource)
	}
	return text + "."
}

func isManaged(resource string) bool {
	return strings.Contains(resource, "/"+string(key.KindManaged)+"/")
}

// missing is the text for a certificate that does not exist.
func missing(arn string) string { return "Could not find certificate " + arn }

// notFound tells certificates from authorities, for which the API has no
// exception of their own.
func notFound(e *fault.Error) aws.Failure {
	if isManaged(e.Resource) {
		return bad(notFoundCode, missing(aws.ARNOf(e.Resource)))
	}
	return bad("InvalidArnException", "Could not find certificate authority "+aws.ARNOf(e.Resource))
}

// wrongState returns the exception for what a certificate's state forbids:
// operations whose model lacks InvalidStateException say that the certificate
// is not there yet.
func wrongState(operation string) string {
	switch operation {
	case "GetCertificate", "ExportCertificate", "RenewCertificate":
		return "RequestInProgressException"
	}
	return "InvalidStateException"
}

// conflict is a token of another request, or a change at the same time.
func conflict(x *aws.Exchange, e *fault.Error) aws.Failure {
	if x.Operation() == "RequestCertificate" {
		return bad("InvalidParameterException", about(e))
	}
	return bad("ConflictException", about(e))
}
