package gcpkms

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/googleapis/gax-go/v2/apierror"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// damage is an answer that is not what was asked for: a checksum that is not
// there or wrong, one of the request's that the service did not see, or
// another key's name. The API's reference says to discard it and ask again.
type damage struct{ what string }

func (d *damage) Error() string {
	return "the answer was changed on its way, or is another's: the wrong " + d.what
}

func damaged(what string) error { return &damage{what} }

// meaning is an error whose operation says what it means.
type meaning struct {
	error
	verdict remote.Verdict
}

func (m *meaning) Unwrap() error { return m.error }

// ofCiphertext says what the error of a decryption means: that the service has
// nothing to say against the rest of the request.
func ofCiphertext(err error) error {
	if status.Code(err) != codes.InvalidArgument || checksum(err) {
		return ofUse(err)
	}
	return &meaning{err, remote.Verdict{Kind: fault.BadCiphertext}}
}

// ofUse says what it means that a key in use is not there: it was.
func ofUse(err error) error {
	if status.Code(err) != codes.NotFound {
		return err
	}
	return &meaning{err, remote.Verdict{Kind: fault.WrongState, Reason: fault.KeyUnavailable, Public: "the key is no more where it lived"}}
}

// classify says what an error of the service, or on the way to it, means.
func classify(err error) remote.Verdict {
	if m, ok := errors.AsType[*meaning](err); ok {
		return m.verdict
	}
	if _, ok := errors.AsType[*damage](err); ok {
		return remote.Verdict{Kind: fault.Unavailable, Public: "the answers of the key service do not arrive as they should", Again: true}
	}
	if f, ok := errors.AsType[*fault.Error](err); ok { // the engine's own
		return remote.Verdict{Kind: f.Kind, Reason: f.Reason, Public: f.Public}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return remote.Verdict{Kind: fault.Unavailable, Again: true, Down: errors.Is(err, context.DeadlineExceeded)}
	}
	return ofCode(status.Code(err), err)
}

// ofCode says what a code of gRPC's means (google.rpc.Code).
func ofCode(code codes.Code, err error) remote.Verdict {
	switch code {
	case codes.InvalidArgument, codes.OutOfRange:
		if checksum(err) {
			return remote.Verdict{Kind: fault.Unavailable, Again: true, Refused: true}
		}
		return remote.Verdict{Kind: fault.InvalidArgument}
	case codes.FailedPrecondition:
		return ofState(err)
	case codes.NotFound:
		return remote.Verdict{Kind: fault.NotFound}
	case codes.AlreadyExists:
		return remote.Verdict{Kind: fault.AlreadyExists}
	case codes.PermissionDenied:
		return remote.Verdict{Kind: fault.PermissionDenied}
	case codes.Unauthenticated: // the next attempt has another token
		return remote.Verdict{Kind: fault.Unauthenticated, Again: true, Refused: true}
	case codes.ResourceExhausted:
		return remote.Verdict{Kind: fault.LimitExceeded, Again: true, Refused: true, After: retryAfter(err)}
	case codes.Aborted:
		return remote.Verdict{Kind: fault.Conflict, Again: true, After: retryAfter(err)}
	case codes.Unimplemented:
		return remote.Verdict{Kind: fault.Unsupported}
	case codes.Canceled:
		return remote.Verdict{Kind: fault.Unavailable, Again: true}
	case codes.Unavailable, codes.DeadlineExceeded, codes.Internal, codes.Unknown, codes.DataLoss, codes.OK:
	}
	return remote.Verdict{Kind: fault.Unavailable, Again: true, Down: true, After: retryAfter(err)}
}

// checksum reports whether the service says that a checksum of the request is
// wrong: the request was changed on its way.
func checksum(err error) bool {
	text := strings.ToLower(status.Convert(err).Message())
	return strings.Contains(text, "checksum") || strings.Contains(text, "crc32c")
}

// retryAfter returns how long the service wants to be left alone, 0 if it does
// not say.
func retryAfter(err error) time.Duration {
	if e, ok := apierror.FromError(err); ok {
		return e.Details().RetryInfo.GetRetryDelay().AsDuration()
	}
	return 0
}

// ofState says which state of a key it is that forbids a request. The service
// has it in a violation's type ("KEY_DISABLED") or in its sentence ("current
// state is: DISABLED").
func ofState(err error) remote.Verdict {
	var text strings.Builder
	text.WriteString(status.Convert(err).Message())
	if e, ok := apierror.FromError(err); ok {
		for _, v := range e.Details().PreconditionFailure.GetViolations() {
			text.WriteString(" " + v.GetType())
		}
	}
	v := remote.Verdict{Kind: fault.WrongState}
	for _, s := range []struct {
		word   string
		reason fault.Reason
		public string
		again  bool
	}{ // the longer words first: one may be in another
		{"DESTROY_SCHEDULED", fault.KeyPendingDeletion, "is about to be destroyed", false},
		{"PENDING_EXTERNAL_DESTRUCTION", fault.KeyPendingDeletion, "is about to be destroyed", false},
		{"DESTROYED", fault.KeyUnavailable, "was destroyed", false},
		{"PENDING_GENERATION", fault.KeyCreating, "is still being made", true},
		{"PENDING_IMPORT", fault.KeyPendingImport, "is still being imported", true},
		{"FAILED", fault.KeyUnavailable, "was never made", false},
		{"DISABLED", fault.KeyDisabled, "is disabled", false},
	} {
		if strings.Contains(text.String(), s.word) {
			v.Reason, v.Again, v.Refused = s.reason, s.again, true
			v.Public = fmt.Sprintf("the key %s where it lives", s.public)
			break
		}
	}
	return v
}
