package sns

import (
	"errors"
	"net/http"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/topic"
)

const invalidParameter = "InvalidParameter"

// explain puts an error into Amazon SNS's words.
func explain(x *aws.Exchange, err error) aws.Failure {
	e := aws.FaultOf(err)
	if f, ok := aws.Carried(e); ok {
		if f.Code == aws.CodeParameter {
			f.Code = invalidParameter
		}
		return aws.InQuery(f)
	}
	if f, ok := ofKey(x, e); ok {
		return f
	}
	switch e.Kind {
	case fault.Internal:
		return aws.Internal(x, "InternalError")
	case fault.Unauthenticated:
		return aws.InQuery(aws.Unauthenticated(e))
	case fault.PermissionDenied:
		f := aws.Denied(x, e)
		return aws.Failure{Status: http.StatusForbidden, Code: "AuthorizationError", Message: f.Message}
	case fault.NotFound:
		return notFound(x, e)
	case fault.LimitExceeded:
		return limit(x, e)
	case fault.WrongState:
		return aws.Failure{Status: http.StatusBadRequest, Code: "InvalidState", Message: sentence(e)}
	case fault.Conflict:
		return aws.Failure{Status: http.StatusBadRequest, Code: "ConcurrentAccess", Message: sentence(e)}
	case fault.Unavailable:
		return aws.Failure{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Message: sentence(e)}
	case fault.InvalidArgument, fault.AlreadyExists, fault.Unsupported, fault.BadCiphertext, fault.BadSignature:
		return aws.Failure{Status: http.StatusBadRequest, Code: invalidParameter, Message: invalid(e)}
	}
	return aws.Internal(x, "InternalError")
}

// sentence returns a text of the core's as AWS would print it.
func sentence(e *fault.Error) string {
	if e.Public == "" {
		return ""
	}
	return strings.ToUpper(e.Public[:1]) + e.Public[1:]
}

// invalid returns the text for a parameter that is wrong.
func invalid(e *fault.Error) string {
	of, named := errors.AsType[*topic.Invalid](e.Err)
	switch {
	case !named:
		return "Invalid parameter: " + sentence(e)
	case e.Public == "":
		return "Invalid parameter: " + of.Name
	}
	return "Invalid parameter: " + of.Name + " Reason: " + sentence(e)
}

// notFound tells topics from subscriptions; operations on tags have a code of
// their own.
func notFound(x *aws.Exchange, e *fault.Error) aws.Failure {
	code := "NotFound"
	switch x.Operation() {
	case "TagResource", "UntagResource", "ListTagsForResource":
		code = "ResourceNotFound"
	}
	text := sentence(e)
	if strings.Contains(e.Resource, "/"+string(key.KindTopic)+"/") {
		text = "Topic does not exist"
	} else if strings.Contains(e.Resource, "/"+string(key.KindSubscription)+"/") {
		text = "Subscription does not exist"
	}
	return aws.Failure{Status: http.StatusNotFound, Code: code, Message: text}
}

// limit returns the error for a bound, which each operation has its own for.
func limit(x *aws.Exchange, e *fault.Error) aws.Failure {
	f := aws.Failure{Status: http.StatusForbidden, Code: "SubscriptionLimitExceeded", Message: sentence(e)}
	of, named := errors.AsType[*topic.Invalid](e.Err)
	switch {
	case e.Reason == fault.TooManyTags:
		f.Status, f.Code = http.StatusBadRequest, "TagLimitExceeded"
	case named && of.Name == "FilterPolicy":
		f.Code = "FilterPolicyLimitExceeded"
	case x.Operation() == "CreateTopic":
		f.Code = "TopicLimitExceeded"
	case x.Operation() != "Subscribe":
		f.Status, f.Code = http.StatusTooManyRequests, "Throttled"
	}
	return f
}

// ofKey explains what went wrong with the key of a topic.
func ofKey(x *aws.Exchange, e *fault.Error) (aws.Failure, bool) {
	arn := aws.ARNOf(e.Resource)
	if !strings.Contains(arn, ":kms:") {
		return aws.Failure{}, false
	}
	f := aws.Failure{Status: http.StatusBadRequest, Message: sentence(e) + ": " + arn}
	switch {
	case e.Kind == fault.PermissionDenied:
		f.Code, f.Message = "KMSAccessDenied", aws.Denied(x, e).Message
	case e.Kind == fault.NotFound:
		f.Code = "KMSNotFound"
	case e.Reason == fault.KeyDisabled:
		f.Code = "KMSDisabled"
	case e.Kind == fault.WrongState || e.Kind == fault.InvalidArgument || e.Kind == fault.Unsupported:
		f.Code = "KMSInvalidState"
	case e.Kind == fault.LimitExceeded:
		f.Code = "KMSThrottling"
	default:
		return f, false
	}
	return f, true
}
