package vaulttest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"net/http"

	wire "github.com/holdfast-kms/holdfast/internal/wire/vault"
)

func (in *input) aead() (cipher.AEAD, []byte, *wire.Error) {
	block, err := aes.NewCipher(in.key.versions[in.version].secret)
	if err != nil {
		return nil, nil, wire.Framed(http.StatusInternalServerError, err.Error())
	}
	c, err := cipher.NewGCM(block)
	if err != nil {
		return nil, nil, wire.Framed(http.StatusInternalServerError, err.Error())
	}
	associated, err := base64.StdEncoding.DecodeString(in.AssociatedData)
	if err != nil {
		return nil, nil, bad("unable to decode associated_data as base64: %s", err)
	}
	return c, associated, nil
}

func (in *input) encrypt() (*result, *wire.Error) {
	if !in.key.SupportsEncryption {
		return nil, bad("message encryption %s %s", wire.TextNotSupported2, in.key.Type)
	}
	if in.Plaintext == nil {
		return nil, bad("missing plaintext to encrypt")
	}
	plaintext, err := base64.StdEncoding.DecodeString(*in.Plaintext)
	if err != nil {
		return nil, bad("%s", err)
	}
	var ciphertext []byte
	if private, ok := in.key.versions[in.version].private.(*rsa.PrivateKey); ok {
		if ciphertext, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, &private.PublicKey, plaintext, nil); err != nil {
			return nil, wire.Framed(http.StatusInternalServerError, "failed to RSA encrypt the plaintext: "+err.Error())
		}
	} else {
		c, associated, refusal := in.aead()
		if refusal != nil {
			return nil, refusal
		}
		nonce := make([]byte, c.NonceSize())
		_, _ = rand.Read(nonce) // never fails
		ciphertext = c.Seal(nonce, nonce, plaintext, associated)
	}
	return &result{data: wire.Ciphertext{Ciphertext: in.output(ciphertext), KeyVersion: in.version}}, nil
}

func (in *input) decrypt() (*result, *wire.Error) {
	if !in.key.SupportsDecryption {
		return nil, bad("message decryption %s %s", wire.TextNotSupported2, in.key.Type)
	}
	if in.Ciphertext == "" {
		return nil, bad("missing ciphertext to decrypt")
	}
	ciphertext, refusal := in.made(in.Ciphertext, "ciphertext")
	if refusal != nil {
		return nil, refusal
	}
	if private, ok := in.key.versions[in.version].private.(*rsa.PrivateKey); ok {
		plaintext, err := rsa.DecryptOAEP(sha256.New(), nil, private, ciphertext, nil)
		if err != nil {
			return nil, wire.Framed(http.StatusInternalServerError, wire.TextRSADecrypt+": "+err.Error())
		}
		return &result{data: wire.Decrypted{Plaintext: shown(plaintext)}}, nil
	}
	c, associated, refusal := in.aead()
	if refusal != nil {
		return nil, refusal
	}
	if len(ciphertext) < c.NonceSize() {
		return nil, bad("%s length", wire.TextBadCiphertext)
	}
	plaintext, err := c.Open(nil, ciphertext[:c.NonceSize()], ciphertext[c.NonceSize():], associated)
	if err != nil {
		return nil, bad("cipher: %s", wire.TextAuthentication)
	}
	return &result{data: wire.Decrypted{Plaintext: shown(plaintext)}}, nil
}

// shown returns a plaintext that is "" in JSON where it is empty, and not null.
func shown(plaintext []byte) []byte { return append([]byte{}, plaintext...) }
