package soft

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// A ciphertext of AES-256 material version 1 is
//
//	nonce   16 random bytes, which choose the message's own key
//	iv      12 random bytes
//	ct      AES-256-GCM (NIST SP 800-38D) of the plaintext under that key
//	tag     16 bytes
//
// The message's key is one block of the SP 800-108r1 KDF in counter mode
// (section 4.1) with HMAC-SHA256 under the key's secret:
//
//	HMAC(secret, 0x00000001 || label || 0x00 || nonce || 0x00000100)
//
// with the label "holdfast/soft/aead/v1". The associated data is the caller's,
// as it is. Nothing in a ciphertext says its version: that is the material's.
//
// One key per message takes away GCM's limit of 2^32 messages for random IVs
// (SP 800-38D section 8.3): for a key and an IV to meet again, 224 random bits
// must. The IV is random, not zero as it could be, because then no argument
// beyond SP 800-38D section 8.2.2 is needed, which FIPS 140 mode holds us to;
// it costs 12 bytes and less than 0.1 µs.
const (
	aeadLabel    = "holdfast/soft/aead/v1"
	aeadSecret   = 32 // bytes
	nonceSize    = 16
	gcmOverhead  = 12 + 16
	aeadOverhead = nonceSize + gcmOverhead
)

// aead encrypts under a key of its own for each message.
type aead struct {
	redacted
	prf keyedHash
}

var _ engine.AEAD = (*aead)(nil)

func newAEAD(secret []byte) (*aead, error) {
	if len(secret) != aeadSecret {
		return nil, errors.New("not an AES-256 secret")
	}
	return &aead{prf: newKeyedHash(sha256.New, secret)}, nil
}

// Overhead returns 44.
func (*aead) Overhead() int { return aeadOverhead }

// Seal appends the encryption of plaintext to dst.
func (a *aead) Seal(dst, plaintext, associated []byte) ([]byte, error) {
	start := len(dst)
	dst = slices.Grow(dst, len(plaintext)+aeadOverhead)[:start+nonceSize]
	nonce := dst[start:]
	_, _ = rand.Read(nonce) // never fails
	c, err := a.message(nonce)
	if err != nil {
		return nil, err
	}
	return c.Seal(dst, nil, plaintext, associated), nil //nolint:gosec // nil because c makes its own IV
}

// Open appends the decryption of ciphertext to dst.
func (a *aead) Open(dst, ciphertext, associated []byte) ([]byte, error) {
	if len(ciphertext) < aeadOverhead {
		return nil, badCiphertext()
	}
	c, err := a.message(ciphertext[:nonceSize])
	if err != nil {
		return nil, err
	}
	plaintext, err := c.Open(dst, nil, ciphertext[nonceSize:], associated)
	if err != nil {
		return nil, badCiphertext()
	}
	return plaintext, nil
}

func badCiphertext() error {
	return fault.New(fault.BadCiphertext, "the ciphertext cannot be decrypted with this key")
}

// message returns AES-256-GCM under the key of the message with the nonce.
func (a *aead) message(nonce []byte) (cipher.AEAD, error) {
	s := a.prf.get()
	defer a.prf.put(s)
	fixed := append(s.fixed[:0], aeadLabel...)
	fixed = append(fixed, 0)
	fixed = append(fixed, nonce...)
	fixed = binary.BigEndian.AppendUint32(fixed, 8*aeadSecret)
	derived := s.derived[:aeadSecret]
	s.counterKDF(derived, fixed)
	return newGCM(derived)
}

// newGCM returns AES-256-GCM that makes its own IVs and puts them in front.
func newGCM(k []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, internal("engine/soft.AEAD", err)
	}
	c, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, internal("engine/soft.AEAD", err)
	}
	return c, nil
}

func internal(op string, err error) error {
	return &fault.Error{Kind: fault.Internal, Op: op, Err: err}
}
