package place

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"

	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// wrapper is the engine.Wrapper of a program that keeps no records: what an
// engine gives to be kept lives as long as the wrapper does.
type wrapper struct{ aead cipher.AEAD }

var _ engine.Wrapper = (*wrapper)(nil)

// newWrapper returns a wrapper with a random key.
func newWrapper() (*wrapper, error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	defer clear(secret)
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	sealed, err := cipher.NewGCMWithRandomNonce(block)
	return &wrapper{sealed}, err
}

// Wrap encrypts what an engine gives.
func (w *wrapper) Wrap(_ key.RealmID, plaintext, associated []byte) ([]byte, error) {
	return w.aead.Seal(nil, nil, plaintext, associated), nil //nolint:gosec // this AEAD makes its nonces itself
}

// Unwrap decrypts what Wrap made.
func (w *wrapper) Unwrap(_ key.RealmID, wrapped, associated []byte) ([]byte, error) {
	plaintext, err := w.aead.Open(nil, nil, wrapped, associated)
	if err != nil {
		return nil, errors.New("the record was not made in this process")
	}
	return plaintext, nil
}

// refOf names the one version that a key has for its engine here.
func refOf(id key.ID) engine.Ref { return engine.Ref{Realm: key.DefaultRealm, ID: id, Version: 1} }
