package engine

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/alg"
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
	Import(ctx context.Context, ref Ref, spec alg.Spec, plain []byte) (Material, error)
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
