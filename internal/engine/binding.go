package engine

import (
	"encoding/binary"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// Bind returns associated data that binds what is encrypted to one version of
// one key, to its spec, and to a format:
//
//	label     text, the format's own
//	version   1 byte, the format's
//	realm, key id, spec name      each a 2-byte length and the text
//	key version                   4 bytes
//
// with all numbers big-endian.
func (r Ref) Bind(label string, version byte, spec alg.Spec) []byte {
	b := append(make([]byte, 0, 128), label...)
	b = append(b, version)
	for _, text := range []string{string(r.Realm), string(r.ID), spec.String()} {
		b = binary.BigEndian.AppendUint16(b, uint16(len(text))) //nolint:gosec // a realm, an id, a spec: below 100 bytes
		b = append(b, text...)
	}
	return binary.BigEndian.AppendUint32(b, uint32(r.Version))
}
