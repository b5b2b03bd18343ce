// Package token says what a PKCS #11 token is to the module that shows it in a
// slot (package cryptoki), whoever keeps its keys: what it says of itself, who may
// log in, and the objects that are then seen, made and used.
//
// Start with Token. The package is internal and may change with any release.
package token

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// Token is what is behind a slot. Its methods may be called at the same time.
// Errors of a Token, and of all that comes from it, are *fault.Error.
type Token interface {
	// Describe says what the token is. It asks nobody and never waits.
	Describe() Description
	// Login proves who an application is by its PIN, and returns what it may do.
	// A nil pin asks for the agent's own credential: where the slot has none, the
	// error is Unauthenticated with the reason MissingCredential. A PIN that is
	// wrong is Unauthenticated; a token that cannot be asked is Unavailable. The
	// pin is the caller's, who clears it afterwards.
	Login(ctx context.Context, pin []byte) (Holder, error)
}

// Description is what a token says of itself (CK_TOKEN_INFO). Texts that are
// longer than the structure's fields are cut at a character: Label and
// Manufacturer have 32 bytes, Model and Serial 16.
type Description struct {
	Label, Serial, Model, Manufacturer string
	// LoginRequired says that without C_Login nothing of the token can be seen or
	// used (CKF_LOGIN_REQUIRED). Where it is false, Login with a nil pin works.
	LoginRequired bool
}

// Holder is what one application that logged in may do on one token. Its
// methods may be called at the same time, until Close.
type Holder interface {
	// Objects returns the keys and certificates of the token that the application
	// may see, at most MaxObjects, from a cache that is asked again when it is
	// stale: it is called for every C_FindObjectsInit. What Generate, Import and
	// AddCertificate made, and what Rename changed, is in the next answer. The
	// slice and what it refers to are not changed afterwards by anybody.
	Objects(ctx context.Context) ([]Object, error)
	Maker
	Keeper
	// Random fills b from the token's random source.
	Random(ctx context.Context, b []byte) error
	// Close ends what the application had. Calls that are under way, or come
	// later, fail with Unauthenticated; they do no harm.
	Close() error
}

// Maker makes token objects (CKA_TOKEN true).
type Maker interface {
	// Generate makes a key pair or a secret key on the token: a key of Holdfast
	// that lives as long as any other.
	Generate(ctx context.Context, b *Blueprint) (Object, error)
	// Import makes a key of material that the application had: PKCS #8 in DER of a
	// key pair, the bytes themselves of a secret key. The material is the
	// caller's, who clears it afterwards.
	Import(ctx context.Context, b *Blueprint, material []byte) (Object, error)
	// AddCertificate keeps a certificate (X.509 in DER) beside the keys.
	AddCertificate(ctx context.Context, b *Blueprint, der []byte) (Object, error)
}

// Keeper changes and ends token objects, by their IDs.
type Keeper interface {
	// Rename sets an object's label and CKA_ID: both are given, the one that does
	// not change as it is.
	Rename(ctx context.Context, id, label string, ckaID []byte) error
	// Destroy schedules a key's deletion, or forgets a certificate. It is no
	// longer among the Objects.
	Destroy(ctx context.Context, id string) error
	// Material returns a key that is exportable, in the form that Import takes, for
	// C_WrapKey and CKA_VALUE. The caller clears it.
	Material(ctx context.Context, id string) ([]byte, error)
}

// Kind is what an Object is.
type Kind uint8

// The kinds. The zero Kind is none.
const (
	// Key is a key pair, which an application sees as a private and a public
	// object, or a secret key.
	Key Kind = iota + 1
	// Certificate is an X.509 certificate.
	Certificate
)

// Object is a key or a certificate of a token.
type Object struct {
	// ID names the object in the token, the same in every login.
	ID   string
	Kind Kind
	// Spec and Usage are those of a key.
	Spec  alg.Spec
	Usage alg.Usage
	// Label and CKAID are CKA_LABEL and CKA_ID. A certificate has those of its key.
	Label string
	CKAID []byte
	// Public is the SubjectPublicKeyInfo in DER of a key pair; nil otherwise.
	Public []byte
	// Certificate is the certificate in DER; nil of keys.
	Certificate []byte
	// Exportable says that the key's material may leave (CKA_EXTRACTABLE).
	Exportable bool
	// Imported says that the key was not made on the token (CKA_LOCAL false).
	Imported bool
	// Use uses the key; nil of certificates.
	Use Use
}

// Use uses a key. Its methods may be called at the same time. A method that the
// key's usage or spec does not have is InvalidArgument with the reason
// WrongUsage or WrongAlgorithm.
type Use interface {
	// Sign signs with an algorithm of usage sign-verify. Of an algorithm with a
	// hash, input is the digest; of PKCS1Plain what the padding encloses; of
	// Ed25519Pure and ML-DSA the message. ECDSA signatures are in ASN.1 DER.
	Sign(ctx context.Context, a alg.Algorithm, input []byte) ([]byte, error)
	// MAC computes the message's code with an HMAC key.
	MAC(ctx context.Context, a alg.Algorithm, message []byte) ([]byte, error)
	// Encrypt encrypts with a raw algorithm of an AES key (usage
	// raw-encrypt-decrypt), whose parameters the application gives.
	Encrypt(ctx context.Context, a alg.Algorithm, p engine.CipherParameters, plaintext []byte) ([]byte, error)
	// Decrypt decrypts what Encrypt made, or what was encrypted to an RSA key
	// (usage encrypt-decrypt; the parameters are then empty). RSARaw's result is
	// as long as the modulus.
	Decrypt(ctx context.Context, a alg.Algorithm, p engine.CipherParameters, ciphertext []byte) ([]byte, error)
	// Derive returns the secret that the key (usage key-agreement) shares with the
	// owner of the public key in spki, a SubjectPublicKeyInfo in DER: the x
	// coordinate, with no key derivation after it.
	Derive(ctx context.Context, spki []byte) ([]byte, error)
}

// MaxObjects is how many objects of a token an application sees.
const MaxObjects = 10_000

// Blueprint is what a new object is to be.
type Blueprint struct {
	Spec  alg.Spec
	Usage alg.Usage
	// Label and CKAID may be empty: the token then has its own.
	Label      string
	CKAID      []byte
	Exportable bool
}
