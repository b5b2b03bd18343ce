package lambda

import (
	"net/http"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
)

// explain puts an error into AWS Lambda's words, with the HTTP status that its
// model gives each.
func explain(x *aws.Exchange, err error) aws.Failure {
	e := aws.FaultOf(err)
	if f, ok := aws.Carried(e); ok {
		if f.Status == http.StatusRequestEntityTooLarge {
			f.Code, f.Message = "RequestTooLargeException", "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
		}
		return f
	}
	switch e.Kind {
	case fault.Internal:
		return aws.Internal(x, "ServiceException")
	case fault.Unauthenticated:
		return withStatus(http.StatusForbidden, aws.Unauthenticated(e))
	case fault.PermissionDenied:
		return withStatus(http.StatusForbidden, aws.Denied(x, e))
	case fault.NotFound:
		return aws.Failure{Status: http.StatusNotFound, Code: "ResourceNotFoundException", Message: "Function not found: " + aws.ARNOf(e.Resource)}
	case fault.InvalidArgument, fault.AlreadyExists, fault.BadCiphertext, fault.BadSignature, fault.Unsupported:
		return aws.Failure{Status: http.StatusBadRequest, Code: "InvalidParameterValueException", Message: sentence(e.Public)}
	case fault.WrongState, fault.Conflict:
		return aws.Failure{Status: http.StatusConflict, Code: "ResourceConflictException", Message: sentence(e.Public)}
	case fault.LimitExceeded:
		return aws.Failure{Status: http.StatusTooManyRequests, Code: "TooManyRequestsException", Message: sentence(e.Public)}
	case fault.Unavailable:
		return aws.Failure{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailableException", Message: sentence(e.Public)}
	}
	return aws.Internal(x, "ServiceException")
}

// explainFunction puts what a function failed with into an error's type and
// message, as a program that calls the services would see it.
func explainFunction(x *aws.Exchange, err error) aws.Failure {
	e := aws.FaultOf(err)
	if f, ok := aws.Carried(e); ok {
		return f
	}
	code := "ValidationException"
	switch e.Kind {
	case fault.PermissionDenied:
		if e.Reason == fault.SecretKey {
			return aws.Failure{Code: "AccessDeniedException", Message: "Access to KMS is not allowed"}
		}
		return aws.Denied(x, e)
	case fault.NotFound:
		code = "ResourceNotFoundException"
	case fault.AlreadyExists:
		code = "ResourceExistsException"
	case fault.WrongState:
		code = "InvalidStateException"
	case fault.Conflict:
		code = "ConflictException"
	case fault.LimitExceeded:
		code = "LimitExceededException"
	case fault.Unsupported:
		code = "UnsupportedOperationException"
	case fault.Unavailable:
		code = "ServiceUnavailableException"
	case fault.Internal, fault.InvalidArgument, fault.Unauthenticated, fault.BadCiphertext, fault.BadSignature:
	}
	return aws.Failure{Code: code, Message: sentence(e.Public)}
}

func withStatus(status int, f aws.Failure) aws.Failure {
	f.Status = status
	return f
}

// sentence returns a text of the core's as AWS would print it.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
