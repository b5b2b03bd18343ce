package sts

import (
	"net/http"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
)

// explain puts an error into AWS STS's words.
func explain(x *aws.Exchange, err error) aws.Failure {
	e := aws.FaultOf(err)
	if f, ok := aws.Carried(e); ok {
		return aws.InQuery(f)
	}
	switch e.Kind {
	case fault.Internal:
		return aws.Internal(x, "InternalFailure")
	case fault.Unauthenticated:
		return aws.InQuery(aws.Unauthenticated(e))
	case fault.PermissionDenied:
		return aws.InQuery(aws.Denied(x, e))
	case fault.Unavailable:
		return aws.Failure{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Message: e.Public}
	case fault.LimitExceeded:
		return aws.Failure{Status: http.StatusBadRequest, Code: "Throttling", Message: e.Public}
	case fault.InvalidArgument, fault.NotFound, fault.AlreadyExists, fault.WrongState, fault.Conflict,
		fault.Unsupported, fault.BadCiphertext, fault.BadSignature:
		return aws.Failure{Status: http.StatusBadRequest, Code: "ValidationError", Message: e.Public}
	}
	return aws.Internal(x, "InternalFailure")
}
