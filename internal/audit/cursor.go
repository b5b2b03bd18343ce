package audit

import (
	"bytes"
	"errors"
	"io"
	"os"

	"github.com/holdfast-kms/holdfast/internal/entry"
)

// cursor reads frames of one segment file through a buffer.
type cursor struct {
	file *os.File
	size int64
	buf  []byte // what is at offset at
	at   int64
}

// window is how much a cursor reads at a time: more than the largest frame.
const window = 256 << 10

// glance is how much it reads where single frames are wanted: more than most
// of them are.
const glance = 4 << 10

// errNoFrame says that no whole, undamaged frame begins at an offset.
var errNoFrame = errors.New("no frame")

func newCursor(file *os.File) (*cursor, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return &cursor{file: file, size: info.Size(), buf: make([]byte, 0, window)}, nil
}

// forget drops the buffer, to see what has been written since.
func (c *cursor) forget() { c.buf = c.buf[:0] }

// bytes returns n bytes from an offset, fewer at the end of the file. They are
// valid until the next call.
func (c *cursor) bytes(off int64, n int) ([]byte, error) {
	n = int(max(0, min(int64(n), c.size-off)))
	if off >= c.at && off+int64(n) <= c.at+int64(len(c.buf)) {
		return c.buf[off-c.at:][:n], nil
	}
	if n > cap(c.buf) {
		c.buf = make([]byte, 0, window)
	}
	read, err := c.file.ReadAt(c.buf[:cap(c.buf)], off)
	if err != nil && !errors.Is(err, io.EOF) {
		c.forget()
		return nil, err
	}
	c.buf, c.at = c.buf[:read], off
	return c.buf[:min(n, read)], nil
}

// some returns what the buffer has from an offset on, at least one byte
// before the end of the file.
func (c *cursor) some(off int64) ([]byte, error) {
	if off >= c.at && off < c.at+int64(len(c.buf)) {
		return c.buf[off-c.at:], nil
	}
	return c.bytes(off, window)
}

// frame returns the frame at an offset, or errNoFrame. It is valid until the
// next call of a method.
func (c *cursor) frame(off int64) (frame, error) {
	b, err := c.bytes(off, payloadAt)
	if err != nil {
		return frame{}, err
	}
	if len(b) < payloadAt || b[0] != frameMark || frameSize(b) > payloadAt+entry.MaxSize {
		return frame{}, errNoFrame
	}
	if b, err = c.bytes(off, frameSize(b)); err != nil {
		return frame{}, err
	}
	f, ok := parseFrame(b)
	if !ok {
		return frame{}, errNoFrame
	}
	return f, nil
}

// search returns the offset of the first frame from an offset on that pleases,
// or -1.
func (c *cursor) search(off int64, pleases func(frame) bool) (int64, error) {
	for off < c.size {
		b, err := c.some(off)
		if err != nil || len(b) == 0 {
			return -1, err
		}
		i := bytes.IndexByte(b, frameMark)
		if i < 0 {
			off += int64(len(b))
			continue
		}
		off += int64(i)
		f, err := c.frame(off)
		if err == nil && pleases(f) {
			return off, nil
		}
		if err != nil && !errors.Is(err, errNoFrame) {
			return -1, err
		}
		off++
	}
	return -1, nil
}

// written returns the end of the last byte from an offset on that is not
// zero, or the offset itself.
func (c *cursor) written(off int64) (int64, error) {
	end := off
	for off < c.size {
		b, err := c.some(off)
		if err != nil || len(b) == 0 {
			return end, err
		}
		if bytes.Count(b, []byte{0}) < len(b) {
			end = off + int64(len(bytes.TrimRight(b, "\x00")))
		}
		off += int64(len(b))
	}
	return end, nil
}

// ending is what a place is at which no frame stands.
type ending int

const (
	clean   ending = iota // nothing was written there
	torn                  // a write that a crash interrupted: nobody was told of it
	damaged               // something that was changed after it was written
)

// assess says what the place at an offset is, where no frame stands, and how
// far what is written there reaches. The rule is explained at the format.
func (c *cursor) assess(off int64) (ending, int64, error) {
	end, err := c.written(off)
	if err != nil || end == off {
		return clean, off, err
	}
	later, err := c.search(off+1, func(f frame) bool { return f.write > off })
	if err != nil {
		return damaged, end, err
	}
	if later >= 0 {
		return damaged, end, nil
	}
	// The first sector tells the length, if it was written.
	part, err := c.bytes(off, payloadAt)
	if err != nil {
		return damaged, end, err
	}
	reach := off + int64(len(part))
	if !zeroSector(part, off) && len(part) == payloadAt && part[0] == frameMark && frameSize(part) <= payloadAt+entry.MaxSize {
		reach = off + int64(frameSize(part))
	}
	whole, err := c.bytes(off, int(reach-off))
	if err != nil {
		return damaged, end, err
	}
	// A frame whose end was never written ends with a whole sector: payloads
	// have no zeros.
	if boundary := (end + sector - 1) / sector * sector; reach > end && end != boundary && boundary > off+payloadAt {
		return damaged, end, nil
	}
	if zeroSector(whole, off) {
		return torn, end, nil
	}
	return damaged, end, nil
}

// zeroSector reports whether b, which lies at an offset, is all zeros in one
// of the sectors that it touches.
func zeroSector(b []byte, off int64) bool {
	for len(b) > 0 {
		n := min(len(b), int(sector-off%sector))
		if len(bytes.Trim(b[:n], "\x00")) == 0 {
			return true
		}
		b, off = b[n:], off+int64(n)
	}
	return false
}
