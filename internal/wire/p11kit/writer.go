package p11kit

import (
	"encoding/binary"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Writer makes messages, one after the other in the same memory. The zero
// Writer is ready.
type Writer struct{ b []byte }

// Request begins a request: its arguments are written then.
func (w *Writer) Request(code uint32, c Call) { w.begin(code, c, calls[c].request) }

// Response begins a response: its results are written then.
func (w *Writer) Response(code uint32, c Call) { w.begin(code, c, calls[c].response) }

func (w *Writer) begin(code uint32, c Call, signature string) {
	w.b = Header{Code: code}.Append(w.b[:0])
	w.u32(uint32(c))
	w.u32(uint32(len(signature))) //nolint:gosec // a constant
	w.b = append(w.b, signature...)
}

// Refuse makes the message a refusal, whatever was written.
func (w *Writer) Refuse(code uint32, v pkcs11.RV) {
	w.Clear()
	w.Response(code, CallError)
	w.Uint(uint64(v))
}

// Frame ends the message and returns all of it. It is good until the next begins.
func (w *Writer) Frame() []byte {
	binary.BigEndian.PutUint32(w.b[8:], uint32(len(w.b)-HeaderSize)) //nolint:gosec // who writes keeps to MaxMessage
	return w.b
}

// keep is how many bytes a Writer keeps from one message to the next.
const keep = 16 << 10

// Clear overwrites the message, and lets go of memory that few messages need.
func (w *Writer) Clear() {
	clear(w.b)
	if cap(w.b) > keep {
		w.b = nil
	}
	w.b = w.b[:0]
}

func (w *Writer) u32(v uint32) { w.b = binary.BigEndian.AppendUint32(w.b, v) }

func (w *Writer) array(b []byte) {
	w.u32(uint32(len(b))) //nolint:gosec // who writes keeps to MaxMessage
	w.b = append(w.b, b...)
}

// Byte writes a "y".
func (w *Writer) Byte(v byte) { w.b = append(w.b, v) }

// Uint writes a "u".
func (w *Writer) Uint(v uint64) { w.b = binary.BigEndian.AppendUint64(w.b, v) }

// Version writes a "v".
func (w *Writer) Version(v [2]byte) { w.b = append(w.b, v[:]...) }

// Text writes an "s" of n bytes, padded with spaces; a text that is longer is
// cut.
func (w *Writer) Text(text string, n int) {
	w.u32(uint32(n)) //nolint:gosec // a constant of the standard
	text = text[:min(len(text), n)]
	w.b = append(w.b, text...)
	for range n - len(text) {
		w.b = append(w.b, ' ')
	}
}

// Bytes writes an "ay" whose bytes are there.
func (w *Writer) Bytes(b []byte) {
	w.Byte(1)
	w.array(b)
}

// Length writes an "ay" or an "au" of which only the length is told.
func (w *Writer) Length(n int) {
	w.Byte(0)
	w.u32(uint32(n)) //nolint:gosec // who writes keeps to MaxMessage
}

// Uints writes an "au" whose numbers are there.
func (w *Writer) Uints(list []uint64) {
	w.Byte(1)
	w.u32(uint32(len(list))) //nolint:gosec // who writes keeps to MaxMessage
	for _, v := range list {
		w.Uint(v)
	}
}

// Room writes an "fy" or an "fu".
func (w *Writer) Room(room Room) {
	switch {
	case room.Null:
		w.u32(0)
	case room.Size == 0:
		w.u32(none)
	default:
		w.u32(uint32(room.Size)) //nolint:gosec // a length of memory that the caller has
	}
}
