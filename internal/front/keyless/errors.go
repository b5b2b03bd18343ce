package keyless

import (
	"errors"

	"github.com/holdfast-kms/holdfast/internal/fault"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// errorOf puts a failure into the protocol's one byte. A key that the client may
// not use is one that it does not find: the answer does not tell which keys
// there are.
func errorOf(err error) wire.Error {
	if e, ok := errors.AsType[wire.Error](err); ok {
		return e
	}
	switch fault.KindOf(err) {
	case fault.Unauthenticated:
		return wire.ErrUnexpectedOpcode // before who asks is proved
	case fault.NotFound, fault.PermissionDenied, fault.WrongState:
		return wire.ErrKeyNotFound
	case fault.InvalidArgument:
		if fault.ReasonOf(err) == fault.WrongUsage || fault.ReasonOf(err) == fault.WrongAlgorithm {
			return wire.ErrCrypto
		}
		return wire.ErrFormat
	case fault.Unsupported, fault.BadCiphertext, fault.BadSignature:
		return wire.ErrCrypto
	case fault.AlreadyExists, fault.Conflict, fault.LimitExceeded, fault.Unavailable, fault.Internal:
		return wire.ErrInternal
	}
	return wire.ErrInternal
}

// codeOf names an outcome in metrics.
func codeOf(err error) string {
	if err == nil {
		return "ok"
	}
	if e, ok := errors.AsType[wire.Error](err); ok {
		return errorNames[e]
	}
	return fault.KindOf(err).String()
}

// errorNames are the protocol's errors in metrics.
var errorNames = map[wire.Error]string{
	wire.ErrCrypto: "crypto", wire.ErrKeyNotFound: "key not found", wire.ErrRead: "read", wire.ErrVersion: "version",
	wire.ErrBadOpcode: "bad opcode", wire.ErrUnexpectedOpcode: "unexpected opcode", wire.ErrFormat: "format",
	wire.ErrInternal: "internal", wire.ErrCertificateNotFound: "certificate not found", wire.ErrExpired: "expired",
	wire.ErrRemoteConfiguration: "remote configuration",
}
