package keyless

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/padding"
)

// ErrDecryption says that a ciphertext cannot be decrypted with the key, and
// nothing of why.
var ErrDecryption = padding.ErrPadding

// unpadding returns what makes a plaintext of what RSA makes of a ciphertext.
// The servers do the arithmetic only: an answer that told whether a padding is
// right would decrypt everything for whoever can ask often enough.
func unpadding(public crypto.PublicKey, ciphertext []byte, options any) (func(em []byte) ([]byte, error), error) {
	key, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, errNotRSA
	}
	if len(ciphertext) != key.Size() {
		return nil, ErrDecryption
	}
	unpad, err := unpadderOf(key, options)
	if err != nil {
		return nil, err
	}
	return func(em []byte) ([]byte, error) {
		if len(em) != key.Size() {
			return nil, fmt.Errorf("keyless: the server decrypts to %d bytes under a modulus of %d", len(em), key.Size())
		}
		return unpad(em)
	}, nil
}

// unpadderOf chooses as rsa.PrivateKey's Decrypt does.
func unpadderOf(key *rsa.PublicKey, options any) (func(em []byte) ([]byte, error), error) {
	switch o := options.(type) {
	case nil:
		return padding.PKCS1v15, nil
	case *rsa.PKCS1v15DecryptOptions: //nolint:staticcheck // what crypto/tls asks for in RSA key exchanges
		if o.SessionKeyLen == 0 {
			return padding.PKCS1v15, nil
		}
		if o.SessionKeyLen < 0 || o.SessionKeyLen > key.Size()-11 {
			return nil, fmt.Errorf("keyless: a session key of %d bytes does not fit under the modulus", o.SessionKeyLen)
		}
		return func(em []byte) ([]byte, error) {
			session := make([]byte, o.SessionKeyLen)
			if _, err := rand.Read(session); err != nil {
				return nil, err
			}
			padding.SessionKey(em, session)
			return session, nil
		}, nil
	case *rsa.OAEPOptions:
		s := padding.Scheme{Hash: o.Hash, MGF: o.MGFHash, Label: o.Label}
		or(&s.MGF, s.Hash)
		if !s.Hash.Available() || !s.MGF.Available() {
			return nil, fmt.Errorf("keyless: the hash %s or %s is not linked into this program", s.Hash, s.MGF)
		}
		return func(em []byte) ([]byte, error) { return padding.OAEP(s, em) }, nil
	}
	return nil, fmt.Errorf("keyless: options of the type %T do not say how to decrypt", options)
}
