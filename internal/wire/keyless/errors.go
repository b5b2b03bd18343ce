package keyless

import "fmt"

// Error is what the protocol says of a failure, in one byte.
type Error byte

// The errors.
const (
	ErrCrypto              Error = 0x01
	ErrKeyNotFound         Error = 0x02
	ErrRead                Error = 0x03
	ErrVersion             Error = 0x04
	ErrBadOpcode           Error = 0x05
	ErrUnexpectedOpcode    Error = 0x06
	ErrFormat              Error = 0x07
	ErrInternal            Error = 0x08
	ErrCertificateNotFound Error = 0x09
	ErrExpired             Error = 0x0A
	ErrRemoteConfiguration Error = 0x0B
)

var errorTexts = map[Error]string{
	ErrCrypto:              "cryptography failed",
	ErrKeyNotFound:         "no matching key",
	ErrRead:                "reading failed",
	ErrVersion:             "the version is not supported",
	ErrBadOpcode:           "the opcode is not known",
	ErrUnexpectedOpcode:    "the opcode is not expected here",
	ErrFormat:              "malformed message",
	ErrInternal:            "internal error",
	ErrCertificateNotFound: "no matching certificate",
	ErrExpired:             "the sealing key is no longer valid",
	ErrRemoteConfiguration: "the remote configuration is wrong",
}

// Errors returns every error of the protocol, in order.
func Errors() []Error {
	list := make([]Error, 0, len(errorTexts))
	for e := ErrCrypto; e <= ErrRemoteConfiguration; e++ {
		list = append(list, e)
	}
	return list
}

// Error says what the byte means.
func (e Error) Error() string {
	if text, ok := errorTexts[e]; ok {
		return "keyless: " + text
	}
	return fmt.Sprintf("keyless: error 0x%02x", byte(e))
}
