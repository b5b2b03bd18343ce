package p11kit

import (
	"encoding/binary"
	"math"
)

// Reader takes the arguments of a request, or the results of a response, one
// after the other. The first that is not there makes all that follow empty, and
// End report it: whoever reads looks once, at the end. What it returns refers to
// the message: who clears the message has cleared it.
type Reader struct {
	b       []byte
	bad     bool
	dialect Dialect
}

// ParseRequest reads a request's call and returns a Reader of its arguments. A
// call that is unknown, or whose signature is another one, is ErrMalformed.
func ParseRequest(body []byte, d Dialect) (Call, Reader, error) {
	c, r, err := parseCall(body)
	if err != nil || c == CallError || string(r.array()) != calls[c].request || r.bad {
		return 0, Reader{}, ErrMalformed
	}
	r.dialect = d
	return c, r, nil
}

// ParseResponse reads a response's call, which is CallError where the other
// side refused, and returns a Reader of the results.
func ParseResponse(body []byte) (Call, Reader, error) {
	c, r, err := parseCall(body)
	if err != nil || string(r.array()) != calls[c].response || r.bad {
		return 0, Reader{}, ErrMalformed
	}
	return c, r, nil
}

func parseCall(body []byte) (Call, Reader, error) {
	r := Reader{b: body}
	c := Call(r.u32())
	if r.bad || c >= lastCall {
		return 0, Reader{}, ErrMalformed
	}
	return c, r, nil
}

// End returns ErrMalformed when something was not there, or something is left.
func (r *Reader) End() error {
	if r.bad || len(r.b) != 0 {
		return ErrMalformed
	}
	return nil
}

// take returns the next n bytes, or nil when there are not so many.
func (r *Reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *Reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// length reads the length of something of which each element takes at least
// size bytes.
func (r *Reader) length(size int) int {
	n := r.u32()
	if uint64(n)*uint64(size) > uint64(len(r.b)) { //nolint:gosec // sizes are constants
		r.bad = true
		return 0
	}
	return int(n)
}

// none is the length of an array that is not there.
const none = math.MaxUint32

// array reads a length and so many bytes; nil for an array that is not there.
func (r *Reader) array() []byte {
	n := r.u32()
	if n == none || r.bad {
		return nil
	}
	if uint64(n) > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	return r.take(int(n))
}

// Byte reads a "y".
func (r *Reader) Byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

// Uint reads a "u".
func (r *Reader) Uint() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Version reads a "v".
func (r *Reader) Version() [2]byte {
	if b := r.take(2); b != nil {
		return [2]byte(b)
	}
	return [2]byte{}
}

// Text reads an "s" or a "z"; the padding stays.
func (r *Reader) Text() []byte { return r.array() }

// Bytes reads an "ay" whose bytes are there; nil for none. A length without
// bytes, which no client sends, is malformed unless it is 0.
func (r *Reader) Bytes() []byte {
	b, n := r.BytesOrLength()
	if b == nil && n != 0 {
		r.bad = true
	}
	return b
}

// BytesOrLength reads an "ay": the bytes, or nil and how many there would be.
func (r *Reader) BytesOrLength() ([]byte, int) {
	if !r.flag() {
		return nil, int(r.u32())
	}
	b := r.array()
	return b, len(b)
}

// flag reads a byte that says yes or no.
func (r *Reader) flag() bool {
	b := r.Byte()
	r.bad = r.bad || b > 1
	return b == 1
}

// UintsOrLength reads an "au": the numbers, or nil and how many there would be.
func (r *Reader) UintsOrLength() ([]uint64, int) {
	if !r.flag() {
		return nil, int(r.u32())
	}
	list := make([]uint64, r.length(8))
	for i := range list {
		list[i] = r.Uint()
	}
	return list, len(list)
}

// Room is the buffer that a caller has for a result.
type Room struct {
	// Null says that there is none: the caller only asks for the length.
	Null bool
	Size int
}

// Holds reports whether a result of n bytes or numbers fits.
func (room Room) Holds(n int) bool { return !room.Null && n <= room.Size }

// Room reads an "fy" or an "fu".
func (r *Reader) Room() Room {
	switch n := r.u32(); n {
	case 0:
		return Room{Null: true}
	case none:
		return Room{}
	default:
		return Room{Size: int(n)}
	}
}
