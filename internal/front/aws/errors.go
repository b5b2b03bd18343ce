package aws

import (
	"errors"
	"net/http"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// codeTooLarge is the code for a body above MaxBody.
const codeTooLarge = "RequestEntityTooLargeException"

// Failure is an error as a client sees it. Status is the HTTP status: AWS
// answers 400 to every mistake of a client's, and 403 to some in its Query
// APIs.
type Failure struct {
	Status  int
	Code    string
	Message string
}

// queryCode returns the code in the service's Query API.
func (f *Failure) queryCode(s *service) string {
	if code, other := s.QueryCodes[f.Code]; other {
		return code
	}
	return f.Code
}

// side says whose mistake the failure is.
func (f *Failure) side() string {
	if f.Status >= http.StatusInternalServerError {
		return "Receiver"
	}
	return "Sender"
}

// encode returns the body.
func (f *Failure) encode(x *Exchange) []byte {
	switch x.protocol {
	case overQuery:
		return wire.XMLError(x.service.Namespace, f.side(), f.queryCode(x.service), f.Message, x.Call.RequestID)
	case overCBOR:
		x.cbor.Reset(x.buffers.out)
		f.write(&x.cbor)
		return x.cbor.Bytes()
	case overJSON:
	}
	x.Out.Reset(x.buffers.out)
	f.write(&x.Out)
	return x.Out.Bytes()
}

// write writes the failure as a structure.
func (f *Failure) write(w Writer) {
	w.Text("__type", f.Code)
	if f.Message != "" {
		w.Text("message", f.Message)
	}
}

// FaultOf returns the fault in err; an error that is none is Internal.
func FaultOf(err error) *fault.Error {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e
	}
	return &fault.Error{Kind: fault.Internal, Err: err}
}

// Carried returns the exception that a fault carries as its cause: the front
// ends' own complaints about a request.
func Carried(e *fault.Error) (Failure, bool) {
	x, ok := errors.AsType[*wire.Exception](e.Err)
	if !ok {
		return Failure{}, false
	}
	status := http.StatusBadRequest
	if x.Code == codeTooLarge {
		status = http.StatusRequestEntityTooLarge
	}
	return Failure{status, x.Code, x.Message}, true
}

// Unauthenticated puts a fault of authentication into AWS's words.
func Unauthenticated(e *fault.Error) Failure {
	code, message := "UnrecognizedClientException", "The security token included in the request is invalid."
	switch e.Reason { //nolint:exhaustive // the reasons of Unauthenticated; the table test has all reasons
	case fault.MissingCredential:
		code, message = "MissingAuthenticationTokenException", e.Public
	case fault.ExpiredCredential:
		code, message = "ExpiredTokenException", "The security token included in the request is expired"
	case fault.ClockSkew, fault.WrongProof:
		code, message = "InvalidSignatureException", e.Public
	case fault.MalformedProof, fault.UnsupportedProof:
		code, message = "IncompleteSignatureException", e.Public
	}
	return Failure{http.StatusBadRequest, code, message}
}

// Denied puts a refusal by policy into AWS's words (IAM User Guide,
// "Troubleshoot access denied error messages").
func Denied(x *Exchange, e *fault.Error) Failure {
	action := iamAction(e.Op)
	text := "User: " + wire.PrincipalARN(x.Call.Caller.Principal) + " is not authorized to perform: " + action +
		" on resource: " + wire.PolicyARN(resourceOf(e.Resource))
	switch e.Reason { //nolint:exhaustive // the reasons of PermissionDenied; the table test has all reasons
	case fault.DeniedByResourcePolicy:
		text += " with an explicit deny in a resource-based policy"
	case fault.DeniedByIdentityPolicy:
		text += " with an explicit deny in an identity-based policy"
	case fault.NoResourcePolicyAllows:
		text += " because no resource-based policy allows the " + action + " action"
	case fault.NoIdentityPolicyAllows:
		text += " because no identity-based policy allows the " + action + " action"
	case fault.DeniedBySessionPolicy:
		text += " with an explicit deny in a session policy"
	case fault.NoSessionPolicyAllows:
		text += " because no session policy allows the " + action + " action"
	case fault.ApprovalRequired, fault.MFARequired:
		text += ": " + e.Public
	}
	return Failure{http.StatusBadRequest, "AccessDeniedException", text}
}

// iamAction returns IAM's name of an action that a fault names in its
// canonical form, such as "kms:Encrypt" for "key:Encrypt".
func iamAction(op string) string {
	for _, a := range key.Actions() {
		if a.String() == op {
			return wire.ActionName(a)
		}
	}
	return op
}

// ARNOf returns the ARN of a resource that a fault names in its canonical
// form (key.Resource.String); "*" for the realm at large.
func ARNOf(resource string) string { return wire.ResourceARN(resourceOf(resource)) }

// resourceOf reads key.Resource.String.
func resourceOf(resource string) key.Resource {
	if r, ok := key.ParseResource(resource); ok {
		return r
	}
	realm, _, _ := strings.Cut(resource, "/")
	return key.Resource{Realm: key.RealmID(realm)}
}

// Internal is what a client learns of a failure that is not its own: nothing
// but where to find it in the log.
func Internal(x *Exchange, code string) Failure {
	return Failure{
		http.StatusInternalServerError, code,
		"The request failed because of an internal error. Request id: " + x.Call.RequestID,
	}
}

// ExplainShared explains the faults of requests that name no service.
func ExplainShared(x *Exchange, err error) Failure {
	e := FaultOf(err)
	if f, ok := Carried(e); ok {
		return f
	}
	switch e.Kind {
	case fault.Unauthenticated:
		return Unauthenticated(e)
	case fault.Internal:
		return Internal(x, "InternalFailure")
	case fault.Unavailable:
		return Failure{http.StatusServiceUnavailable, "ServiceUnavailableException", e.Public}
	case fault.PermissionDenied:
		return Denied(x, e)
	case fault.LimitExceeded:
		return Failure{http.StatusBadRequest, "LimitExceededException", e.Public}
	case fault.InvalidArgument, fault.NotFound, fault.AlreadyExists, fault.WrongState, fault.Conflict,
		fault.Unsupported, fault.BadCiphertext, fault.BadSignature:
		return Failure{http.StatusBadRequest, "ValidationException", e.Public}
	}
	return Internal(x, "InternalFailure")
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

// InQuery returns a failure in the words of the Query APIs.
func InQuery(f Failure) Failure {
	if q, ok := queryCodes[f.Code]; ok {
		f.Status, f.Code = q.status, q.code
	}
	return f
}
