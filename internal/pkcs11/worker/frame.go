//go:build linux

package worker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// A frame is a message on a channel or on the control socket:
//
//	length    4 bytes: of the body
//	sequence  4 bytes: an answer has its question's
//	kind      4 bytes
//	body
//
// Numbers are little-endian. The two ends are the same program file, so there
// is no version here; Call and Result have theirs.
const frameHeader = 12

// kind says what a frame's body is.
type kind uint32

const (
	kindCall   kind = iota + 1 // a pkcs11.Call
	kindResult                 // a pkcs11.Result
	kindRV                     // 8 bytes: what the library answered
	kindText                   // an error's text
	kindStatic                 // pkcs11.ErrStatic
)

// keepBuffer is the largest buffer that a channel keeps between calls, bytes.
const keepBuffer = 64 << 10

var errFrame = errors.New("worker: a malformed frame")

// pipe is one end of a channel: its socket and its buffer. One goroutine at a
// time uses it.
//
// Its reads and writes block in the system, not in Go's poller: waking a thread
// that waits in read(2) is one step, waking a goroutine through epoll is three,
// and a call has two such wakings.
type pipe struct {
	fd  int
	buf []byte
}

func newPipe(fd int) *pipe { return &pipe{fd: fd, buf: make([]byte, 4<<10)} }

// room returns the buffer without content, with space for a frame's header.
func (p *pipe) room() []byte { return p.buf[:frameHeader] }

// send completes a frame, of which b has the header's space and the body, sends
// it and overwrites it: bodies have PINs and keys.
func (p *pipe) send(b []byte, k kind, sequence uint32) error {
	p.buf = b[:cap(b)]
	defer clear(b)
	if len(b)-frameHeader > pkcs11.MaxMessage {
		return errFrame
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)-frameHeader)) //nolint:gosec // at most MaxMessage
	binary.LittleEndian.PutUint32(b[4:], sequence)
	binary.LittleEndian.PutUint32(b[8:], uint32(k))
	for rest := b; len(rest) > 0; {
		n, err := unix.Write(p.fd, rest)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("writing to a channel: %w", err)
		}
		rest = rest[max(n, 0):]
	}
	return nil
}

// receive reads a frame. Its body is part of the buffer until done is called.
func (p *pipe) receive() (body []byte, k kind, sequence uint32, err error) {
	have, want := 0, frameHeader
	for have < want {
		n, err := unix.Read(p.fd, p.buf[have:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, 0, 0, fmt.Errorf("reading from a channel: %w", err)
		case n == 0:
			return nil, 0, 0, io.EOF
		}
		had := have
		have += n
		if had >= frameHeader || have < frameHeader {
			continue
		}
		size := binary.LittleEndian.Uint32(p.buf)
		if size > pkcs11.MaxMessage {
			return nil, 0, 0, errFrame
		}
		want += int(size)
		if want > len(p.buf) {
			larger := make([]byte, want)
			copy(larger, p.buf[:have])
			clear(p.buf[:have])
			p.buf = larger
		}
	}
	if have > want { // one question, one answer: nothing comes after it
		return nil, 0, 0, errFrame
	}
	return p.buf[frameHeader:want], kind(binary.LittleEndian.Uint32(p.buf[8:])), binary.LittleEndian.Uint32(p.buf[4:]), nil
}

// done overwrites a body that was received.
func (p *pipe) done(body []byte) {
	clear(body)
	if len(p.buf) > keepBuffer {
		p.buf = make([]byte, 4<<10)
	}
}

func (p *pipe) close() { _ = unix.Close(p.fd) } // nothing is lost: every message is answered or given up

// appendError returns an error's kind and its body, appended to b.
func appendError(b []byte, err error) ([]byte, kind) {
	var rv pkcs11.RV
	switch {
	case errors.Is(err, pkcs11.ErrStatic):
		return b, kindStatic
	case errors.As(err, &rv) && err == error(rv): //nolint:errorlint // one with a text around it keeps its text
		return binary.LittleEndian.AppendUint64(b, uint64(rv)), kindRV
	case errors.As(err, &rv):
		return append(binary.LittleEndian.AppendUint64(b, uint64(rv)), err.Error()...), kindRV
	}
	return append(b, err.Error()...), kindText
}

// parseError returns the error that a frame has.
func parseError(body []byte, k kind) error {
	switch {
	case k == kindStatic:
		return pkcs11.ErrStatic
	case k == kindRV && len(body) == 8:
		return pkcs11.RV(binary.LittleEndian.Uint64(body))
	case k == kindRV && len(body) > 8:
		return &refusal{pkcs11.RV(binary.LittleEndian.Uint64(body)), string(body[8:])}
	case k == kindText:
		return errors.New(string(body))
	}
	return errFrame
}

// refusal is what the library answered, and the text about it.
type refusal struct {
	rv   pkcs11.RV
	text string
}

func (r *refusal) Error() string { return r.text }

func (r *refusal) Unwrap() error { return r.rv }
