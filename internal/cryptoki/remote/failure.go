package remote

import (
	"context"
	"errors"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// failure turns what the client returned into the error of a token. What the
// server did not answer is Unavailable.
func failure(op string, err error) error {
	if err == nil {
		return nil
	}
	if own, ok := errors.AsType[*fault.Error](err); ok {
		return own
	}
	if answered, ok := errors.AsType[*client.Error](err); ok {
		kind, _ := native.ParseKind(string(answered.Kind)) // Internal of one that is not known
		return &fault.Error{
			Kind: kind, Reason: native.ParseReason(answered.Reason), Op: op, Resource: answered.Resource,
			Public: answered.Detail, Err: requestOf(answered),
		}
	}
	if errors.Is(err, context.Canceled) {
		return &fault.Error{Kind: fault.Unavailable, Op: op, Public: "the application has gone away", Err: err}
	}
	return &fault.Error{Kind: fault.Unavailable, Op: op, Public: "the server cannot be asked", Err: err}
}

// requestOf is what the log says of an answer, to be found in the server's.
func requestOf(e *client.Error) error {
	if e.RequestID == "" {
		return nil
	}
	return errors.New("request " + e.RequestID)
}
