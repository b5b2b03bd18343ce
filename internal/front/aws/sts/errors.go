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
	if f, ok := reason(x, e); ok {
		return f
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

// reason explains those faults for which AWS STS has errors of its own.
func reason(x *aws.Exchange, e *fault.Error) (aws.Failure, bool) {
	denied := aws.Failure{Status: http.StatusForbidden, Code: "AccessDenied", Message: e.Public}
	bad := aws.Failure{Status: http.StatusBadRequest, Message: e.Public}
	switch e.Reason {
	case fault.InvalidIdentityToken:
		bad.Code = "InvalidIdentityToken"
	case fault.ExpiredIdentityToken:
		bad.Code = "ExpiredTokenException"
	case fault.RejectedIdentityToken:
		bad.Status, bad.Code = http.StatusForbidden, "IDPRejectedClaim"
	case fault.IssuerUnreachable:
		bad.Code = "IDPCommunicationError"
	case fault.MalformedPolicy:
		bad.Code = "MalformedPolicyDocument"
	case fault.PolicyTooLong:
		bad.Code = "PackedPolicyTooLarge"
	case fault.WrongFactor:
		denied.Message = "MultiFactorAuthentication failed: " + e.Public
		return denied, true
	default:
		return denial(x, e, denied)
	}
	return bad, true
}

// denial explains refusals of which AWS STS tells less than other services: a
// web identity is nobody until a role takes it in, and what no policy refused
// has no policy to name.
func denial(x *aws.Exchange, e *fault.Error, denied aws.Failure) (aws.Failure, bool) {
	switch {
	case e.Kind != fault.PermissionDenied:
		return aws.Failure{}, false
	case x.Operation() == "AssumeRoleWithWebIdentity":
		denied.Message = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
	case e.Reason != fault.Unspecified:
		return aws.Failure{}, false
	}
	return denied, true
}
