package kms

import (
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/alias"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/material"
	"github.com/holdfast-kms/holdfast/internal/operation"
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

// What operations take and give; package operation has it all.
type (
	// EncryptRequest asks for a ciphertext.
	EncryptRequest = operation.EncryptRequest
	// EncryptResult is a ciphertext.
	EncryptResult = operation.EncryptResult
	// DecryptRequest asks for the plaintext of a ciphertext.
	DecryptRequest = operation.DecryptRequest
	// DecryptResult is a plaintext.
	DecryptResult = operation.DecryptResult
	// ReEncryptRequest asks for a ciphertext under another key or context.
	ReEncryptRequest = operation.ReEncryptRequest
	// ReEncryptResult has both ends of a re-encryption.
	ReEncryptResult = operation.ReEncryptResult
	// DataKeyRequest asks for a random key and its ciphertext.
	DataKeyRequest = operation.DataKeyRequest
	// DataKeyResult is a data key.
	DataKeyResult = operation.DataKeyResult
	// SignRequest asks for a signature.
	SignRequest = operation.SignRequest
	// SignResult is a signature.
	SignResult = operation.SignResult
	// VerifyRequest asks whether a signature is right.
	VerifyRequest = operation.VerifyRequest
	// MACRequest asks for a message authentication code.
	MACRequest = operation.MACRequest
	// MACResult is a message authentication code.
	MACResult = operation.MACResult
	// VerifyMACRequest asks whether a code is right.
	VerifyMACRequest = operation.VerifyMACRequest
	// SharedSecretRequest asks for the secret that a key shares with the owner of another one.
	SharedSecretRequest = operation.SharedSecretRequest
	// SharedSecretResult is a shared secret.
	SharedSecretResult = operation.SharedSecretResult
	// PublicKeyResult is a key's current public half.
	PublicKeyResult = operation.PublicKeyResult
)

// ExportedKey is the material of a key's current version.
type ExportedKey struct {
	Key      *key.Key
	Version  key.Version
	Material key.Secret
}

// Page asks for a part of a listing: at most Limit entries after After.
type Page = catalog.Page

// Limits that hold for every API.
const (
	MaxPlaintext   = operation.MaxPlaintext
	MaxRawText     = operation.MaxRawText
	MaxCiphertext  = operation.MaxCiphertext
	MaxRandom      = operation.MaxRandom
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
