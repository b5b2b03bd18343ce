package awskms

import (
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// The verdicts that several codes share. AWS KMS answers a code only when it
// has not done what was asked, but for its own failures.
var (
	throttled    = remote.Verdict{Kind: fault.LimitExceeded, Again: true, Refused: true}
	failing      = remote.Verdict{Kind: fault.Unavailable, Again: true, Down: true}
	unproved     = remote.Verdict{Kind: fault.Unauthenticated, Refused: true}
	outOfDate    = remote.Verdict{Kind: fault.Unauthenticated, Again: true, Refused: true}
	forbidden    = remote.Verdict{Kind: fault.PermissionDenied, Refused: true}
	malformed    = remote.Verdict{Kind: fault.InvalidArgument, Refused: true}
	disconnected = remote.Verdict{Kind: fault.Unavailable, Refused: true, Public: "the key store that the key is in cannot be reached by the key service"}
	full         = remote.Verdict{Kind: fault.LimitExceeded, Refused: true, Public: "the key service has no room for more: a quota of its account is used up"}
)

// verdicts says what the codes of AWS KMS mean, and those that all services of
// AWS have.
var verdicts = map[string]remote.Verdict{
	"NotFoundException":        {Kind: fault.NotFound, Refused: true},
	"AlreadyExistsException":   {Kind: fault.AlreadyExists, Refused: true},
	"DisabledException":        {Kind: fault.WrongState, Reason: fault.KeyDisabled, Refused: true, Public: "the key is disabled where it lives"},
	"KMSInvalidStateException": {Kind: fault.WrongState, Reason: fault.KeyUnavailable, Refused: true, Public: "the key cannot be used in the state that it has where it lives"},
	"KeyUnavailableException":  {Kind: fault.Unavailable, Again: true, Refused: true},
	"ConflictException":        {Kind: fault.Conflict, Again: true, Refused: true},

	"InvalidCiphertextException":   {Kind: fault.BadCiphertext, Refused: true},
	"IncorrectKeyException":        {Kind: fault.BadCiphertext, Refused: true},
	"KMSInvalidSignatureException": {Kind: fault.BadSignature, Refused: true},
	"KMSInvalidMacException":       {Kind: fault.BadSignature, Refused: true},
	"InvalidKeyUsageException":     {Kind: fault.Unsupported, Refused: true},
	"UnsupportedOperationException": {
		Kind: fault.Unsupported, Refused: true,
	},

	"ValidationException":              malformed,
	"InvalidArnException":              malformed,
	"InvalidAliasNameException":        malformed,
	"InvalidMarkerException":           malformed,
	"MalformedPolicyDocumentException": malformed,
	"TagException":                     malformed,
	"IncorrectKeyMaterialException":    {Kind: fault.Conflict, Refused: true, Public: "the key has other material already"},
	"InvalidImportTokenException":      {Kind: fault.Unavailable, Refused: true},
	"ExpiredImportTokenException":      {Kind: fault.Unavailable, Refused: true},

	"ThrottlingException":      throttled,
	"Throttling":               throttled,
	"ThrottledException":       throttled,
	"RequestThrottled":         throttled,
	"RequestLimitExceeded":     throttled,
	"TooManyRequestsException": throttled,
	"LimitExceededException":   full,

	"AccessDeniedException":  forbidden,
	"AccessDenied":           forbidden,
	"NotAuthorizedException": forbidden,
	"OptInRequired":          forbidden,

	"UnrecognizedClientException":           unproved,
	"InvalidClientTokenId":                  unproved,
	"InvalidAccessKeyId":                    unproved,
	"InvalidSignatureException":             unproved,
	"SignatureDoesNotMatch":                 unproved,
	"IncompleteSignature":                   unproved,
	"IncompleteSignatureException":          unproved,
	"MissingAuthenticationToken":            unproved,
	"MissingAuthenticationTokenException":   unproved,
	"ExpiredToken":                          outOfDate,
	"ExpiredTokenException":                 outOfDate,
	"RequestExpired":                        outOfDate, // the SDK has learned the time from the answer
	"RequestTimeTooSkewed":                  outOfDate,
	"RequestInTheFuture":                    outOfDate,
	"KMSInternalException":                  failing,
	"InternalFailure":                       failing,
	"InternalServerError":                   failing,
	"ServiceUnavailable":                    failing,
	"ServiceUnavailableException":           failing,
	"DependencyTimeoutException":            failing,
	"IDPCommunicationError":                 failing, // of AWS STS
	"CustomKeyStoreInvalidStateException":   disconnected,
	"CustomKeyStoreNotFoundException":       disconnected,
	"CloudHsmClusterNotActiveException":     disconnected,
	"XksKeyNotFoundException":               disconnected,
	"XksProxyUriUnreachableException":       disconnected,
	"XksProxyInvalidResponseException":      disconnected,
	"XksKeyInvalidConfigurationException":   disconnected,
	"XksProxyInvalidConfigurationException": disconnected,
}

// states says which state of a key a message of KMSInvalidStateException means.
var states = []struct {
	text   string
	reason fault.Reason
	public string
}{
	{"is not pending deletion", fault.KeyNotPendingDeletion, "the key is not deleted where it lives"},
	{"pending deletion", fault.KeyPendingDeletion, "the key is deleted where it lives, and can be recovered there for some days"},
	{"pending import", fault.KeyPendingImport, "the key has no material where it lives"},
	{"disabled", fault.KeyDisabled, "the key is disabled where it lives"},
	{"creating", fault.KeyCreating, "the key is not ready yet where it lives"},
}

// classify says what an error of the SDK means.
func classify(err error) remote.Verdict {
	if n, ok := errors.AsType[*noCredentials](err); ok {
		return withoutCredentials(n.error)
	}
	if _, ok := errors.AsType[*notYet](err); ok {
		return remote.Verdict{Kind: fault.NotFound, Again: true, Refused: true}
	}
	if _, ok := errors.AsType[*wrongAnswer](err); ok {
		return failing
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		v := coded(api.ErrorCode(), api.ErrorMessage(), statusOf(err))
		if v.Again {
			v.After = retryAfter(err)
		}
		return v
	}
	if _, ok := errors.AsType[*smithy.SerializationError](err); ok {
		return remote.Verdict{Kind: fault.Internal, Refused: true}
	}
	if _, ok := errors.AsType[*smithy.InvalidParamsError](err); ok {
		return remote.Verdict{Kind: fault.Internal, Refused: true}
	}
	v := failing // a connection that broke, or an answer that cannot be read
	v.Refused = undialled(err)
	return v
}

// withoutCredentials says what it means that there are no credentials. The
// request was not sent.
func withoutCredentials(err error) remote.Verdict {
	v := unproved
	if _, ok := errors.AsType[smithy.APIError](err); ok { // of AWS STS
		if of := classify(err); of.Kind == fault.Unavailable || of.Kind == fault.LimitExceeded {
			v = of
		}
	} else if _, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
		v = failing
	}
	v.Refused = true
	return v
}

