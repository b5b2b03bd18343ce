// Package engine says what a place where keys live can do. An Engine makes
// keys and opens them for use; where the material is (in this process, in an
// HSM, in a cloud) is its own affair. Keys travel as the standard library's
// interfaces, so that whoever has one needs to know nothing of engines.
//
// Every implementation runs enginetest, and declares there what it lacks.
package engine

import (
	"context"
	"crypto"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Ref names one version of one key. An engine binds the material to it: what
// was made for one Ref cannot be opened as another.
type Ref struct {
	Realm   key.RealmID
	ID      key.ID
	Version key.VersionNumber
}

// String returns "realm/id/version", for logs and error causes.
func (r Ref) String() string { return fmt.Sprintf("%s/%s/%d", r.Realm, r.ID, r.Version) }

// Kind is what a new key is to be.
type Kind struct {
	Spec alg.Spec
	// Usage is what the key is for. An engine that can restrict a key to it does.
	Usage alg.Usage
	// Exportable lets the material leave (Exporter, WrapExporter). An engine
	// that can forbid it for all others does.
	Exportable bool
}

// Material is what an engine gives to be kept for it.
type Material struct {
	// Wrapped is the material encrypted by the engine, or the engine's
	// reference to it. It reveals nothing, and is useless without the engine.
	Wrapped []byte
	// Public is the SubjectPublicKeyInfo in DER, nil for symmetric keys.
	Public []byte
}

// Engine is a place where key operations happen. All methods may be called
// at the same time. Errors are *fault.Error: Unsupported for a spec that the
// engine lacks, Unavailable while it is out of reach, Internal when Wrapped
// was changed or belongs to another Ref.
type Engine interface {
	// Name is what key records call the engine, such as "soft".
	Name() string
	// Supports reports whether the engine makes keys of the spec for the usage.
	Supports(spec alg.Spec, usage alg.Usage) bool
	// Generate makes new material. It stores nothing outside the engine.
	Generate(ctx context.Context, ref Ref, kind Kind) (Material, error)
	// Open makes material ready for use. The Key may be kept and used by many
	// goroutines at once.
	Open(ctx context.Context, ref Ref, spec alg.Spec, wrapped []byte) (*Key, error)
	// Destroy ends material for good, before its record goes. An engine whose
	// material exists only as Wrapped has nothing to do.
	Destroy(ctx context.Context, ref Ref, wrapped []byte) error
	// Random fills b from the engine's random source.
	Random(ctx context.Context, b []byte) error
}

// Key is an opened version. Which fields are set follows from the key's spec:
// Signer for SignVerify, Decrypter for RSA, AEAD for AES-256, MAC for HMAC,
// Agreement for KeyAgreement.
type Key struct {
	// Signer signs with any algorithm of the key's spec: its options come
	// from Options. For ML-DSA and pure Ed25519 the "digest" is the message.
	Signer    crypto.Signer
	Decrypter crypto.Decrypter
	AEAD      AEAD
	MAC       MAC
	// Agreement is there, beside the Signer, for keys on the NIST curves. Use it
	// by Agree.
	Agreement Agreement
	// Cipher is there for AES keys of engines that have alg.RawEncryptDecrypt,
	// beside the AEAD for AES-256: a key is used for one of the two.
	Cipher Cipher
	// Unwrapper is there, beside the Decrypter, for RSA keys of engines that
	// take wrapped material.
	Unwrapper Unwrapper
	// Verifier is there, beside the Signer, where the place verifies too.
	Verifier Verifier
	// Algorithms are those that the key has where it lives; nil for all that its
	// spec has for its usage, the further ones among them.
	Algorithms []alg.Algorithm
}

// AEAD is authenticated encryption that chooses its own nonces. A ciphertext
// carries all that Open needs beside the key and the associated data.
type AEAD interface {
	// Seal appends the encryption of plaintext to dst.
	Seal(dst, plaintext, associated []byte) ([]byte, error)
	// Open appends the decryption to dst; a ciphertext that this key did not
	// make with this associated data is a BadCiphertext error.
	Open(dst, ciphertext, associated []byte) ([]byte, error)
	// Overhead is the difference in bytes between ciphertext and plaintext; of a
	// service whose ciphertexts vary, at most.
	Overhead() int
}

// MAC is a message authentication code under a fixed key.
type MAC interface {
	// Sum appends the code of message to dst.
	Sum(dst, message []byte) ([]byte, error)
}
