package pkcs11

import (
	"context"
	"crypto/rand"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// A ciphertext of an AES-256 key, version 1, is
//
//	version   1 byte, 0x01
//	nonce     12 random bytes
//	ct        AES-256-GCM (NIST SP 800-38D) of the plaintext, under the key itself
//	tag       16 bytes
//
// The associated data is the caller's, as it is.
//
// A token derives no key for each message, as engine/soft does: one key must
// not encrypt more than 2^32 messages (SP 800-38D section 8.3), so a key that
// is used a thousand times a second is to be rotated each month.
const (
	aeadVersion = 1
	gcmNonce    = 12
	gcmTag      = 16
)

// aead encrypts in the token.
type aead struct{ handle }

var _ engine.AEAD = (*aead)(nil)

func gcmMechanism(nonce, associated []byte) pkcs11.Mechanism {
	return pkcs11.Mechanism{Type: pkcs11.MechAESGCM, GCM: &pkcs11.GCM{IV: nonce, AAD: associated, TagBits: 8 * gcmTag}}
}

// Overhead returns 29.
func (*aead) Overhead() int { return 1 + gcmNonce + gcmTag }

// Seal appends the encryption of plaintext to dst.
func (a *aead) Seal(dst, plaintext, associated []byte) ([]byte, error) {
	if err := a.allows(alg.EncryptDecrypt); err != nil {
		return nil, err
	}
	ctx, cancel := a.engine.context()
	defer cancel()
	nonce := make([]byte, gcmNonce)
	_, _ = rand.Read(nonce) // never fails
	ciphertext, err := hsm.Encrypt(ctx, a.engine.place, a.at, gcmMechanism(nonce, associated), plaintext)
	if err != nil {
		return nil, a.engine.failure("engine/pkcs11.Seal", err)
	}
	dst = slices.Grow(dst, 1+gcmNonce+len(ciphertext))
	return append(append(append(dst, aeadVersion), nonce...), ciphertext...), nil
}

// Open appends the decryption of ciphertext to dst.
func (a *aead) Open(dst, ciphertext, associated []byte) ([]byte, error) {
	if err := a.allows(alg.EncryptDecrypt); err != nil {
		return nil, err
	}
	if len(ciphertext) < a.Overhead() || ciphertext[0] != aeadVersion {
		return nil, badCiphertext()
	}
	ctx, cancel := a.engine.context()
	defer cancel()
	nonce, box := ciphertext[1:1+gcmNonce], ciphertext[1+gcmNonce:]
	var plaintext []byte
	err := a.engine.place.Use(ctx, a.at, func(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) (err error) {
		plaintext, err = s.Decrypt(ctx, gcmMechanism(nonce, associated), o, box)
		if refusal(err) {
			return badCiphertext()
		}
		return err
	})
	if err != nil {
		return nil, a.engine.failure("engine/pkcs11.Open", err)
	}
	defer clear(plaintext)
	return append(dst, plaintext...), nil
}
