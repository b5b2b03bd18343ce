package split

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// A share as text is "HFS1" and 16 groups of five characters, with dashes:
// base32 in Crockford's alphabet (no I, L, O, U) of the 50 bytes
//
//	version (1), owner (4), set (4), number (1), value (32), checksum (8)
//
// The checksum is the start of SHA-256 of "holdfast share" and what is before
// it: it tells a share that was mistyped from one that is wrong. Reading takes
// small letters for capitals, O for 0, I and L for 1, and skips spaces and
// dashes.
const (
	textPrefix   = "HFS1"
	textVersion  = 1
	checksumSize = 8
	bodySize     = 1 + ownerSize + setIDSize + 1 + valueSize
	groupSize    = 5
	textLength   = (bodySize + checksumSize) * 8 / 5
)

// MaxText is the longest text that Parse looks at, in bytes.
const MaxText = 512

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

func encoding() *base32.Encoding {
	return base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)
}

// Text reveals the share, for whoever is to hold it. The caller clears it.
func (s *Share) Text() []byte {
	raw := s.body()
	defer clear(raw)
	encoded := make([]byte, textLength)
	defer clear(encoded)
	encoding().Encode(encoded, raw)
	out := append(make([]byte, 0, len(textPrefix)+textLength*(groupSize+1)/groupSize), textPrefix...)
	for i := 0; i < len(encoded); i += groupSize {
		out = append(append(out, '-'), encoded[i:i+groupSize]...)
	}
	return out
}

// body returns the bytes of the text.
func (s *Share) body() []byte {
	raw := append(make([]byte, 0, bodySize+checksumSize), textVersion)
	raw = append(raw, s.owner[:]...)
	raw = append(raw, s.set[:]...)
	raw = append(raw, s.number)
	raw = append(raw, s.value...)
	sum := checksum(raw)
	return append(raw, sum[:]...)
}

func checksum(body []byte) (sum [checksumSize]byte) {
	h := sha256.New()
	h.Write([]byte("holdfast share"))
	h.Write(body)
	return [checksumSize]byte(h.Sum(nil))
}

// Parse reads a share's text. Its errors are InvalidArgument, say what is
// wrong and where, and never repeat what was given.
func Parse(text []byte) (*Share, error) {
	if len(text) > MaxText {
		return nil, fault.New(fault.InvalidArgument, "this is no share: it has more than %d characters", MaxText)
	}
	compact, err := tidy(text)
	defer clear(compact)
	if err != nil {
		return nil, err
	}
	encoded, ok := bytes.CutPrefix(compact, []byte(textPrefix))
	switch {
	case !ok && bytes.HasPrefix(compact, []byte("HFS")):
		return nil, fault.New(fault.InvalidArgument, "the share is of a version that this program does not know: it begins with %s", textPrefix)
	case !ok:
		return nil, fault.New(fault.InvalidArgument, "this is no share: a share begins with %s", textPrefix)
	case len(encoded) != textLength:
		return nil, fault.New(fault.InvalidArgument, "the share is mistyped: after %s it has %d characters, and %d are right",
			textPrefix, len(encoded), textLength)
	}
	raw := make([]byte, bodySize+checksumSize)
	defer clear(raw)
	if _, err := encoding().Decode(raw, encoded); err != nil {
		return nil, fault.New(fault.InvalidArgument, "the share is mistyped") // tidy has judged the characters
	}
	if sum := checksum(raw[:bodySize]); !bytes.Equal(sum[:], raw[bodySize:]) {
		return nil, fault.New(fault.InvalidArgument, "the share is mistyped: its checksum is wrong")
	}
	return parseBody(raw[:bodySize])
}

func parseBody(raw []byte) (*Share, error) {
	if raw[0] != textVersion || raw[1+ownerSize+setIDSize] == 0 {
		return nil, fault.New(fault.InvalidArgument, "the share is of a version that this program does not know")
	}
	s := &Share{number: raw[1+ownerSize+setIDSize]}
	copy(s.owner[:], raw[1:])
	copy(s.set[:], raw[1+ownerSize:])
	s.value = bytes.Clone(raw[bodySize-valueSize:])
	return s, nil
}

// tidy returns the text's characters in the alphabet, and the prefix as it is
// to be. An error names the place of a character that none of them has.
func tidy(text []byte) ([]byte, error) {
	out := make([]byte, 0, len(text))
	for _, c := range bytes.TrimSpace(text) {
		switch {
		case c == '-' || c == ' ' || c == '\t':
			continue
		case 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		}
		switch c {
		case 'O':
			c = '0'
		case 'I', 'L':
			c = '1'
		}
		if bytes.IndexByte([]byte(alphabet), c) < 0 {
			clear(out)
			return nil, fault.New(fault.InvalidArgument, "the share is mistyped: character %d is none that a share has", len(out)+1)
		}
		out = append(out, c)
	}
	return out, nil
}
