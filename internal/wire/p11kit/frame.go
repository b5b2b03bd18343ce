package p11kit

import "encoding/binary"

// HeaderSize is the length of a frame's header in bytes.
const HeaderSize = 12

// Header is what a message begins with.
type Header struct {
	// Code ties a response to its request: the server repeats it. It is never 0.
	Code uint32
	// Options is the length of what comes before the body and says nothing that a
	// server needs.
	Options uint32
	// Body is the length of the body.
	Body uint32
}

// ParseHeader reads a header of HeaderSize bytes; one whose lengths are above
// the limits is ErrMalformed.
func ParseHeader(b []byte) (Header, error) {
	if len(b) != HeaderSize {
		return Header{}, ErrMalformed
	}
	h := Header{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])}
	if h.Code == 0 || h.Options > MaxOptions || h.Body > MaxMessage || h.Body < minBody {
		return Header{}, ErrMalformed
	}
	return h, nil
}

// minBody is the shortest body: a call with an empty signature.
const minBody = 4 + 4

// Append appends the header's bytes to b.
func (h Header) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, h.Code)
	b = binary.BigEndian.AppendUint32(b, h.Options)
	return binary.BigEndian.AppendUint32(b, h.Body)
}
