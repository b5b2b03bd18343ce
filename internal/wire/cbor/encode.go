package cbor

import (
	"encoding/binary"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// The initial bytes of what is written (RFC 8949, 3). Maps and arrays are of
// indefinite length: they are written before it is known how much is in them.
const (
	unsigned  = 0 << 5
	negative  = 1 << 5
	text      = 3 << 5
	openArray = 0x9f
	openMap   = 0xbf
	tagTime   = 0xc1
	isFalse   = 0xf4
	isTrue    = 0xf5
	float     = 0xfb
	closing   = 0xff
)

// Encoder writes one structure by appending: every method adds a member, or
// inside an array, where name is "", an element.
type Encoder struct{ b []byte }

// Reset makes the encoder write into b's space.
func (e *Encoder) Reset(b []byte) { e.b = append(b[:0], openMap) }

// Bytes closes the structure and returns it.
func (e *Encoder) Bytes() []byte {
	e.b = append(e.b, closing)
	return e.b
}

// key writes the name of what follows.
func (e *Encoder) key(name string) {
	if name != "" {
		e.text(name)
	}
}

// head writes the first bytes of a value: its kind and a number.
func (e *Encoder) head(kind byte, n uint64) {
	switch {
	case n < 24: //nolint:mnd // RFC 8949, 3: up to here the number is in the first byte
		e.b = append(e.b, kind|byte(n))
	case n <= math.MaxUint8:
		e.b = append(e.b, kind|24, byte(n))
	case n <= math.MaxUint16:
		e.b = binary.BigEndian.AppendUint16(append(e.b, kind|25), uint16(n))
	case n <= math.MaxUint32:
		e.b = binary.BigEndian.AppendUint32(append(e.b, kind|26), uint32(n))
	default:
		e.b = binary.BigEndian.AppendUint64(append(e.b, kind|27), n)
	}
}

// text writes a text, which has to be UTF-8.
func (e *Encoder) text(s string) {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, string(utf8.RuneError))
	}
	e.head(text, uint64(len(s)))
	e.b = append(e.b, s...)
}

// Text adds a text, made of the parts in their order.
func (e *Encoder) Text(name string, parts ...string) {
	e.key(name)
	e.text(strings.Join(parts, ""))
}

// Int adds a whole number.
func (e *Encoder) Int(name string, value int) {
	e.key(name)
	if value < 0 {
		e.head(negative, uint64(-1-value))
		return
	}
	e.head(unsigned, uint64(value))
}

// Float adds a number.
func (e *Encoder) Float(name string, value float64) {
	e.key(name)
	e.float(value)
}

func (e *Encoder) float(value float64) {
	e.b = binary.BigEndian.AppendUint64(append(e.b, float), math.Float64bits(value))
}

// Bool adds a boolean.
func (e *Encoder) Bool(name string, value bool) {
	e.key(name)
	if value {
		e.b = append(e.b, isTrue)
	} else {
		e.b = append(e.b, isFalse)
	}
}

// Time adds a time, to the millisecond: tag 1 and seconds since 1970.
func (e *Encoder) Time(name string, t time.Time) {
	e.key(name)
	e.b = append(e.b, tagTime)
	e.float(float64(t.UnixMilli()) / 1000)
}

// Object adds a structure that members fills.
func (e *Encoder) Object(name string, members func()) { e.nest(name, openMap, members) }

// Array adds an array that elements fills, with names of "".
func (e *Encoder) Array(name string, elements func()) { e.nest(name, openArray, elements) }

func (e *Encoder) nest(name string, begin byte, fill func()) {
	e.key(name)
	e.b = append(e.b, begin)
	fill()
	e.b = append(e.b, closing)
}
