package envelope

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" //nolint:gosec // in OAEP it needs no collision resistance, and some services' keys have no other
	_ "crypto/sha256"
	_ "crypto/sha512"
	"errors"
	"fmt"
)

// A Recipient wraps file keys: it is for whom a file is.
type Recipient interface {
	// URI says where the key is that will unwrap. It becomes part of the
	// file, in the clear, and has no secret in it.
	URI() string
	// Wrap encrypts a file key of 32 bytes, and says by which method. The
	// binding names the file: a method with associated data uses it as that,
	// so that a wrapped key is of use in its own file only, and shows in the
	// key's audit log as one.
	Wrap(ctx context.Context, fileKey, binding []byte) (Method, []byte, error)
}

// An Identity unwraps file keys.
type Identity interface {
	// URI names the key, in errors and to find the stanza that is for it.
	URI() string
	// Unwrap decrypts a file key. ErrMethod says that the key does not do the
	// stanza's method. A call that ignores the end of ctx is left behind.
	Unwrap(ctx context.Context, s Stanza, binding []byte) ([]byte, error)
}

// ErrMethod is in the chain of an Identity's error about a Stanza that is for
// another kind of key.
var ErrMethod = errors.New("the key does not unwrap by this method")

// Cipher is authenticated encryption by a key that stays where it is. It has
// the methods of tink's AEAD.
type Cipher interface {
	Encrypt(plaintext, associatedData []byte) ([]byte, error)
	Decrypt(ciphertext, associatedData []byte) ([]byte, error)
}

// AEAD is a symmetric key, as a Recipient and as an Identity.
type AEAD struct {
	uri    string
	cipher Cipher
}

var (
	_ Recipient = (*AEAD)(nil)
	_ Identity  = (*AEAD)(nil)
)

// NewAEAD returns the symmetric key that the URI names.
func NewAEAD(uri string, c Cipher) *AEAD { return &AEAD{uri, c} }

// URI returns where the key is.
func (k *AEAD) URI() string { return k.uri }

// Wrap encrypts a file key, with the binding as associated data.
func (k *AEAD) Wrap(_ context.Context, fileKey, binding []byte) (Method, []byte, error) {
	wrapped, err := k.cipher.Encrypt(fileKey, binding)
	return AEADMethod, wrapped, err
}

// Unwrap decrypts a file key.
func (k *AEAD) Unwrap(_ context.Context, s Stanza, binding []byte) ([]byte, error) {
	if s.Method != AEADMethod {
		return nil, fmt.Errorf("%s: %w", s.Method, ErrMethod)
	}
	return k.cipher.Decrypt(s.Wrapped, binding)
}

// oaepHashes are the hashes of the OAEP methods.
func oaepHashes() map[Method]crypto.Hash {
	return map[Method]crypto.Hash{OAEPSHA1: crypto.SHA1, OAEPSHA256: crypto.SHA256, OAEPSHA384: crypto.SHA384, OAEPSHA512: crypto.SHA512}
}

// RSA is the public half of an RSA key, as a Recipient. It wraps here, without
// asking whoever has the private half.
type RSA struct {
	uri    string
	public *rsa.PublicKey
	method Method
}

var _ Recipient = (*RSA)(nil)

// NewRSA returns the public half of the RSA key that the URI names, which
// decrypts by OAEP with the hash: SHA-256 where the key leaves the choice.
func NewRSA(uri string, public *rsa.PublicKey, hash crypto.Hash) (*RSA, error) {
	for method, h := range oaepHashes() {
		if h != hash {
			continue
		}
		// RFC 8017 section 7.1.1.
		if room := public.Size() - 2*hash.Size() - 2; room < keySize {
			return nil, fmt.Errorf("an RSA key of %d bits has no room for a file key by %s", public.N.BitLen(), method)
		}
		return &RSA{uri, public, method}, nil
	}
	return nil, fmt.Errorf("no method is OAEP with %s", hash)
}

// URI returns where the private half is.
func (k *RSA) URI() string { return k.uri }

// Wrap encrypts a file key. OAEP has a label, which most services lack: it is
// empty, and the binding is not used. The header's HMAC ties the two as well.
func (k *RSA) Wrap(_ context.Context, fileKey, _ []byte) (Method, []byte, error) {
	wrapped, err := rsa.EncryptOAEP(oaepHashes()[k.method].New(), rand.Reader, k.public, fileKey, nil)
	return k.method, wrapped, err
}

// RSAIdentity is the private half of an RSA key.
type RSAIdentity struct {
	uri       string
	decrypter crypto.Decrypter
}

var _ Identity = (*RSAIdentity)(nil)

// NewRSAIdentity returns the private half of the RSA key that the URI names.
// It decrypts by OAEP with the hash that a file asks for.
func NewRSAIdentity(uri string, d crypto.Decrypter) *RSAIdentity { return &RSAIdentity{uri, d} }

// URI returns where the key is.
func (k *RSAIdentity) URI() string { return k.uri }

// Unwrap decrypts a file key.
func (k *RSAIdentity) Unwrap(_ context.Context, s Stanza, _ []byte) ([]byte, error) {
	hash, ok := oaepHashes()[s.Method]
	if !ok {
		return nil, fmt.Errorf("%s: %w", s.Method, ErrMethod)
	}
	return k.decrypter.Decrypt(nil, s.Wrapped, &rsa.OAEPOptions{Hash: hash})
}
