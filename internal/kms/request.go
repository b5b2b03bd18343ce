package kms

import (
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/alias"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/material"
)

// Ref is how a caller names a key.
type Ref = alias.Ref

// AliasPrefix begins every alias name.
const AliasPrefix = alias.Prefix

// CreateKeyRequest asks for a new key.
type CreateKeyRequest struct {
	Spec        alg.Spec
	Usage       alg.Usage // NoUsage where the spec has only one
	Description string
	// Policy is nil for the default: the realm's root may do everything, which
	// lets identity policies decide.
	Policy *key.Document
	Tags   []key.Tag
	// BypassLockout turns off the check that the caller can change the policy
	// again.
	BypassLockout bool
	// Exportable lets ExportKey give the material away. It cannot be set later.
	Exportable bool
	// Alias, if it is not empty, names the key from the start, for which the
	// caller needs CreateAlias as well. A key whose alias is taken is not made.
	Alias string
	// Engine names the engine that is to have the key; "" means the default one,
	// or that of Store.
	Engine string
	// Store is the custom key store that the key is to live in, "" for none. It
	// must be connected.
	Store string
	// External makes a key without material, pending import, for ImportMaterial.
	External bool
}

// AdoptKeyRequest asks for a key that is in an engine already. Spec and Usage
// may be left out: the engine says what the key is.
type AdoptKeyRequest struct {
	CreateKeyRequest
	// Name is what the engine calls the key: a PKCS #11 URI (RFC 7512), say.
	Name string
}

// ImportKeyRequest asks for a key whose material is made already.
type ImportKeyRequest struct {
	CreateKeyRequest
	// Material is the key in plain form (package engine, Importer): PKCS #8 in
	// DER, or the bytes of a symmetric key. The caller overwrites it afterwards.
	Material []byte
	// Public, where it is given, is the SubjectPublicKeyInfo in DER that the
	// key must have: that of the certificate that it is for, say.
	Public []byte
	// ID is the new key's id, from NewID, for an owner who has to know it before
	// the key is there; "" lets the door make one. It counts for Entrust alone.
	ID key.ID
}

// NewID returns an id for a key that is yet to be made.
func NewID() key.ID { return randomID() }

// ImportParameters is what a key's owner needs to send its material.
type ImportParameters struct {
	Key *key.Key
	material.Parameters
}

// ImportMaterialRequest brings the material of a key whose origin is
// key.Imported.
type ImportMaterialRequest struct {
	Key Ref
	// Token is that of the ImportParameters which Encrypted is encrypted for.
	Token     []byte
	Encrypted []byte
	// ExpiresAt is when the material is to be forgotten; zero for never.
	ExpiresAt time.Time
	// Rotate brings new material for a symmetric key that has some: it waits for
	// RotateOnDemand. Without it, a key takes what it had before and nothing else.
	Rotate bool
	// MaterialID, if it is not empty, is the id that the material must have.
	MaterialID string
	// Description is kept with the material; "" keeps what was said before.
	Description string
}

// MaterialResult says which material of a key was imported or deleted.
type MaterialResult struct {
	Key     *key.Key // as it is afterwards
	Version key.Version
}

// ImportWrappedRequest asks for a key that comes wrapped under a key exchange
// key, into the engine of that key.
type ImportWrappedRequest struct {
	CreateKeyRequest // Engine, Store and External stay empty
	// KEK is a key with the usage alg.KeyTransfer.
	KEK     Ref
	How     alg.Wrapping
	Wrapped []byte
}

// EncryptRequest asks for a ciphertext of at most MaxPlaintext bytes, or by a raw
// AES key of MaxRawText.
type EncryptRequest struct {
	Key       Ref
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
	Key        Ref
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
	Key     Ref
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
	Key       Ref
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
	Key       Ref
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
	Key       Ref
	Algorithm alg.Algorithm
	// Peer is the other's SubjectPublicKeyInfo in DER.
	Peer []byte
}

// SharedSecretResult is a shared secret as the algorithm yields it: no key, but
// what a key derivation takes (NIST SP 800-56C).
type SharedSecretResult struct {
	Key     *key.Key
	Version key.Version
	Secret  Secret
}

// ExportedKey is the material of a key's current version.
type ExportedKey struct {
	Key      *key.Key
	Version  key.Version
	Material Secret
}

// PublicKeyResult is a key's current public half.
type PublicKeyResult struct {
	Key     *key.Key
	Version key.Version // Public has the SubjectPublicKeyInfo
}

// Page asks for a part of a listing: at most Limit entries after After.
type Page = catalog.Page

// Limits that hold for every API.
const (
	MaxPlaintext = 4096 // bytes of a plaintext, and of a message to sign
	// MaxRawText is how many bytes a raw AES key encrypts or decrypts in one
	// request: its clients have files, and cut them up.
	MaxRawText     = 64 << 10
	MaxCiphertext  = 6144 // bytes
	MaxRandom      = 1024 // bytes of random or of a data key
	MaxTags        = key.MaxTags
	MaxGrants      = 100  // per key
	MaxDescription = 8192 // characters
	MaxPolicy      = 32 << 10
	MinDeletion    = 7  // days
	MaxDeletion    = 30 // days, and the default
	MinRotation    = 90 // days
	MaxRotation    = 2560
	DefaultRotate  = 365
	MaxOnDemand    = 25 // rotations that callers may ask of one key

	MaxMaterialText = 256 // characters of an imported material's description
)

// Rotations is one page of a key's past rotations.
type Rotations struct {
	Key      *key.Key
	Versions []key.Version // every version with a RotationCause
}

// daysFrom returns the time so many days after t.
func daysFrom(t time.Time, days int) time.Time { return t.AddDate(0, 0, days) }
