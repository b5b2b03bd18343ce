package holdfast

import (
	"crypto/subtle"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// AEAD is authenticated encryption by a key that stays where it is. A
// ciphertext has all that Decrypt needs beside the key and the associated data.
// It is in the place's own form: another place does not read it. Clouds take at
// most 4 KiB of plaintext, and none none; package envelope encrypts files.
//
// It has the methods of tink's AEAD.
type AEAD interface {
	Encrypt(plaintext, associatedData []byte) ([]byte, error)
	// Decrypt returns an error of the kind BadCiphertext for anything but what
	// Encrypt made with the same key and associated data.
	Decrypt(ciphertext, associatedData []byte) ([]byte, error)
}

// MAC is a message authentication code by a key that stays where it is. Clouds
// take at most 4 KiB of data.
//
// It has the methods of tink's MAC.
type MAC interface {
	ComputeMAC(data []byte) ([]byte, error)
	// VerifyMAC returns nil, or an error of the kind BadSignature.
	VerifyMAC(mac, data []byte) error
}

// AEAD returns the key as an AEAD, or an error of the kind Unsupported.
func (k *Key) AEAD() (AEAD, error) {
	if k.key.AEAD == nil || len(k.of(alg.EncryptDecrypt)) == 0 {
		return nil, k.lacks("encrypting with", "encrypt as an AEAD")
	}
	return aead{k}, nil
}

type aead struct{ key *Key }

// Encrypt encrypts a plaintext.
func (a aead) Encrypt(plaintext, associatedData []byte) ([]byte, error) {
	ciphertext, err := a.key.key.AEAD.Seal(nil, plaintext, associatedData)
	return ciphertext, a.key.failed("encrypting with", err)
}

// Decrypt decrypts a ciphertext.
func (a aead) Decrypt(ciphertext, associatedData []byte) ([]byte, error) {
	plaintext, err := a.key.key.AEAD.Open(nil, ciphertext, associatedData)
	return plaintext, a.key.failed("decrypting with", err)
}

// MAC returns the key as a MAC, or an error of the kind Unsupported.
func (k *Key) MAC() (MAC, error) {
	if k.key.MAC == nil || len(k.of(alg.GenerateVerifyMAC)) == 0 {
		return nil, k.lacks("authenticating with", "compute message authentication codes")
	}
	return mac{k}, nil
}

type mac struct{ key *Key }

// ComputeMAC computes a code.
func (m mac) ComputeMAC(data []byte) ([]byte, error) {
	code, err := m.key.key.MAC.Sum(nil, data)
	return code, m.key.failed("authenticating with", err)
}

// VerifyMAC checks a code, in the place if it does that.
func (m mac) VerifyMAC(code, data []byte) error {
	const op = "verifying with"
	if v := m.key.key.Verifier; v != nil {
		return m.key.failed(op, v.Verify(m.key.of(alg.GenerateVerifyMAC)[0], engine.Message{Form: alg.Raw, Bytes: data}, code))
	}
	want, err := m.key.key.MAC.Sum(nil, data)
	if err != nil {
		return m.key.failed(op, err)
	}
	if subtle.ConstantTimeCompare(want, code) != 1 {
		return refuse(BadSignature, op, m.key.uri, "the code is wrong")
	}
	return nil
}
