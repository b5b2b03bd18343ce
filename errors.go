package holdfast

import (
	"context"
	"errors"
	"strings"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Kind says what went wrong, in the words that all places share; they are
// those of package client.
type Kind = client.Kind

// The kinds.
const (
	Internal         = client.Internal         // a place or this package failed
	InvalidArgument  = client.InvalidArgument  // the request itself is wrong
	Unauthenticated  = client.Unauthenticated  // the credential proves nothing
	PermissionDenied = client.PermissionDenied // the caller may not
	NotFound         = client.NotFound         // no key has the name
	AlreadyExists    = client.AlreadyExists    // the name is taken
	WrongState       = client.WrongState       // the key's state forbids the call: it is disabled, or to be deleted
	Conflict         = client.Conflict         // the name is of several keys, or of another one than was meant
	Unsupported      = client.Unsupported      // the place or the key does not have it
	LimitExceeded    = client.LimitExceeded    // a size limit, or the place's limit of requests
	BadCiphertext    = client.BadCiphertext    // a ciphertext that this key did not make
	BadSignature     = client.BadSignature     // a signature or code that is wrong
	Unavailable      = client.Unavailable      // trying again may help
)

// Error is a failure. Errors of this package are, or wrap, an *Error.
type Error struct {
	Kind Kind
	// Op is what was being done, such as "signing".
	Op string
	// URI names the key or the place; it may be empty.
	URI string
	// Detail is a sentence about the failure. It holds no secret.
	Detail string
	// Err is the cause, in the words of the place; it may be nil.
	Err error
}

// Error returns what was being done, with what, and what went wrong.
func (e *Error) Error() string {
	var parts []string
	for _, part := range []string{strings.TrimSpace(e.Op + " " + e.URI), e.Detail} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of an error of this package or of package client,
// Internal of any other, and "" of nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return classify(err)
}

// failed makes an *Error of what went wrong, unless it is one that says which
// key or place it is about.
func failed(op, uri string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok && e.URI != "" {
		return err
	}
	e := &Error{Kind: KindOf(err), Op: op, URI: uri}
	if f, ok := err.(*fault.Error); ok { //nolint:errorlint // what wraps a fault has words of its own
		e.Detail, e.Err = f.Public, f.Err
		if e.Detail == "" {
			e.Detail = f.Kind.String()
		}
		return e
	}
	e.Err = err
	return e
}

// refuse returns an *Error with a sentence.
func refuse(kind Kind, op, uri, detail string) error {
	return &Error{Kind: kind, Op: op, URI: uri, Detail: detail}
}

// classify returns the kind of an error of another package.
func classify(err error) Kind {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		if f.Reason == fault.KeyUnavailable {
			return Unavailable
		}
		return kinds[f.Kind]
	}
	if kind := client.KindOf(err); kind != "" {
		return kind
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Unavailable
	}
	if _, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok {
		return Unavailable // net/http and net say so of all that is between here and there
	}
	return Internal
}

// kinds has what package fault calls the kinds.
var kinds = [...]Kind{
	fault.Internal: Internal, fault.InvalidArgument: InvalidArgument, fault.Unauthenticated: Unauthenticated,
	fault.PermissionDenied: PermissionDenied, fault.NotFound: NotFound, fault.AlreadyExists: AlreadyExists,
	fault.WrongState: WrongState, fault.Conflict: Conflict, fault.Unsupported: Unsupported,
	fault.LimitExceeded: LimitExceeded, fault.BadCiphertext: BadCiphertext, fault.BadSignature: BadSignature,
	fault.Unavailable: Unavailable,
}
