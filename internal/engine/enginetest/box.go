package enginetest

import (
	"crypto/aes"
	"crypto/cipher"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// Box is an engine.Wrapper with a key per realm, as the seal has. Its keys are
// no secret.
type Box struct{}

func (Box) gcm(realm key.RealmID) (cipher.AEAD, error) {
	block, err := aes.NewCipher(append([]byte("0123456789abcdef0123"), realm...))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Wrap encrypts.
func (b Box) Wrap(realm key.RealmID, plaintext, associated []byte) ([]byte, error) {
	c, err := b.gcm(realm)
	if err != nil {
		return nil, err
	}
	return c.Seal(nil, nil, plaintext, associated), nil //nolint:gosec // the AEAD chooses the nonce itself
}

// Unwrap decrypts.
func (b Box) Unwrap(realm key.RealmID, wrapped, associated []byte) ([]byte, error) {
	c, err := b.gcm(realm)
	if err != nil {
		return nil, err
	}
	return c.Open(nil, nil, wrapped, associated)
}