// coded says what a code means.
func coded(code, message string, status int) remote.Verdict {
	v, known := verdicts[code]
	switch {
	case code == "KMSInvalidStateException":
		for _, s := range states {
			if strings.Contains(message, s.text) {
				v.Reason, v.Public = s.reason, s.public
				return v
			}
		}
	case code == "AccessDeniedException" && strings.HasPrefix(message, "The ciphertext refers to a customer master key"):
		return remote.Verdict{Kind: fault.BadCiphertext, Refused: true}
	case known:
	case status == http.StatusTooManyRequests:
		return throttled
	case status >= http.StatusInternalServerError:
		return failing
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return forbidden
	default:
		return malformed
	}
	return v
}

// codeOf returns the code of an error of AWS's, "" of any other.
func codeOf(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// expired reports whether an error says that the credentials were good once.
func expired(err error) bool {
	code := codeOf(err)
	return code == "ExpiredToken" || code == "ExpiredTokenException"
}

func statusOf(err error) int {
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return r.HTTPStatusCode()
	}
	return 0
}

// retryAfter returns for how long the service wants to be left alone.
func retryAfter(err error) time.Duration {
	r, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || r.Response == nil {
		return 0
	}
	seconds, err := strconv.Atoi(r.Response.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// undialled reports whether a request was not sent, because there was no
// connection to send it on.
func undialled(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}
