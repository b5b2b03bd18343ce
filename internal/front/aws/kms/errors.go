package kms

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// explain puts an error into AWS KMS's words. AWS answers 400 to every
// mistake of a client's, whatever status its model has.
func explain(x *aws.Exchange, err error) aws.Failure {
	e := aws.FaultOf(err)
	if f, ok := aws.Carried(e); ok {
		return f
	}
	if f, ok := importFailed(e); ok {
		return f
	}
	if f, ok := storeFailed(e); ok {
		return f
	}
	switch e.Kind {
	case fault.Internal:
		return aws.Internal(x, "KMSInternalException")
	case fault.InvalidArgument:
		return invalidArgument(x, e)
	case fault.Unauthenticated:
		return aws.Unauthenticated(e)
	case fault.PermissionDenied:
		return permissionDenied(x, e)
	case fault.NotFound:
		return bad("NotFoundException", notFound(e))
	case fault.AlreadyExists:
		return bad("AlreadyExistsException", "An alias with the name "+aws.ARNOf(e.Resource)+" already exists")
	case fault.WrongState:
		return wrongState(e)
	case fault.Conflict:
		return bad("ConflictException", e.Public)
	case fault.Unsupported:
		return bad("UnsupportedOperationException", unsupported(e))
	case fault.LimitExceeded:
		return limitExceeded(e)
	case fault.BadCiphertext:
		return bad("InvalidCiphertextException", "")
	case fault.BadSignature:
		return bad(badSignature(x), "")
	case fault.Unavailable:
		return aws.Failure{Status: http.StatusServiceUnavailable, Code: "DependencyTimeoutException", Message: e.Public}
	}
	return aws.Internal(x, "KMSInternalException")
}

func bad(code, message string) aws.Failure {
	return aws.Failure{Status: http.StatusBadRequest, Code: code, Message: message}
}

