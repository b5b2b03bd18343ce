package spire

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-kms/holdfast"
)

// statusOf returns an error as SPIRE has it, nil for nil.
func statusOf(err error) error {
	if _, ok := status.FromError(err); ok { // also nil
		return err
	}
	return status.Error(codeOf(err), err.Error())
}

// codeOf returns the code of a failure. SPIRE knows by NotFound that there is no
// such key.
func codeOf(err error) codes.Code {
	switch {
	case errors.Is(err, context.Canceled):
		return codes.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded
	}
	switch holdfast.KindOf(err) {
	case holdfast.InvalidArgument:
		return codes.InvalidArgument
	case holdfast.Unauthenticated:
		return codes.Unauthenticated
	case holdfast.PermissionDenied:
		return codes.PermissionDenied
	case holdfast.NotFound:
		return codes.NotFound
	case holdfast.AlreadyExists:
		return codes.AlreadyExists
	case holdfast.WrongState, holdfast.Conflict, holdfast.Unsupported:
		return codes.FailedPrecondition
	case holdfast.LimitExceeded:
		return codes.ResourceExhausted
	case holdfast.Unavailable:
		return codes.Unavailable
	case holdfast.Internal, holdfast.BadCiphertext, holdfast.BadSignature:
		return codes.Internal
	}
	return codes.Internal // an error without a kind
}
