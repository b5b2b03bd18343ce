package envelope

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// Encrypt writes the header of a file that any one of the recipients
// decrypts, and returns what encrypts the data that is written to it. The file
// is whole only when Close has returned without an error; Close does not close
// dst. Nothing is written when a recipient cannot wrap: the error then is a
// *KeyError that names each one.
func Encrypt(ctx context.Context, dst io.Writer, recipients ...Recipient) (io.WriteCloser, error) {
	h := &header{}
	fileKey := make([]byte, keySize)
	defer clear(fileKey)
	_, _ = rand.Read(fileKey) // it never fails
	_, _ = rand.Read(h.id[:])
	var err error
	if h.stanzas, err = wrapAll(ctx, h, fileKey, recipients); err != nil {
		return nil, err
	}
	c, err := newChunks(h, fileKey)
	if err != nil {
		return nil, err
	}
	if err := h.write(dst, fileKey); err != nil {
		return nil, err
	}
	return newWriter(dst, c), nil
}

// wrapAll wraps a file key for all recipients at the same time.
func wrapAll(ctx context.Context, h *header, fileKey []byte, recipients []Recipient) ([]Stanza, error) {
	stanzas, failures := make([]Stanza, len(recipients)), make([]error, len(recipients))
	var all sync.WaitGroup
	for i, r := range recipients {
		all.Go(func() {
			method, wrapped, err := r.Wrap(ctx, fileKey, h.binding())
			stanzas[i], failures[i] = Stanza{method, r.URI(), wrapped}, err
		})
	}
	all.Wait()
	e := &KeyError{Op: "encrypt for"}
	for i, err := range failures {
		if err != nil {
			e.Failures = append(e.Failures, Failure{recipients[i].URI(), err})
		}
	}
	if len(e.Failures) > 0 {
		return nil, e
	}
	return stanzas, nil
}

// Decrypt returns the data of an encrypted file. It is Open and then
// Envelope.Decrypt.
func Decrypt(ctx context.Context, src io.Reader, identities ...Identity) (io.Reader, error) {
	e, err := Open(src)
	if err != nil {
		return nil, err
	}
	return e.Decrypt(ctx, identities...)
}

// Envelope is an encrypted file whose header was read. Its data can be
// decrypted or copied once.
type Envelope struct {
	// Stagger is how long one identity is waited for before the next one is
	// tried beside it.
	Stagger time.Duration
	// Timeout is how long an identity has in all.
	Timeout time.Duration

	header  *header
	covered []byte
	mac     []byte
	src     io.Reader
}

const (
	// DefaultStagger is Envelope.Stagger as Open sets it.
	DefaultStagger = time.Second
	// DefaultTimeout is Envelope.Timeout as Open sets it.
	DefaultTimeout = 30 * time.Second
)

// Open reads the header of an encrypted file. It is believed to be intact only
// once an identity has unwrapped the file key. The errors have ErrFormat or
// ErrDamaged in their chains.
func Open(src io.Reader) (*Envelope, error) {
	h, covered, mac, err := readHeader(src)
	if err != nil {
		return nil, err
	}
	return &Envelope{DefaultStagger, DefaultTimeout, h, covered, mac, src}, nil
}

// ID returns the file's id, random, which stays when the file is rewrapped.
func (e *Envelope) ID() []byte { return slices.Clone(e.header.id[:]) }

// Recipients returns what the file has for its recipients. As long as nothing
// is unwrapped nobody has proved it.
func (e *Envelope) Recipients() []Stanza { return slices.Clone(e.header.stanzas) }

// Decrypt returns the data. An identity is tried on the stanza with its URI,
// or where there is none on all of them; the identities are tried in their
// order, the next one when one has failed or has not answered for Stagger. The
// first that unwraps the file key decides, and nobody waits for the others. If
// none does, the error is a *KeyError that names each one.
//
// The Reader gives only data that was authenticated, in its order; at a chunk
// that was changed, or at an end that is not the file's, it returns an error
// with ErrDamaged in its chain. What was read until then is genuine, and not
// all: whoever acts on it before io.EOF acts on a part.
func (e *Envelope) Decrypt(ctx context.Context, identities ...Identity) (io.Reader, error) {
	fileKey, err := e.unlock(ctx, identities)
	if err != nil {
		return nil, err
	}
	defer clear(fileKey)
	c, err := newChunks(e.header, fileKey)
	if err != nil {
		return nil, err
	}
	return newReader(e.src, c), nil
}

// Change says for whom a file is to be from now on.
type Change struct {
	// Add are new recipients, and those that are to wrap again: a recipient
	// that the file has, by its URI, gets a new wrapped key in its place.
	Add []Recipient
	// Remove are the URIs of recipients that the file is no longer for.
	Remove []string
}

// Rewrap writes the file to dst with another header: for other recipients, or
// for new versions of their keys. The data is copied as it is, without being
// decrypted. Who is removed cannot open the new file; who has kept the old
// file, or its key, still can. Nothing is written before the new header is
// complete.
func (e *Envelope) Rewrap(ctx context.Context, dst io.Writer, change Change, identities ...Identity) error {
	h := &header{id: e.header.id}
	if err := change.check(e.header.stanzas); err != nil {
		return err
	}
	fileKey, err := e.unlock(ctx, identities)
	if err != nil {
		return err
	}
	defer clear(fileKey)
	added, err := wrapAll(ctx, h, fileKey, change.Add)
	if err != nil {
		return err
	}
	h.stanzas = slices.Clone(e.header.stanzas)
	for _, s := range added {
		if i := find(h.stanzas, s.URI); i >= 0 {
			h.stanzas[i] = s
		} else {
			h.stanzas = append(h.stanzas, s)
		}
	}
	h.stanzas = slices.DeleteFunc(h.stanzas, func(s Stanza) bool { return slices.Contains(change.Remove, s.URI) })
	if err := h.write(dst, fileKey); err != nil {
		return err
	}
	_, err = io.Copy(dst, e.src)
	return err
}

// check finds what contradicts itself, or the file, before any key is asked.
func (c *Change) check(stanzas []Stanza) error {
	for i, r := range c.Add {
		if slices.ContainsFunc(c.Add[:i], func(other Recipient) bool { return other.URI() == r.URI() }) {
			return fmt.Errorf("the recipient %s is to be added twice", r.URI())
		}
		if slices.Contains(c.Remove, r.URI()) {
			return fmt.Errorf("the recipient %s is to be added and to be removed", r.URI())
		}
	}
	for _, uri := range c.Remove {
		if find(stanzas, uri) < 0 {
			return fmt.Errorf("the file is not for %s, which is to be removed", uri)
		}
	}
	return nil
}

// find returns the index of the stanza with a URI, or -1.
func find(stanzas []Stanza, uri string) int {
	return slices.IndexFunc(stanzas, func(s Stanza) bool { return s.URI == uri })
}
