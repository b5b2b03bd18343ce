package operation

import (
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/alias"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Limits that hold for every API.
const (
	MaxPlaintext = 4096 // bytes of a plaintext, and of a message to sign
	// MaxRawText is how many bytes a raw AES key encrypts or decrypts in one
	// request: its clients have files, and cut them up.
	MaxRawText    = 64 << 10
	MaxCiphertext = 6144 // bytes
	MaxRandom     = 1024 // bytes of random or of a data key
)

// EncryptRequest asks for a ciphertext of at most MaxPlaintext bytes, or by a raw
// AES key of MaxRawText.
type EncryptRequest struct {
	Key       alias.Ref
	Algorithm alg.Algorithm
	Plaintext []byte
	// Context is authenticated and not encrypted; its order does not matter.
	Context []key.Tag
	// Cipher has the parameters of a mode of AES (alg.RawEncryptDecrypt), and is
	// empty for all other algorithms.
	Cipher engine.CipherParameters
}

// EncryptResult is a ciphertext. Key is the key that made it.
type EncryptResult struct {
	Key        *key.Key
	Version    key.Version
	Algorithm  alg.Algorithm
	Ciphertext []byte
}

// DecryptRequest asks for the plaintext of a ciphertext.
type DecryptRequest struct {
	// Key may be the zero Ref for symmetric ciphertexts, which name their key.
	Key        alias.Ref
	Algorithm  alg.Algorithm
	Ciphertext []byte
	Context    []key.Tag
	// Cipher is what it is of EncryptRequest.
	Cipher engine.CipherParameters
}

// DecryptResult is a plaintext.
type DecryptResult struct {
	Key       *key.Key
	Version   key.Version
	Algorithm alg.Algorithm
	Plaintext []byte
}

// ReEncryptRequest asks for a ciphertext under another key or context,
// without the plaintext ever leaving.
type ReEncryptRequest struct {
	Source      DecryptRequest
	Destination EncryptRequest // Plaintext is not used
}

// ReEncryptResult has both ends of a re-encryption.
type ReEncryptResult struct {
	Source      DecryptResult // without Plaintext
	Destination EncryptResult
}

// DataKeyRequest asks for a random key and its ciphertext.
type DataKeyRequest struct {
	Key     alias.Ref
	Bytes   int // 1 to MaxRandom
	Context []key.Tag
	// WithoutPlaintext asks for the ciphertext alone.
	WithoutPlaintext bool
}

// DataKeyResult is a data key. Plaintext is nil when it was not asked for.
type DataKeyResult struct {
	EncryptResult
	Plaintext []byte
}

// SignRequest asks for a signature.
type SignRequest struct {
	Key       alias.Ref
	Algorithm alg.Algorithm
	Message   engine.Message
	// Listed refuses the further algorithms of the key's spec (alg.SpecInfo). It
	// is for APIs that have an algorithm for keys of other specs only, such as
	// ECDSA with SHA-512 for P-521.
	Listed bool
}

// SignResult is a signature: DER for ECDSA, else the scheme's own bytes.
type SignResult struct {
	Key       *key.Key
	Version   key.Version
	Signature []byte
}

// VerifyRequest asks whether a signature is right. A wrong one is a
// fault.BadSignature error, never a false answer.
type VerifyRequest struct {
	SignRequest
	Signature []byte
}

// MACRequest asks for a message authentication code.
type MACRequest struct {
	Key       alias.Ref
	Algorithm alg.Algorithm
	Message   []byte
}

// MACResult is a message authentication code.
type MACResult struct {
	Key     *key.Key
	Version key.Version
	MAC     []byte
}

// VerifyMACRequest asks whether a code is right; a wrong one is a
// fault.BadSignature error.
type VerifyMACRequest struct {
	MACRequest
	MAC []byte
}

// SharedSecretRequest asks for the secret that a key shares with the owner of
// another one.
type SharedSecretRequest struct {
	Key       alias.Ref
	Algorithm alg.Algorithm
	// Peer is the other's SubjectPublicKeyInfo in DER.
	Peer []byte
}

// SharedSecretResult is a shared secret as the algorithm yields it: no key, but
// what a key derivation takes (NIST SP 800-56C).
type SharedSecretResult struct {
	Key     *key.Key
	Version key.Version
	Secret  key.Secret
}

// PublicKeyResult is a key's current public half.
type PublicKeyResult struct {
	Key     *key.Key
	Version key.Version // Public has the SubjectPublicKeyInfo
}
