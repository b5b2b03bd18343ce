package socket

import (
	"io"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/wire/p11kit"
)

// frames reads messages. Each is overwritten in its buffer once it is read.
type frames struct {
	conn     net.Conn
	patience time.Duration // with a message that has begun
	idle     time.Duration // with one that has not; 0: for ever
	stopped  atomic.Bool
	hurried  bool // a deadline is set for the rest of a message
	buf      [4 << 10]byte
	from, to int
}

// next returns the next message's header and its body, in body's memory if that
// is long enough.
func (f *frames) next(body []byte) (p11kit.Header, []byte, error) {
	h, err := f.header()
	if err != nil {
		return h, body, err
	}
	if f.to-f.from < int(h.Options+h.Body) {
		if err := f.hurry(); err != nil {
			return h, body, err
		}
	}
	if body, err = f.take(int(h.Options), int(h.Body), body); err != nil {
		return h, body, err
	}
	if f.hurried || f.idle > 0 {
		f.hurried = false
		err = f.deadline(0)
	}
	return h, body, err
}

// header waits for a message, and reads its header.
func (f *frames) header() (p11kit.Header, error) {
	if f.from == f.to && f.idle > 0 {
		if err := f.deadline(f.idle); err != nil {
			return p11kit.Header{}, err
		}
	}
	for f.to-f.from < p11kit.HeaderSize {
		if f.to > f.from {
			if err := f.hurry(); err != nil {
				return p11kit.Header{}, err
			}
		}
		if err := f.fill(); err != nil {
			return p11kit.Header{}, err
		}
	}
	h, err := p11kit.ParseHeader(f.buf[f.from : f.from+p11kit.HeaderSize])
	f.drop(p11kit.HeaderSize)
	return h, err
}

// hurry has the rest of a message come before patience is over.
func (f *frames) hurry() error {
	if f.hurried {
		return nil
	}
	f.hurried = true
	return f.deadline(f.patience)
}

// deadline sets how long a read may take; 0 is for ever. A server that ends
// reads no more, whatever is set.
func (f *frames) deadline(d time.Duration) error {
	var t time.Time
	if d > 0 {
		t = time.Now().Add(d)
	}
	if err := f.conn.SetReadDeadline(t); err != nil {
		return err
	}
	if f.stopped.Load() {
		return net.ErrClosed
	}
	return nil
}

// fill reads more into the buffer.
func (f *frames) fill() error {
	if f.from > 0 {
		copy(f.buf[:], f.buf[f.from:f.to])
		f.from, f.to = 0, f.to-f.from
	}
	n, err := f.conn.Read(f.buf[f.to:])
	f.to += n
	if n > 0 {
		return nil
	}
	return err
}

// drop overwrites the next n bytes of the buffer and goes on behind them.
func (f *frames) drop(n int) {
	clear(f.buf[f.from : f.from+n])
	f.from += n
}

// chunk is how much memory is taken for a message before its bytes are there.
const chunk = 64 << 10

// take skips bytes and returns the next n.
func (f *frames) take(skip, n int, body []byte) ([]byte, error) {
	for _, part := range [...]int{skip, n} {
		body = body[:0]
		for len(body) < part {
			at := len(body)
			body = slices.Grow(body, min(part-at, chunk))[:at+min(part-at, chunk)]
			had := copy(body[at:], f.buf[f.from:f.to])
			f.drop(had)
			if _, err := io.ReadFull(f.conn, body[at+had:]); err != nil {
				return body, err
			}
		}
	}
	return body, nil
}
