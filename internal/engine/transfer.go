package engine

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Plain material is how keys travel into and out of an engine: for AES and
// HMAC the secret itself, as long as the spec says; for all others an
// unencrypted PKCS #8 PrivateKeyInfo in DER (RFC 5958): RFC 8017 for RSA, RFC
// 5915 for the NIST curves and secp256k1, RFC 8410 for Ed25519, and RFC 9881
// for ML-DSA, as the seed alone.

// MaxPlain is the largest plain material in bytes; an RSA-4096 key has some
// 2,400.
const MaxPlain = 16 << 10

// Importer is what an Engine is, beside, when it takes material that was made
// elsewhere. All methods may be called at the same time.
type Importer interface {
	// Imports reports whether the engine takes material of the spec.
	Imports(spec alg.Spec) bool
	// Import checks plain material and returns it as Generate would, wrapped
	// for ref. It keeps no reference to plain, and overwrites its own copies
	// where Go lets it. Material of another spec, that is inconsistent in itself
	// (a public half that is another key's, factors that are none), or that is
	// known to be weak is a fault.InvalidArgument error, the last one with the
	// reason WeakKey; a spec that it does not take is Unsupported.
	Import(ctx context.Context, ref Ref, kind Kind, plain []byte) (Material, error)
}

// Exporter is what an Engine is, beside, when it can give material away. The
// decision whether it may is its caller's, and is made in one place: package
// kms, for keys that were exportable from the first.
type Exporter interface {
	// Exports reports whether the engine gives material of the spec away.
	Exports(spec alg.Spec) bool
	// Export returns the plain form of what Generate or Import made for ref.
	// The bytes are the caller's, who overwrites them after use. Errors are
	// those of Engine.Open; a spec that it does not give away is Unsupported.
	Export(ctx context.Context, ref Ref, spec alg.Spec, wrapped []byte) ([]byte, error)
}

// Unwrapper is what an opened RSA key is, beside, when other keys can come in
// wrapped under it: the plain material is never outside the engine.
type Unwrapper interface {
	// Unwrap decrypts wrapped with the key and makes material of it in the same
	// engine, as Importer.Import would of the plain form. Whatever of the
	// encryption is wrong, the error is one and the same BadCiphertext.
	Unwrap(ctx context.Context, ref Ref, kind Kind, how alg.Wrapping, wrapped []byte) (Material, error)
}

// WrapExporter is what an Engine is, beside, when it can give material away
// encrypted under a public key, without its plain form being seen outside.
type WrapExporter interface {
	// ExportWrapped returns what Generate or Import made for ref, encrypted
	// under an RSA key. The decision whether it may is its caller's. Errors are
	// those of Exporter.Export.
	ExportWrapped(ctx context.Context, ref Ref, spec alg.Spec, wrapped []byte, under *PublicKey, how alg.Wrapping) ([]byte, error)
}

// Adopter is what an Engine is, beside, when keys can be in it that it did not
// make.
type Adopter interface {
	// Adopt finds a key by a name of the engine's own (a PKCS #11 URI, RFC 7512)
	// and returns what it is and material for ref. It changes nothing in the
	// engine. No such key is NotFound, several are a Conflict, a key that the
	// table does not have is Unsupported.
	Adopt(ctx context.Context, ref Ref, name string) (Kind, Material, error)
}

// Protector is what an Engine is, beside, when it keeps keys elsewhere than in
// this process. Without it the protection is key.Software.
type Protector interface {
	Protection() key.Protection
}