func invalidArgument(x *aws.Exchange, e *fault.Error) aws.Failure {
	switch e.Reason { //nolint:exhaustive // what has no exception of its own is a ValidationException, below
	case fault.WrongUsage, fault.WrongAlgorithm, fault.MessageTooLong, fault.DigestLength:
		return misfit(x, e)
	case fault.IncorrectKey:
		return bad("IncorrectKeyException",
			"The key ID in the request does not identify a CMK that can perform this operation.")
	case fault.UnfitPeer:
		return bad(validation, "")
	case fault.MalformedPolicy:
		return bad("MalformedPolicyDocumentException", e.Public)
	case fault.PolicyLockout:
		return bad("MalformedPolicyDocumentException",
			"The new key policy will not allow you to update the key policy in the future.")
	case fault.MalformedAlias:
		return malformedAlias(x, e)
	case fault.MalformedMarker:
		return bad("InvalidMarkerException", e.Public)
	case fault.MalformedTag:
		return bad("TagException", e.Public)
	case fault.ReservedTag:
		return bad("TagException", "Tags beginning with aws: are reserved")
	case fault.DuplicateTag:
		return bad("TagException", "Duplicate tag keys")
	case fault.IncompatibleUsage:
		return bad(validation, incompatible(x))
	case fault.UsageRequired:
		return bad(validation, "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.")
	case fault.DryRun:
		return bad("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
	}
	return bad(validation, e.Public)
}

const (
	validation = "ValidationException"
	wrongUsage = "InvalidKeyUsageException"
)

// misfit explains what does not go with the key that the request names. A
// fault that does not say which key that is has its own text.
func misfit(x *aws.Exchange, e *fault.Error) aws.Failure {
	about, ok := errors.AsType[*key.Misfit](e.Err)
	if !ok {
		return bad(validation, e.Public)
	}
	k, algorithm := about.Key, x.Words.Algorithm
	a, _ := wire.ParseAlgorithm(algorithm)
	switch {
	case e.Reason == fault.DigestLength:
		return bad(validation, "Digest is invalid length for algorithm "+algorithm+".")
	case e.Reason == fault.MessageTooLong && k.Spec.MaxPlaintext(a) > 0:
		return bad(validation, "Algorithm "+algorithm+" and key spec "+wire.SpecName(k.Spec)+
			" cannot encrypt data larger than "+strconv.Itoa(k.Spec.MaxPlaintext(a))+" bytes.")
	case e.Reason == fault.MessageTooLong:
		return bad(validation, e.Public)
	case e.Reason == fault.WrongUsage:
		return bad(wrongUsage, wire.KeyARN(k.Name)+" key usage is "+wire.UsageName(k.Usage)+
			" which is not valid for "+x.Operation()+".")
	case k.Spec.Lists(a):
		return bad(validation, "MessageType "+x.Words.MessageType+" is not valid for algorithm "+algorithm+".")
	default:
		return bad(wrongUsage, "Algorithm "+algorithm+" is incompatible with key spec "+wire.SpecName(k.Spec)+".")
	}
}

func malformedAlias(x *aws.Exchange, e *fault.Error) aws.Failure {
	if strings.HasPrefix(x.Words.AliasName, kms.AliasPrefix) {
		return bad("InvalidAliasNameException", e.Public)
	}
	return bad(validation, `Alias must start with the prefix "alias/". `+
		"Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html")
}

func permissionDenied(x *aws.Exchange, e *fault.Error) aws.Failure {
	switch e.Reason { //nolint:exhaustive // the policies' reasons are all in aws.Denied
	case fault.ReservedAlias:
		return bad("NotAuthorizedException", "")
	case fault.UnknownKey:
		return bad("AccessDeniedException", "The ciphertext refers to a customer master key that does not exist, "+
			"does not exist in this region, or you are not allowed to access.")
	}
	return aws.Denied(x, e)
}

func notFound(e *fault.Error) string {
	id := e.Resource[strings.LastIndexByte(e.Resource, '/')+1:]
	switch {
	case e.Reason == fault.ForeignRegion:
		return "Invalid arn " + e.Resource
	case e.Reason == fault.MalformedKeyID:
		if parts := strings.SplitN(e.Resource, "/", 3); len(parts) == 3 {
			id = parts[2] // which may have slashes of its own
		}
		return "Invalid keyId '" + id + "'"
	case strings.Contains(e.Resource, "/"+string(key.KindAlias)+"/"):
		return "Alias " + aws.ARNOf(e.Resource) + " is not found."
	default:
		return "Key '" + aws.ARNOf(e.Resource) + "' does not exist"
	}
}

func wrongState(e *fault.Error) aws.Failure {
	arn := aws.ARNOf(e.Resource)
	switch e.Reason { //nolint:exhaustive // the reasons of WrongState; the table test has all reasons
	case fault.KeyDisabled:
		return bad("DisabledException", arn+" is disabled.")
	case fault.KeyPendingDeletion:
		return bad(invalidState, arn+" is pending deletion.")
	case fault.KeyPendingImport:
		return bad(invalidState, arn+" is pending import.")
	case fault.KeyUnavailable:
		return bad(invalidState, arn+" is unavailable.")
	case fault.KeyCreating:
		return bad(invalidState, arn+" is creating.")
	case fault.KeyNotPendingDeletion:
		return bad(invalidState, arn+" is not pending deletion.")
	}
	return bad(invalidState, e.Public)
}

const invalidState = "KMSInvalidStateException"

// unsupported is empty for what a key's spec does not offer: AWS says no more
// there either.
func unsupported(e *fault.Error) string {
	if e.Resource != "" {
		return ""
	}
	return e.Public
}

func limitExceeded(e *fault.Error) aws.Failure {
	switch e.Reason { //nolint:exhaustive // what has no text of its own has the fault's
	case fault.TooManyTags:
		return bad("TagException", "Too many tags")
	case fault.TooManyRotations:
		return bad("LimitExceededException", "The on-demand rotations limit has been reached for the given keyId. "+
			"No more on-demand rotations can be performed for this key: "+aws.ARNOf(e.Resource))
	}
	return bad("LimitExceededException", e.Public)
}

// badSignature returns the exception for a signature or a code that is wrong.
func badSignature(x *aws.Exchange) string {
	if x.Operation() == "VerifyMac" {
		return "KMSInvalidMacException"
	}
	return "KMSInvalidSignatureException"
}
