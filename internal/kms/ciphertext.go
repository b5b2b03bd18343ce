package kms

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"

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
const headerSize = 24

// magic begins every ciphertext of format version 1.
var magic = [4]byte{'H', 'F', 'K', 1}

// MaxContext limits the encryption context, in bytes of its canonical form.
const MaxContext = 8192

// header is the cleartext part of a ciphertext.
type header struct {
	id      key.ID
	version key.VersionNumber
}

// append writes the header to b.
func (h header) append(b []byte) ([]byte, error) {
	id, ok := uuidBytes(h.id)
	if !ok {
		return nil, fault.New(fault.Internal, "key id %q is no UUID", h.id)
	}
	b = append(b, magic[:]...)
	b = append(b, id[:]...)
	return binary.BigEndian.AppendUint32(b, uint32(h.version)), nil
}

// parseHeader splits a ciphertext into its header and the engine's part.
func parseHeader(ciphertext []byte) (header, []byte, error) {
	if len(ciphertext) < headerSize || !bytes.Equal(ciphertext[:4], magic[:]) {
		return header{}, nil, fault.New(fault.BadCiphertext, "not a ciphertext of this service")
	}
	h := header{
		id:      uuidString([16]byte(ciphertext[4:20])),
		version: key.VersionNumber(binary.BigEndian.Uint32(ciphertext[20:headerSize])),
	}
	return h, ciphertext[headerSize:], nil
}

// appendContext writes the canonical form of an encryption context to b. It
// may reorder pairs in place.
func appendContext(b []byte, pairs []key.Tag) ([]byte, error) {
	slices.SortFunc(pairs, func(x, y key.Tag) int { return cmp.Compare(x.Key, y.Key) })
	start := len(b)
	for i, p := range pairs {
		if i > 0 && p.Key == pairs[i-1].Key {
			return nil, fault.New(fault.InvalidArgument, "the encryption context has the key %q twice", p.Key)
		}
		b = appendCounted(b, p.Key)
		b = appendCounted(b, p.Value)
		if len(b)-start > MaxContext {
			return nil, contextTooLong()
		}
	}
	return b, nil
}

// contextSize is how many bytes appendContext writes for a pair.
func contextSize(p key.Tag) int { return 4 + len(p.Key) + 4 + len(p.Value) }

func contextTooLong() error {
	return fault.New(fault.LimitExceeded, "the encryption context is longer than %d bytes", MaxContext)
}

func appendCounted(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s))) //nolint:gosec // requests are far below 4 GiB
	return append(b, s...)
}

// uuidBytes returns the 16 bytes of a canonical UUID in lower case.
func uuidBytes(id key.ID) ([16]byte, bool) {
	var out [16]byte
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' {
		return out, false
	}
	var digits [32]byte
	n := copy(digits[:], id[:8])
	for _, part := range []key.ID{id[9:13], id[14:18], id[19:23], id[24:]} {
		n += copy(digits[n:], part)
	}
	_, err := hex.Decode(out[:], digits[:])
	return out, err == nil
}

// multiRegionPrefix begins the ids of AWS's multi-Region keys, after which come
// 32 hexadecimal digits. No key here has such an id yet.
const multiRegionPrefix = "mrk-"

// isMultiRegion reports whether an id has the form of a multi-Region key's.
func isMultiRegion(id key.ID) bool {
	digits, ok := strings.CutPrefix(string(id), multiRegionPrefix)
	return ok && len(digits) == 32 && strings.Trim(digits, "0123456789abcdef") == ""
}

// uuidString returns the canonical text of 16 bytes.
func uuidString(b [16]byte) key.ID {
	var s [36]byte
	hex.Encode(s[:8], b[:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:], b[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return key.ID(s[:])
}

// newID returns a random UUID (RFC 9562 section 5.4) of 16 random bytes.
func newID(random [16]byte) key.ID {
	random[6] = random[6]&0x0f | 0x40
	random[8] = random[8]&0x3f | 0x80
	return uuidString(random)
}
