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
		return inQuery(f)
	}
	switch e.Kind {
	case fault.Internal:
		return aws.Internal(x, "InternalFailure")
	case fault.Unauthenticated:
		return inQuery(aws.Unauthenticated(e))
	case fault.PermissionDenied:
		return inQuery(aws.Denied(x, e))
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

// queryCodes are the codes of the protocol's errors in the Query APIs, which
// have no "Exception" in them and answer 403 to who is not let in.
var queryCodes = map[string]struct {
	status int
	code   string
}{
	"MissingAuthenticationTokenException": {http.StatusForbidden, "MissingAuthenticationToken"},
	"UnrecognizedClientException":         {http.StatusForbidden, "InvalidClientTokenId"},
	"InvalidSignatureException":           {http.StatusForbidden, "SignatureDoesNotMatch"},
	"ExpiredTokenException":               {http.StatusForbidden, "ExpiredToken"},
	"IncompleteSignatureException":        {http.StatusBadRequest, "IncompleteSignature"},
	"AccessDeniedException":               {http.StatusForbidden, "AccessDenied"},
	"UnsupportedOperationException":       {http.StatusBadRequest, "InvalidAction"},
}

// inQuery returns a failure in the words of the Query APIs.
func inQuery(f aws.Failure) aws.Failure {
	if q, ok := queryCodes[f.Code]; ok {
		f.Status, f.Code = q.status, q.code
	}
	return f
}
