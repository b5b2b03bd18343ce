package cloudhsm

import (
	"net/http"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// The exceptions that several faults become.
const (
	invalidRequest = "CloudHsmInvalidRequestException"
	notFoundCode   = "CloudHsmResourceNotFoundException"
	tagCode        = "CloudHsmTagException"
	serviceCode    = "CloudHsmServiceException"
	internalCode   = "CloudHsmInternalFailureException"
)

// explain puts an error into AWS CloudHSM's words. Like the other services it
// answers 400 to every mistake of a client's.
func explain(x *aws.Exchange, err error) aws.Failure {
	e := aws.FaultOf(err)
	if f, ok := aws.Carried(e); ok {
		return f
	}
	switch e.Kind {
	case fault.Internal:
		return aws.Internal(x, internalCode)
	case fault.Unauthenticated:
		return aws.Unauthenticated(e)
	case fault.PermissionDenied:
		f := aws.Denied(x, e)
		f.Code = "CloudHsmAccessDeniedException"
		return f
	case fault.NotFound:
		return bad(notFoundCode, about(e))
	case fault.InvalidArgument, fault.LimitExceeded:
		return bad(refusal(x, e), about(e))
	case fault.Unsupported, fault.AlreadyExists, fault.BadCiphertext, fault.BadSignature, fault.WrongState, fault.Conflict:
		return bad(invalidRequest, about(e))
	case fault.Unavailable:
		return aws.Failure{Status: http.StatusServiceUnavailable, Code: serviceCode, Message: about(e)}
	}
	return aws.Internal(x, internalCode)
}

// refusal returns the exception for a bad argument and a limit. The one for
// limits is TagResource's alone in AWS's model.
func refusal(x *aws.Exchange, e *fault.Error) string {
	switch e.Reason { //nolint:exhaustive // the reasons about tags; all others are invalid requests
	case fault.MalformedTag, fault.ReservedTag, fault.DuplicateTag:
		return tagCode
	case fault.TooManyTags:
		if x.Operation() == "TagResource" {
			return "CloudHsmResourceLimitExceededException"
		}
		return tagCode
	}
	return invalidRequest
}

func bad(code, message string) aws.Failure {
	return aws.Failure{Status: http.StatusBadRequest, Code: code, Message: message}
}

// about returns a text of the core's as AWS would print it, with the id of
// what it is about.
func about(e *fault.Error) string {
	text := e.Public
	if text == "" {
		return ""
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	if parts := strings.SplitN(e.Resource, "/", 4); len(parts) == 4 {
		switch kind := key.ResourceKind(parts[2]); kind { //nolint:exhaustive // the kinds that this API has ids of
		case key.KindCluster, key.KindBackup, key.KindHSM:
			text += ": " + wire.HSMResourceID(kind, parts[3])
		}
	}
	return text + "."
}
