package aws

import (
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"
)

// Encoder writes one JSON object by appending: every method adds a member, or
// inside an array, where name is "", an element.
type Encoder struct{ b []byte }

// Reset makes the encoder write into b's space.
func (e *Encoder) Reset(b []byte) { e.b = append(b[:0], '{') }

// Bytes closes the object and returns it.
func (e *Encoder) Bytes() []byte {
	e.b = append(e.b, '}')
	return e.b
}

// key writes the separator and the name of what follows.
func (e *Encoder) key(name string) {
	if last := e.b[len(e.b)-1]; last != '{' && last != '[' {
		e.b = append(e.b, ',')
	}
	if name != "" {
		e.b = append(e.b, '"')
		e.b = append(e.b, name...)
		e.b = append(e.b, '"', ':')
	}
}

// Text adds a string, made of the parts in their order.
func (e *Encoder) Text(name string, parts ...string) {
	e.key(name)
	e.b = append(e.b, '"')
	for _, p := range parts {
		e.b = appendText(e.b, p)
	}
	e.b = append(e.b, '"')
}

// appendText appends s escaped as RFC 8259 section 7 demands, no more; bytes
// that are no UTF-8 become U+FFFD.
func appendText(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c < ' ' || c == '"' || c == '\\' {
				b = append(b, s[from:i]...)
				switch c {
				case '"', '\\':
					b = append(b, '\\', c)
				case '\n':
					b = append(b, '\\', 'n')
				default:
					b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
				}
				from = i + 1
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			b = append(b, s[from:i]...)
			b = utf8.AppendRune(b, utf8.RuneError)
			from = i + n
		}
		i += n
	}
	return append(b, s[from:]...)
}

// Blob adds bytes in base64.
func (e *Encoder) Blob(name string, value []byte) {
	e.key(name)
	e.b = append(e.b, '"')
	e.b = base64.StdEncoding.AppendEncode(e.b, value)
	e.b = append(e.b, '"')
}

// Int adds a number.
func (e *Encoder) Int(name string, value int) {
	e.key(name)
	e.b = strconv.AppendInt(e.b, int64(value), 10)
}

// Float adds a finite number.
func (e *Encoder) Float(name string, value float64) {
	e.key(name)
	e.b = strconv.AppendFloat(e.b, value, 'g', -1, 64)
}

// Bool adds a boolean.
func (e *Encoder) Bool(name string, value bool) {
	e.key(name)
	e.b = strconv.AppendBool(e.b, value)
}

// Time adds a time as AWS JSON has it: seconds since 1970, here with the
// milliseconds that there are.
func (e *Encoder) Time(name string, t time.Time) {
	e.key(name)
	ms := t.UnixMilli()
	e.b = strconv.AppendInt(e.b, ms/1000, 10)
	if ms %= 1000; ms != 0 {
		e.b = append(e.b, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
	}
}

// Object adds an object that members fills.
func (e *Encoder) Object(name string, members func()) { e.nest(name, '{', '}', members) }

// Array adds an array that elements fills, with names of "".
func (e *Encoder) Array(name string, elements func()) { e.nest(name, '[', ']', elements) }

func (e *Encoder) nest(name string, begin, end byte, fill func()) {
	e.key(name)
	e.b = append(e.b, begin)
	fill()
	e.b = append(e.b, end)
}

// Empty reports whether nothing was added.
func (e *Encoder) Empty() bool { return len(e.b) <= 1 }
