package softkey

import (
	"context"
	"crypto"
	"crypto/hmac"
	_ "crypto/sha1" //nolint:gosec // CKM_SHA_1_HMAC, which needs no collision resistance
	_ "crypto/sha256"
	_ "crypto/sha512"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// Sign is refused: a secret key makes MACs.
func (s *Secret) Sign(context.Context, alg.Algorithm, []byte) ([]byte, error) {
	return nil, wrongUsage()
}

// MAC computes a message's code.
func (s *Secret) MAC(_ context.Context, a alg.Algorithm, message []byte) ([]byte, error) {
	return s.HMAC(a.Info().Hash, message)
}

// HMAC computes a message's code with any hash.
func (s *Secret) HMAC(h crypto.Hash, message []byte) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.value == nil {
		return nil, wiped()
	}
	m := hmac.New(h.New, s.value)
	m.Write(message)
	return m.Sum(nil), nil
}

// Encrypt encrypts with a mode of AES.
func (s *Secret) Encrypt(_ context.Context, a alg.Algorithm, p engine.CipherParameters, plaintext []byte) ([]byte, error) {
	c, err := s.cipher()
	if err != nil {
		return nil, err
	}
	return c.Encrypt(a, p, plaintext)
}

// Decrypt undoes Encrypt.
func (s *Secret) Decrypt(_ context.Context, a alg.Algorithm, p engine.CipherParameters, ciphertext []byte) ([]byte, error) {
	c, err := s.cipher()
	if err != nil {
		return nil, err
	}
	return c.Decrypt(a, p, ciphertext)
}

func (s *Secret) cipher() (engine.Cipher, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.value == nil {
		return nil, wiped()
	}
	return engine.NewCipher(s.value)
}

// Derive is refused: a secret key agrees on nothing.
func (s *Secret) Derive(context.Context, []byte) ([]byte, error) { return nil, wrongUsage() }
