package key

import (
	"encoding/hex"
	"strings"
)

// UUID returns the 16 bytes of an id that is a UUID.
func (id ID) UUID() ([16]byte, bool) {
	var out [16]byte
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' {
		return out, false
	}
	var digits [32]byte
	n := copy(digits[:], id[:8])
	for _, part := range []ID{id[9:13], id[14:18], id[19:23], id[24:]} {
		n += copy(digits[n:], part)
	}
	_, err := hex.Decode(out[:], digits[:])
	return out, err == nil
}

// multiRegionPrefix begins the ids of AWS's multi-Region keys, after which come
// 32 hexadecimal digits. No key here has such an id yet.
const multiRegionPrefix = "mrk-"

// MultiRegion reports whether an id has the form of a multi-Region key's.
func (id ID) MultiRegion() bool {
	digits, ok := strings.CutPrefix(string(id), multiRegionPrefix)
	return ok && len(digits) == 32 && strings.Trim(digits, "0123456789abcdef") == ""
}

// IDOf returns the canonical text of a UUID's 16 bytes.
func IDOf(b [16]byte) ID {
	var s [36]byte
	hex.Encode(s[:8], b[:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:], b[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return ID(s[:])
}

// NewID returns the random UUID (RFC 9562 section 5.4) that 16 random bytes make.
func NewID(random [16]byte) ID {
	random[6] = random[6]&0x0f | 0x40
	random[8] = random[8]&0x3f | 0x80
	return IDOf(random)
}
