package envelope

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	// magic begins every file. The digit is the version.
	magic = "holdfast envelope 1\n"
	// Extension is the usual end of the names of encrypted files.
	Extension = ".holdfast"

	idSize  = 16
	keySize = 32
	macSize = sha256.Size

	// MaxRecipients is the largest number of recipients that a file has.
	MaxRecipients = 256
	// maxBody bounds what a header makes its reader hold, in bytes.
	maxBody = 1 << 20
	// maxMethod and maxField bound a method's name and the other fields, in bytes.
	maxMethod = 1<<8 - 1
	maxField  = 1<<16 - 1
)

var (
	// ErrFormat is in the chain of errors about what is no envelope, or none
	// of a version that is known here.
	ErrFormat = errors.New("not an encrypted file of Holdfast")
	// ErrDamaged is in the chain of errors about a file that was changed or
	// cut since it was written, or whose header was.
	ErrDamaged = errors.New("the file is damaged or was changed")
)

// Method says how a file key is wrapped.
type Method string

// The methods.
const (
	// AEADMethod is authenticated encryption by a symmetric key, with the
	// file's binding (see Recipient) as associated data.
	AEADMethod Method = "AEAD"
	// OAEPSHA1 is, like the next ones, RSAES-OAEP (RFC 8017) with an empty
	// label, and the hash also in MGF1.
	OAEPSHA1   Method = "RSA-OAEP-SHA1"
	OAEPSHA256 Method = "RSA-OAEP-SHA256"
	OAEPSHA384 Method = "RSA-OAEP-SHA384"
	OAEPSHA512 Method = "RSA-OAEP-SHA512"
	// HPKEP256 is, like the next ones, HPKE in its base mode (RFC 9180) with
	// HKDF-SHA256, AES-256-GCM and the DHKEM of the curve. The binding is its
	// info; the encapsulated key precedes the ciphertext.
	HPKEP256   Method = "HPKE-P256"
	HPKEP384   Method = "HPKE-P384"
	HPKEP521   Method = "HPKE-P521"
	HPKEX25519 Method = "HPKE-X25519"
)

// Stanza is what a file has for one of its recipients. Nothing of it is
// secret.
type Stanza struct {
	Method Method `json:"method"`
	// URI says where the key is. It is the recipient's own: whoever made the
	// file chose it, and a reader decides whether to go there.
	URI string `json:"uri"`
	// Wrapped is the wrapped file key.
	Wrapped []byte `json:"wrapped"`
}

// header is what precedes the payload, without the HMAC.
type header struct {
	id      [idSize]byte
	stanzas []Stanza
}

// check finds what no header may have.
func (h *header) check() error {
	if len(h.stanzas) == 0 || len(h.stanzas) > MaxRecipients {
		return fmt.Errorf("a file has 1 to %d recipients, not %d", MaxRecipients, len(h.stanzas))
	}
	seen := map[string]bool{}
	for _, s := range h.stanzas {
		switch {
		case !printable(string(s.Method)) || len(s.Method) > maxMethod:
			return fmt.Errorf("the method %q is not 1 to %d printable characters of ASCII", s.Method, maxMethod)
		case !printable(s.URI) || len(s.URI) > maxField:
			return fmt.Errorf("the URI %q is not 1 to %d printable characters of ASCII: others are written as %%XX", s.URI, maxField)
		case len(s.Wrapped) == 0 || len(s.Wrapped) > maxField:
			return fmt.Errorf("the wrapped key for %s has %d bytes, not 1 to %d", s.URI, len(s.Wrapped), maxField)
		case seen[s.URI]:
			return fmt.Errorf("the recipient %s is there twice", s.URI)
		}
		seen[s.URI] = true
	}
	return nil
}

// printable reports whether s is not empty and safe to show on a terminal.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// marshal returns the header from the magic to the end of the body.
func (h *header) marshal() ([]byte, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	b := append([]byte(magic), 0, 0, 0, 0)
	b = append(b, h.id[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.stanzas))) //nolint:gosec // check bounds it
	for _, s := range h.stanzas {
		b = append(b, byte(len(s.Method))) //nolint:gosec // check bounds it
		b = append(b, s.Method...)
		b = appendField(b, []byte(s.URI))
		b = appendField(b, s.Wrapped)
	}
	body := len(b) - len(magic) - 4
	if body > maxBody {
		return nil, fmt.Errorf("the header has %d bytes, more than %d", body, maxBody)
	}
	binary.BigEndian.PutUint32(b[len(magic):], uint32(body)) //nolint:gosec // bounded above
	return b, nil
}

