package envelope

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	chunkSize = 1 << 16
	tagSize   = 16
	// maxChunks bounds a file at 256 TiB, well within what one AES-GCM key
	// may encrypt (NIST SP 800-38D section 8).
	maxChunks = 1 << 32
)

// chunks encrypts or decrypts the chunks of a payload in their order.
type chunks struct {
	aead   cipher.AEAD
	number uint64
}

func newChunks(h *header, fileKey []byte) (*chunks, error) {
	key, err := h.derive(fileKey, "payload")
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &chunks{aead: aead}, nil
}

// nonce returns the nonce of the next chunk.
func (c *chunks) nonce(last bool) ([]byte, error) {
	if c.number == maxChunks {
		return nil, errors.New("an encrypted file has at most 256 TiB")
	}
	nonce := make([]byte, 12)
	binary.BigEndian.PutUint64(nonce[3:], c.number)
	if last {
		nonce[11] = 1
	}
	c.number++
	return nonce, nil
}

// writer encrypts what is written to it.
type writer struct {
	dst    io.Writer
	chunks *chunks
	plain  []byte // the chunk that is being filled
	sealed []byte
	err    error // what every later call returns
}

func newWriter(dst io.Writer, c *chunks) *writer {
	return &writer{dst: dst, chunks: c, plain: make([]byte, 0, chunkSize), sealed: make([]byte, 0, chunkSize+tagSize)}
}

// Write encrypts data. A full chunk is kept until more comes: it may be the
// last one, which is marked.
func (w *writer) Write(data []byte) (int, error) {
	written := 0
	for len(data) > 0 && w.err == nil {
		if len(w.plain) == chunkSize {
			w.flush(false)
			continue
		}
		n := min(len(data), chunkSize-len(w.plain))
		w.plain = append(w.plain, data[:n]...)
		data = data[n:]
		written += n
	}
	if len(data) > 0 {
		return written, w.err
	}
	return written, nil
}

var errClosed = errors.New("the encrypted file is closed already")

// Close writes the last chunk.
func (w *writer) Close() error {
	if w.err == nil {
		w.flush(true)
	}
	if w.err != nil {
		return w.err
	}
	w.err = errClosed
	return nil
}

func (w *writer) flush(last bool) {
	nonce, err := w.chunks.nonce(last)
	if err == nil {
		_, err = w.dst.Write(w.chunks.aead.Seal(w.sealed[:0], nonce, w.plain, nil))
	}
	clear(w.plain)
	w.plain, w.err = w.plain[:0], err
}

// reader decrypts a payload.
type reader struct {
	src    *bufio.Reader
	chunks *chunks
	sealed []byte
	plain  []byte // what was decrypted and not yet read
	err    error  // what comes after plain
}

func newReader(src io.Reader, c *chunks) *reader {
	// Room for a chunk and the byte after it, which tells whether it is the last.
	return &reader{src: bufio.NewReaderSize(src, chunkSize+tagSize+1), chunks: c, sealed: make([]byte, chunkSize+tagSize)}
}

// Read gives only what was authenticated, in its order. At the end it returns
// io.EOF only when nothing is missing.
func (r *reader) Read(b []byte) (int, error) {
	for len(r.plain) == 0 && r.err == nil && len(b) > 0 {
		r.plain, r.err = r.next()
	}
	if len(r.plain) == 0 && len(b) > 0 {
		return 0, r.err
	}
	n := copy(b, r.plain)
	clear(r.plain[:n])
	r.plain = r.plain[n:]
	return n, nil
}

// next decrypts a chunk. With the last one it returns io.EOF.
func (r *reader) next() ([]byte, error) {
	n, err := io.ReadFull(r.src, r.sealed)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	_, err = r.src.Peek(1)
	last := errors.Is(err, io.EOF)
	if err != nil && !last {
		return nil, err
	}
	first := r.chunks.number == 0
	nonce, err := r.chunks.nonce(last)
	if err != nil {
		return nil, err
	}
	plain, err := r.chunks.aead.Open(r.sealed[:0], nonce, r.sealed[:n], nil)
	if err != nil {
		where := fmt.Sprintf("chunk %d of the data does not decrypt", r.chunks.number)
		if last {
			where += ", and the file may be cut there"
		}
		return nil, fmt.Errorf("%w: %s", ErrDamaged, where)
	}
	if last && len(plain) == 0 && !first {
		return nil, fmt.Errorf("%w: an empty chunk ends it", ErrDamaged)
	}
	if last {
		return plain, io.EOF
	}
	return plain, nil
}
