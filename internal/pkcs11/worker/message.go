//go:build linux

package worker

import (
	"encoding/binary"
	"errors"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// kind says what a message is.
type kind uint32

const (
	kindCall   kind = iota + 1 // a pkcs11.Call
	kindResult                 // a pkcs11.Result
	kindRV                     // 8 bytes: what the library answered; then a text, if any
	kindText                   // an error's text
	kindStatic                 // pkcs11.ErrStatic
)

// appendError returns an error's kind and its message, appended to b.
func appendError(b []byte, err error) ([]byte, kind) {
	var rv pkcs11.RV
	switch {
	case errors.Is(err, pkcs11.ErrStatic):
		return b, kindStatic
	case errors.As(err, &rv) && err == error(rv): //nolint:errorlint // one with a text around it keeps its text
		return binary.LittleEndian.AppendUint64(b, uint64(rv)), kindRV
	case errors.As(err, &rv):
		return append(binary.LittleEndian.AppendUint64(b, uint64(rv)), err.Error()...), kindRV
	}
	return append(b, err.Error()...), kindText
}

// parseError returns the error that a message is; errMessage when it is none.
func parseError(message []byte, k kind) error {
	switch {
	case k == kindStatic:
		return pkcs11.ErrStatic
	case k == kindRV && len(message) == 8:
		return pkcs11.RV(binary.LittleEndian.Uint64(message))
	case k == kindRV && len(message) > 8:
		return &refusal{pkcs11.RV(binary.LittleEndian.Uint64(message)), string(message[8:])}
	case k == kindText:
		return errors.New(string(message))
	}
	return errMessage
}

// refusal is what the library answered, and the text about it.
type refusal struct {
	rv   pkcs11.RV
	text string
}

func (r *refusal) Error() string { return r.text }

func (r *refusal) Unwrap() error { return r.rv }
