package cloudwatch

import (
	"net/http"
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// The exceptions of AWS's model, by their names in it.
const (
	internalCode    = "InternalServiceFault"
	notFoundCode    = "ResourceNotFound"
	noResourceCode  = "ResourceNotFoundException"
	limitCode       = "LimitExceededFault"
	formatCode      = "InvalidFormatFault"
	tokenCode       = "InvalidNextToken"
	combinationCode = "InvalidParameterCombinationException"
	valueCode       = "InvalidParameterValueException"
	requiredCode    = "MissingRequiredParameterException"
	conflictCode    = "ConcurrentModificationException"
)

// queryCodes are the codes of exceptions in Query (the model's awsQueryError).
var queryCodes = map[string]string{
	internalCode: "InternalServiceError", limitCode: "LimitExceeded", formatCode: "InvalidFormat",
	combinationCode: "InvalidParameterCombination", valueCode: "InvalidParameterValue", requiredCode: "MissingParameter",
	"ValidationException": "ValidationError", "SerializationException": "MalformedInput",
}

// explain puts an error into Amazon CloudWatch's words. What is not in its
// model has the codes of Query in every protocol: clients have known them for
// longer.
func explain(x *aws.Exchange, err error) aws.Failure {
	e := aws.FaultOf(err)
	if f, ok := aws.Carried(e); ok {
		if f.Code == aws.CodeParameter || f.Code == "UnsupportedOperationException" && !slices.Contains(unserved, x.Operation()) {
			f.Code = valueCode // a parameter, not the operation
		}
		return aws.InQuery(f)
	}
	switch e.Kind {
	case fault.Internal:
		return aws.Internal(x, internalCode)
	case fault.Unauthenticated:
		return aws.InQuery(aws.Unauthenticated(e))
	case fault.PermissionDenied:
		return aws.InQuery(aws.Denied(x, e))
	case fault.NotFound:
		code := notFoundCode
		switch x.Operation() {
		case "TagResource", "UntagResource", "ListTagsForResource":
			code = noResourceCode
		}
		return aws.Failure{Status: http.StatusNotFound, Code: code, Message: sentence(e.Public)}
	case fault.InvalidArgument:
		code := valueCode
		if e.Reason == fault.MalformedMarker {
			code = tokenCode
		}
		return bad(code, e)
	case fault.LimitExceeded:
		return bad(limitCode, e)
	case fault.Conflict:
		return aws.Failure{Status: http.StatusTooManyRequests, Code: conflictCode, Message: sentence(e.Public)}
	case fault.AlreadyExists, fault.WrongState, fault.Unsupported, fault.BadCiphertext, fault.BadSignature:
		return bad(valueCode, e)
	case fault.Unavailable:
		return aws.Failure{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Message: sentence(e.Public)}
	}
	return aws.Internal(x, internalCode)
}

func bad(code string, e *fault.Error) aws.Failure {
	return aws.Failure{Status: http.StatusBadRequest, Code: code, Message: sentence(e.Public)}
}

// sentence makes a sentence of a text of the core's.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}

// The failures that this front end finds itself.

func invalid(message string) error { return wire.Invalid(valueCode, message) }

func combination(message string) error { return wire.Invalid(combinationCode, message) }

// unsupported is the failure of a request for what AWS has and Holdfast has
// not, which is named in what.
func unsupported(what string) error {
	return wire.Invalid(valueCode, "Holdfast does not support "+what+".")
}
