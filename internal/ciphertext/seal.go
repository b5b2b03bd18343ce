package ciphertext

import (
	"sync"

	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Seal encrypts under a key, bound to the header and to an encryption context,
// and returns the header and what the key made. It may reorder pairs in place.
func (h Header) Seal(k engine.AEAD, plaintext []byte, pairs []key.Tag) ([]byte, error) {
	out, err := h.Append(make([]byte, 0, HeaderSize+len(plaintext)+k.Overhead()))
	if err != nil {
		return nil, err
	}
	associated := scratches.Get().(*scratch)
	defer scratches.Put(associated)
	associated.b, err = AppendContext(append(associated.b[:0], out...), pairs)
	if err != nil {
		return nil, err
	}
	return k.Seal(out, plaintext, associated.b)
}

// Open decrypts what Seal made of a header and the rest, which Parse returned.
func Open(k engine.AEAD, head, payload []byte, pairs []key.Tag) ([]byte, error) {
	associated := scratches.Get().(*scratch)
	defer scratches.Put(associated)
	var err error
	associated.b, err = AppendContext(append(associated.b[:0], head...), pairs)
	if err != nil {
		return nil, err
	}
	return k.Open(make([]byte, 0, len(payload)), payload, associated.b)
}

// scratch holds the associated data of one operation.
type scratch struct{ b []byte }

// scratches are reused: their contents are headers and encryption contexts.
var scratches = sync.Pool{New: func() any { return &scratch{b: make([]byte, 0, 256)} }}
