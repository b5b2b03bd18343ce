package kms

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/customstore"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
)

// Door is what this front end asks of the door; *kms.Service is it, and its
// documentation holds.
type Door interface {
	Keys
	Aliases
	Settings
	Rotations
	Imports
	Ciphers
	Signatures
	Agreements
}

// Keys makes keys and leads them through their life.
type Keys interface {
	CreateKey(ctx context.Context, call *key.Call, req *kms.CreateKeyRequest) (*key.Key, error)
	DescribeKey(ctx context.Context, call *key.Call, ref kms.Ref) (*key.Key, error)
	ListKeys(ctx context.Context, call *key.Call, page kms.Page) ([]key.ID, string, error)
	EnableKey(ctx context.Context, call *key.Call, ref kms.Ref) error
	DisableKey(ctx context.Context, call *key.Call, ref kms.Ref) error
	ScheduleDeletion(ctx context.Context, call *key.Call, ref kms.Ref, days int) (*key.Key, error)
	CancelDeletion(ctx context.Context, call *key.Call, ref kms.Ref) (*key.Key, error)
}

// Aliases names keys.
type Aliases interface {
	CreateAlias(ctx context.Context, call *key.Call, name string, target kms.Ref) error
	UpdateAlias(ctx context.Context, call *key.Call, name string, target kms.Ref) error
	DeleteAlias(ctx context.Context, call *key.Call, name string) error
	ListAliases(ctx context.Context, call *key.Call, target *kms.Ref, page kms.Page) ([]key.Alias, string, error)
}

// Settings are a key's description, policy and tags.
type Settings interface {
	UpdateDescription(ctx context.Context, call *key.Call, ref kms.Ref, text string) error
	PutPolicy(ctx context.Context, call *key.Call, ref kms.Ref, doc key.Document, bypassLockout bool) error
	Policy(ctx context.Context, call *key.Call, ref kms.Ref) (key.Document, error)
	ListPolicies(ctx context.Context, call *key.Call, ref kms.Ref) ([]string, error)
	Tag(ctx context.Context, call *key.Call, ref kms.Ref, tags []key.Tag) error
	Untag(ctx context.Context, call *key.Call, ref kms.Ref, keys []string) error
	ListTags(ctx context.Context, call *key.Call, ref kms.Ref, page kms.Page) ([]key.Tag, string, error)
}

// Rotations gives keys new material.
type Rotations interface {
	EnableRotation(ctx context.Context, call *key.Call, ref kms.Ref, days int) error
	DisableRotation(ctx context.Context, call *key.Call, ref kms.Ref) error
	RotationStatus(ctx context.Context, call *key.Call, ref kms.Ref) (*key.Key, error)
	RotateOnDemand(ctx context.Context, call *key.Call, ref kms.Ref) (*key.Key, error)
	ListRotations(ctx context.Context, call *key.Call, ref kms.Ref, page kms.Page) (*key.Key, []key.Version, string, error)
	ListMaterials(ctx context.Context, call *key.Call, ref kms.Ref, page kms.Page) (*key.Key, []key.Version, string, error)
}

// Imports brings material of its owner's making into a key, and takes it away.
type Imports interface {
	ImportParameters(ctx context.Context, call *key.Call, ref kms.Ref, how alg.Wrapping, under alg.Spec) (*kms.ImportParameters, error)
	ImportMaterial(ctx context.Context, call *key.Call, req *kms.ImportMaterialRequest) (*kms.MaterialResult, error)
	DeleteMaterial(ctx context.Context, call *key.Call, ref kms.Ref, materialID string) (*kms.MaterialResult, error)
}

// Ciphers encrypts and decrypts.
type Ciphers interface {
	Encrypt(ctx context.Context, call *key.Call, req *kms.EncryptRequest) (*kms.EncryptResult, error)
	Decrypt(ctx context.Context, call *key.Call, req *kms.DecryptRequest) (*kms.DecryptResult, error)
	ReEncrypt(ctx context.Context, call *key.Call, req *kms.ReEncryptRequest) (*kms.ReEncryptResult, error)
	GenerateDataKey(ctx context.Context, call *key.Call, req *kms.DataKeyRequest) (*kms.DataKeyResult, error)
	GenerateRandom(ctx context.Context, call *key.Call, n int) ([]byte, error)
}

// Signatures signs, computes codes, and verifies both.
type Signatures interface {
	Sign(ctx context.Context, call *key.Call, req *kms.SignRequest) (*kms.SignResult, error)
	Verify(ctx context.Context, call *key.Call, req *kms.VerifyRequest) (*key.Key, error)
	GenerateMAC(ctx context.Context, call *key.Call, req *kms.MACRequest) (*kms.MACResult, error)
	VerifyMAC(ctx context.Context, call *key.Call, req *kms.VerifyMACRequest) (*key.Key, error)
	PublicKey(ctx context.Context, call *key.Call, ref kms.Ref) (*kms.PublicKeyResult, error)
}

// Agreements shares secrets with the owners of other keys.
type Agreements interface {
	DeriveSharedSecret(ctx context.Context, call *key.Call, req *kms.SharedSecretRequest) (*kms.SharedSecretResult, error)
}

// Stores is what this front end asks of the custom key stores;
// *customstore.Service is it, and its documentation holds.
type Stores interface {
	Create(ctx context.Context, call *key.Call, req *customstore.CreateRequest) (*customstore.Store, error)
	List(ctx context.Context, call *key.Call, l customstore.List) ([]*customstore.Store, string, error)
	Update(ctx context.Context, call *key.Call, id string, u customstore.Update) error
	Connect(ctx context.Context, call *key.Call, id string) error
	Disconnect(ctx context.Context, call *key.Call, id string) error
	Delete(ctx context.Context, call *key.Call, id string) error
	ClusterOf(id string) string
}

// front is the handlers' receiver.
type front struct {
	door   Door
	stores Stores
}
