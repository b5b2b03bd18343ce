package client

import "errors"

// Kind says what went wrong. The list may grow; docs/native.md has it.
type Kind string

// The kinds.
const (
	Internal         Kind = "internal"          // the server failed; its log has the cause
	InvalidArgument  Kind = "invalid-argument"  // the request itself is wrong
	Unauthenticated  Kind = "unauthenticated"   // the credential proves nothing
	PermissionDenied Kind = "permission-denied" // the caller may not
	NotFound         Kind = "not-found"         // the thing named does not exist
	AlreadyExists    Kind = "already-exists"    // the name is taken
	WrongState       Kind = "wrong-state"       // the thing's state forbids the call
	Conflict         Kind = "conflict"          // another call changed the thing meanwhile
	Unsupported      Kind = "unsupported"       // not offered here or for this key
	LimitExceeded    Kind = "limit-exceeded"    // a size or count limit
	BadCiphertext    Kind = "bad-ciphertext"    // a ciphertext that this key did not make
	BadSignature     Kind = "bad-signature"     // a signature or code that is wrong
	Unavailable      Kind = "unavailable"       // trying again may help
)

// Error is a failure that the server answered.
type Error struct {
	Kind Kind
	// Reason refines the kind, such as "key-disabled"; it may be empty.
	Reason string
	// Detail is a sentence about the failure.
	Detail string
	// Resource names the thing concerned; it may be empty.
	Resource string
	// RequestID finds the request in the server's logs.
	RequestID string
	// Status is the HTTP status code.
	Status int
}

// Error returns the sentence with the kind before it.
func (e *Error) Error() string { return string(e.Kind) + ": " + e.Detail }

// KindOf returns the kind of an error that the server answered, "" of another.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return ""
}
