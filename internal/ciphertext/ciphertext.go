// Package ciphertext is the format of what a symmetric key encrypts: which key
// and version made it, and the encryption context that it is bound to. It is a
// pure codec, and versioned: what version 1 wrote stays readable. Start with
// Header and AppendContext.
package ciphertext

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// A symmetric ciphertext names the key that made it, so that decryption needs
// no key id:
//
//	bytes  0–3   "HFK" and the format's version, 1
//	bytes  4–19  the key's UUID
//	bytes 20–23  the key's version, big-endian
//	bytes 24–    what the key's engine made (engine/soft documents its own)
//
// The engine's associated data is the 24 bytes of the header followed by the
// encryption context: its pairs sorted by name, each name and each value
// preceded by its length in four big-endian bytes. So nothing of the header
// can be changed, the order of the pairs does not matter, and no two contexts
// have the same bytes.

// HeaderSize is the length of a written Header in bytes.
const HeaderSize = 24

// magic begins every ciphertext of format version 1.
var magic = [4]byte{'H', 'F', 'K', 1}

// MaxContext limits the encryption context, in bytes of its canonical form.
const MaxContext = 8192

// Header is the cleartext part of a ciphertext: what made it.
type Header struct {
	Key     key.ID
	Version key.VersionNumber
}

// Append writes the header to b. The key's id must be a UUID.
func (h Header) Append(b []byte) ([]byte, error) {
	id, ok := h.Key.UUID()
	if !ok {
		return nil, fault.New(fault.Internal, "key id %q is no UUID", h.Key)
	}
	b = append(b, magic[:]...)
	b = append(b, id[:]...)
	return binary.BigEndian.AppendUint32(b, uint32(h.Version)), nil
}

// Parse splits a ciphertext into its header and the engine's part, which is a
// part of the same array. Anything else is a fault.BadCiphertext.
func Parse(ciphertext []byte) (Header, []byte, error) {
	if len(ciphertext) < HeaderSize || !bytes.Equal(ciphertext[:4], magic[:]) {
		return Header{}, nil, fault.New(fault.BadCiphertext, "not a ciphertext of this service")
	}
	h := Header{
		Key:     key.IDOf([16]byte(ciphertext[4:20])),
		Version: key.VersionNumber(binary.BigEndian.Uint32(ciphertext[20:HeaderSize])),
	}
	return h, ciphertext[HeaderSize:], nil
}

// AppendContext writes the canonical form of an encryption context to b. It
// may reorder pairs in place.
func AppendContext(b []byte, pairs []key.Tag) ([]byte, error) {
	slices.SortFunc(pairs, func(x, y key.Tag) int { return cmp.Compare(x.Key, y.Key) })
	start := len(b)
	for i, p := range pairs {
		if i > 0 && p.Key == pairs[i-1].Key {
			return nil, fault.New(fault.InvalidArgument, "the encryption context has the key %q twice", p.Key)
		}
		b = appendCounted(b, p.Key)
		b = appendCounted(b, p.Value)
		if len(b)-start > MaxContext {
			return nil, TooLong()
		}
	}
	return b, nil
}

// Size is how many bytes AppendContext writes for a pair.
func Size(p key.Tag) int { return 4 + len(p.Key) + 4 + len(p.Value) }

// TooLong is the refusal of a context of more than MaxContext bytes.
func TooLong() error {
	return fault.New(fault.LimitExceeded, "the encryption context is longer than %d bytes", MaxContext)
}

func appendCounted(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s))) //nolint:gosec // requests are far below 4 GiB
	return append(b, s...)
}
