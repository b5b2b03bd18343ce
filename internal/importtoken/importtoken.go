// Package importtoken has the format of import tokens: what the owner of a key
// gets with the RSA key to encrypt the material to, and gives back with the
// material. The server keeps nothing of it, because the token has the RSA key
// itself, wrapped by its engine.
//
// Start with Token. What a token says is to be believed only once its key has
// been opened as Ref.
package importtoken

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Format version 1, with all numbers big-endian, is
//
//	version    1 byte, 0x01
//	id         16 random bytes
//	expires    8 bytes, seconds since 1970, UTC
//	wrapping   1 byte of length, and the name (alg.Wrapping)
//	spec       1 byte of length, and the name (alg.Spec) of the RSA key
//	key        the rest: the RSA key as its engine wrapped it
//
// All but the key is the head. The engine binds the RSA key to a Ref whose id
// is the label "import-token/" and, in hex, the SHA-256 of the head and of the
// name of the key that the token is for. So a token is good for one key, and
// any bit of it that is changed is found when the RSA key is opened.
const (
	version = 1
	label   = "import-token/"
	idSize  = 16
)

// MaxSize is the length in bytes of the longest token that is read.
const MaxSize = 6144

// ID tells tokens apart.
type ID [idSize]byte

// Token is an import token.
type Token struct {
	ID ID
	// Expires is when the token is no longer taken. It is of whole seconds.
	Expires time.Time
	// Wrapping is how the material is to be encrypted, Spec that of the RSA key.
	Wrapping alg.Wrapping
	Spec     alg.Spec
	// Wrapped is the RSA key, as its engine wrapped it for Ref.
	Wrapped []byte
}

// head returns all but the key.
func (t *Token) head() []byte {
	b := append(make([]byte, 0, 80), version)
	b = append(b, t.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(t.Expires.Unix())) //nolint:gosec // after 1970, see Parse
	for _, name := range []string{t.Wrapping.String(), t.Spec.String()} {
		b = append(b, byte(len(name))) //nolint:gosec // names of the table: some 25 bytes
		b = append(b, name...)
	}
	return b
}

// Marshal returns the token as it is given away.
func (t *Token) Marshal() []byte { return append(t.head(), t.Wrapped...) }

// Ref returns what the RSA key is bound to: the head, and the key that the
// token is for.
func (t *Token) Ref(target key.Name) engine.Ref {
	h := sha256.New()
	head, name := t.head(), target.String()
	_ = binary.Write(h, binary.BigEndian, uint16(len(head))) //nolint:gosec // below 100 bytes; a hash.Hash takes all
	h.Write(head)
	h.Write([]byte(name))
	return engine.Ref{Realm: target.Realm, ID: key.ID(label + hex.EncodeToString(h.Sum(nil))), Version: 1}
}

// Invalid returns the error of a token that was not made here, or not for the
// key that it comes for. It does not say what is wrong.
func Invalid() error {
	return fault.Because(fault.InvalidArgument, fault.InvalidImportToken, "the import token is not valid for this key")
}

// Parse reads a token. It does not tell whether the token was made here.
func Parse(b []byte) (*Token, error) {
	if len(b) > MaxSize || len(b) < 1+idSize+8 || b[0] != version {
		return nil, Invalid()
	}
	t := &Token{ID: ID(b[1 : 1+idSize])}
	rest := b[1+idSize:]
	seconds := binary.BigEndian.Uint64(rest)
	if seconds > math.MaxInt32*100 { // far from overflowing a time.Time
		return nil, Invalid()
	}
	t.Expires = time.Unix(int64(seconds), 0).UTC()
	wrapping, rest := cut(rest[8:])
	spec, rest := cut(rest)
	t.Wrapping, t.Spec, t.Wrapped = alg.ParseWrapping(wrapping), alg.ParseSpec(spec), bytes.Clone(rest)
	if t.Wrapping == alg.NoWrapping || t.Spec.Info().Family != alg.RSA || len(rest) == 0 {
		return nil, Invalid()
	}
	return t, nil
}

// cut takes a name off b; of a b that is too short, "".
func cut(b []byte) (name string, rest []byte) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return "", nil
	}
	return string(b[1 : 1+b[0]]), b[1+b[0]:]
}
