package cloudtrail

import (
	"net/http"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
)

// The exceptions that several faults become.
const (
	invalidSelectors = "InvalidEventSelectorsException"
	invalidTag       = "InvalidTagParameterException"
	invalidParameter = "InvalidParameterException"
)

// explain puts an error into AWS CloudTrail's words, which answers 400 to every
// mistake of a client's.
func explain(x *aws.Exchange, err error) aws.Failure {
	e := aws.FaultOf(err)
	if f, ok := aws.Carried(e); ok {
		return f
	}
	if code, ok := exceptions[e.Reason]; ok {
		return bad(code, e)
	}
	switch e.Kind {
	case fault.Internal:
		return aws.Internal(x, "InternalFailure")
	case fault.Unauthenticated:
		return aws.Unauthenticated(e)
	case fault.PermissionDenied:
		return aws.Denied(x, e)
	case fault.NotFound:
		return bad(missing(x.Operation()), e)
	case fault.AlreadyExists:
		return bad("TrailAlreadyExistsException", e)
	case fault.LimitExceeded:
		return bad("MaximumNumberOfTrailsExceededException", e)
	case fault.InvalidArgument, fault.WrongState, fault.BadCiphertext, fault.BadSignature:
		return bad(invalid(x.Operation()), e)
	case fault.Conflict:
		return bad("ConflictException", e)
	case fault.Unsupported:
		return bad("UnsupportedOperationException", e)
	case fault.Unavailable:
		return aws.Failure{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailableException", Message: about(e)}
	}
	return aws.Internal(x, "InternalFailure")
}

// exceptions are those of the reasons that have one of their own.
var exceptions = map[fault.Reason]string{
	fault.MalformedTag:    invalidTag,
	fault.ReservedTag:     invalidTag,
	fault.DuplicateTag:    invalidTag,
	fault.TooManyTags:     "TagsLimitExceededException",
	fault.ForeignRegion:   "InvalidHomeRegionException",
	fault.MalformedMarker: "InvalidNextTokenException",
}

func bad(code string, e *fault.Error) aws.Failure {
	return aws.Failure{Status: http.StatusBadRequest, Code: code, Message: about(e)}
}

// missing is the exception for a trail that does not exist.
func missing(operation string) string {
	if operation == "AddTags" || operation == "RemoveTags" || operation == "ListTags" {
		return "ResourceNotFoundException"
	}
	return "TrailNotFoundException"
}

// invalid is the exception for a request that is wrong in itself.
func invalid(operation string) string {
	if operation == "PutEventSelectors" {
		return invalidSelectors
	}
	return invalidParameter
}

// about returns a text of the core's as AWS would print it, with the trail
// that it is about.
func about(e *fault.Error) string {
	text := e.Public
	if text == "" {
		return ""
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	if strings.Contains(e.Resource, "/trail/") {
		text += ": " + aws.ARNOf(e.Resource)
	}
	return text + "."
}
