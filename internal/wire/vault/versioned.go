package vault

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
)

// prefix begins what Transit makes.
const prefix = "vault:v"

// Versioned is what Transit makes with one version of a key: a ciphertext, a
// signature or a code. Its text is "vault:v", the version, ":" and the bytes in
// standard base64.
type Versioned struct {
	// Version is that of the key, from 1.
	Version int
	Bytes   []byte
}

// errVersioned says nothing of what was given: it may be a secret in the wrong
// place.
var errVersioned = errors.New(`not of the form "vault:v1:…"`)

// ParseVersioned reads the text form, strictly: what it reads, String writes
// back.
func ParseVersioned(text string) (Versioned, error) {
	rest, ok := strings.CutPrefix(text, prefix)
	number, encoded, two := strings.Cut(rest, ":")
	version, err := ParseVersion(number)
	if !ok || !two || err != nil || strings.ContainsAny(encoded, "\r\n") { // which base64 skips
		return Versioned{}, errVersioned
	}
	b, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return Versioned{}, errVersioned
	}
	return Versioned{version, b}, nil
}

// String returns the text form.
func (v Versioned) String() string {
	return prefix + strconv.Itoa(v.Version) + ":" + base64.StdEncoding.EncodeToString(v.Bytes)
}

// MarshalJSON writes the text form; "" for the zero value.
func (v Versioned) MarshalJSON() ([]byte, error) {
	if v.Version == 0 {
		return []byte(`""`), nil
	}
	return json.Marshal(v.String())
}

// UnmarshalJSON reads the text form; "" is the zero value.
func (v *Versioned) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	if s == "" {
		*v = Versioned{}
		return nil
	}
	var err error
	*v, err = ParseVersioned(s)
	return err
}

// compactVersion is the format of Compact, compactHead how many bytes it adds.
const (
	compactVersion = 1
	compactHead    = 5
)

// CompactOverhead is by how many bytes the compact form of a ciphertext of
// AES-GCM is longer than its plaintext: the form's own 5, the nonce and the tag.
const CompactOverhead = compactHead + 12 + 16

// Compact returns a form of constant overhead, which is Holdfast's own and not
// Transit's:
//
//	format   1 byte: 1
//	version  4 bytes, big-endian: the key's
//	bytes    all else
func (v Versioned) Compact() []byte {
	b := make([]byte, compactHead, compactHead+len(v.Bytes))
	b[0] = compactVersion
	binary.BigEndian.PutUint32(b[1:], uint32(v.Version)) //nolint:gosec // ParseVersion lets no other number through
	return append(b, v.Bytes...)
}

// ParseCiphertext reads either form: what Compact made, or the text that
// other clients of Transit keep.
func ParseCiphertext(b []byte) (Versioned, error) {
	if len(b) < compactHead || b[0] != compactVersion {
		return ParseVersioned(string(b))
	}
	n := binary.BigEndian.Uint32(b[1:])
	if n < 1 || n > math.MaxInt32 {
		return Versioned{}, errVersioned
	}
	return Versioned{int(n), b[compactHead:]}, nil
}