func appendField(b, field []byte) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(field))), field...) //nolint:gosec // check bounds it
}

// readHeader reads a header, and returns with it the bytes that the HMAC
// covers, and the HMAC.
func readHeader(src io.Reader) (h *header, covered, mac []byte, err error) {
	covered = make([]byte, len(magic)+4)
	if err := readFull(src, covered); err != nil {
		if errors.Is(err, ErrDamaged) {
			err = fmt.Errorf("%w: it is too short", ErrFormat)
		}
		return nil, nil, nil, err
	}
	if begin, _, _ := bytes.Cut([]byte(magic), []byte("1")); !bytes.HasPrefix(covered, begin) {
		return nil, nil, nil, fmt.Errorf("%w: it does not begin as one", ErrFormat)
	}
	if !bytes.HasPrefix(covered, []byte(magic)) {
		return nil, nil, nil, fmt.Errorf("%w of version 1, which is the only one that is known here", ErrFormat)
	}
	length := binary.BigEndian.Uint32(covered[len(magic):])
	if length > maxBody {
		return nil, nil, nil, fmt.Errorf("%w: its header has %d bytes, more than %d", ErrFormat, length, maxBody)
	}
	rest := make([]byte, length+macSize)
	if err := readFull(src, rest); err != nil {
		return nil, nil, nil, fmt.Errorf("reading the header: %w", err)
	}
	body, mac := rest[:length:length], rest[length:]
	if h, err = parseBody(body); err != nil {
		return nil, nil, nil, err
	}
	return h, append(covered, body...), mac, nil
}

// readFull fills b. An end before that is an ErrDamaged.
func readFull(src io.Reader, b []byte) error {
	_, err := io.ReadFull(src, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends too early", ErrDamaged)
	}
	return err
}

// parseBody reads the body of a header.
func parseBody(body []byte) (*header, error) {
	r := fields{rest: body}
	h := &header{}
	copy(h.id[:], r.take(idSize))
	count := r.number(2)
	if count > MaxRecipients {
		return nil, fmt.Errorf("%w: its header has %d recipients, more than %d", ErrFormat, count, MaxRecipients)
	}
	for range count {
		s := Stanza{Method: Method(r.take(r.number(1)))}
		s.URI = string(r.take(r.number(2)))
		s.Wrapped = r.take(r.number(2))
		h.stanzas = append(h.stanzas, s)
	}
	if r.short || len(r.rest) > 0 {
		return nil, fmt.Errorf("%w: the lengths in its header do not fit", ErrFormat)
	}
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return h, nil
}

// fields reads the fields of a body. It remembers when there was too little.
type fields struct {
	rest  []byte
	short bool
}

func (f *fields) take(n int) []byte {
	if n > len(f.rest) {
		f.short, f.rest = true, nil
		return nil
	}
	field := f.rest[:n:n]
	f.rest = f.rest[n:]
	return field
}

// number reads an integer of n bytes.
func (f *fields) number(n int) int {
	v := 0
	for _, b := range f.take(n) {
		v = v<<8 | int(b)
	}
	return v
}

// binding is what ties a wrapped key to its file, see Recipient.
func (h *header) binding() []byte {
	return append([]byte(magic[:len(magic)-1]), h.id[:]...)
}

// derive returns a key that is made from the file key, for the header or the
// payload.
func (h *header) derive(fileKey []byte, purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, fileKey, h.id[:], magic[:len(magic)-1]+" "+purpose, keySize)
}

// mac returns the HMAC of a marshalled header.
func (h *header) mac(fileKey, covered []byte) ([]byte, error) {
	key, err := h.derive(fileKey, "header")
	if err != nil {
		return nil, err
	}
	defer clear(key)
	m := hmac.New(sha256.New, key)
	m.Write(covered)
	return m.Sum(nil), nil
}

// write writes the header with its HMAC.
func (h *header) write(dst io.Writer, fileKey []byte) error {
	covered, err := h.marshal()
	if err != nil {
		return err
	}
	mac, err := h.mac(fileKey, covered)
	if err != nil {
		return err
	}
	_, err = dst.Write(append(covered, mac...))
	return err
}
