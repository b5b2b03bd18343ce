package keyless

import (
	"context"
	"errors"
	"fmt"

	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// Failures that no server answered.
var (
	// ErrClosed says that the Client was closed.
	ErrClosed = errors.New("keyless: the client is closed")
	// ErrUnavailable says that no server could be reached; what it wraps says
	// why.
	ErrUnavailable = errors.New("keyless: no key server can be reached")
	// errLost says that a connection ended while an operation was in flight.
	errLost = errors.New("keyless: the connection to the key server was lost")
)

// Code is what a key server says of a failure, in the protocol's words.
type Code = wire.Error

// The codes.
const (
	Crypto              = wire.ErrCrypto
	KeyNotFound         = wire.ErrKeyNotFound
	Read                = wire.ErrRead
	Version             = wire.ErrVersion
	BadOpcode           = wire.ErrBadOpcode
	UnexpectedOpcode    = wire.ErrUnexpectedOpcode
	Format              = wire.ErrFormat
	Internal            = wire.ErrInternal
	CertificateNotFound = wire.ErrCertificateNotFound
	Expired             = wire.ErrExpired
	RemoteConfiguration = wire.ErrRemoteConfiguration
)

// Error is a failure that a key server answered.
type Error struct {
	Code Code
	// Server is the server's name in Config.Servers.
	Server string
}

// Error returns what the code means, and which server said it.
func (e *Error) Error() string { return fmt.Sprintf("%s (%s)", e.Code.Error(), e.Server) }

// Unwrap returns the Code, so that errors.Is(err, keyless.KeyNotFound) holds.
func (e *Error) Unwrap() error { return e.Code }

// elsewhere reports whether another server may do what one did not.
func elsewhere(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		switch e.Code {
		case KeyNotFound, CertificateNotFound, Internal, Read, RemoteConfiguration, Version, BadOpcode:
			return true
		case Crypto, UnexpectedOpcode, Format, Expired:
			return false
		}
		return false
	}
	return errors.Is(err, errLost) || errors.Is(err, context.DeadlineExceeded)
}
