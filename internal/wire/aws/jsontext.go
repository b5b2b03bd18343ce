package aws

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Text reads a string. The bytes are good until the next call.
func (d *Decoder) Text() []byte {
	if !d.want(JSONString, "a String") {
		return nil
	}
	raw, escaped := d.quoted()
	if !utf8.Valid(raw) {
		d.Fail("")
		return nil
	}
	if !escaped {
		for _, c := range raw {
			if c < ' ' {
				d.Fail("")
				return nil
			}
		}
		return raw
	}
	return d.unescape(raw)
}

// quoted reads a string literal and returns what is between its quotes as it
// stands, and whether there is an escape in it. It does not look at the
// characters otherwise.
func (d *Decoder) quoted() (raw []byte, escaped bool) {
	rest := d.data[d.pos+1:]
	end := bytes.IndexByte(rest, '"')
	if end >= 0 && bytes.IndexByte(rest[:end], '\\') < 0 {
		d.pos += end + 2
		return rest[:end], false
	}
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case '"':
			d.pos += i + 2
			return rest[:i], true
		case '\\':
			i++
		}
	}
	d.Fail("")
	return nil, false
}

// escapes are the characters of the two-character escapes.
var escapes = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

func (d *Decoder) unescape(raw []byte) []byte {
	out := d.text[:0]
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case c < ' ':
			d.Fail("")
			return nil
		case c != '\\':
			out = append(out, c)
			continue
		}
		i++ // quoted has seen the character after the backslash
		if raw[i] != 'u' {
			if escapes[raw[i]] == 0 {
				d.Fail("")
				return nil
			}
			out = append(out, escapes[raw[i]])
			continue
		}
		r, n := unicodeEscape(raw[i-1:])
		if n == 0 {
			d.Fail("")
			return nil
		}
		out = utf8.AppendRune(out, r)
		i += n - 2
	}
	d.text = out
	return out
}

// unicodeEscape reads a \uXXXX, or the two of a surrogate pair, and returns
// its length in bytes, or 0 when it is none.
func unicodeEscape(raw []byte) (r rune, n int) {
	first, ok := hex4(raw)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(first) {
		return first, 6
	}
	second, ok := hex4(raw[6:])
	if r = utf16.DecodeRune(first, second); !ok || r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}

// hex4 reads a \uXXXX at the front of raw.
func hex4(raw []byte) (rune, bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' || raw[2] == '+' || raw[2] == '-' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	return rune(n), err == nil
}

// Blob reads a string of base64 (RFC 4648 section 4) and appends what it
// stands for to dst.
func (d *Decoder) Blob(dst []byte) []byte {
	if !d.want(JSONString, "a Blob") {
		return dst
	}
	raw, escaped := d.quoted()
	if escaped {
		raw = d.unescape(raw)
	}
	// encoding/base64 passes over line ends; JSON has none in a string.
	if bytes.IndexByte(raw, '\n') >= 0 || bytes.IndexByte(raw, '\r') >= 0 {
		d.Fail("")
		return dst
	}
	out, err := base64.StdEncoding.AppendDecode(dst, raw)
	if err != nil {
		d.Fail("")
		return dst
	}
	return out
}
