package soft

import (
	"context"
	"crypto"
	"crypto/rsa"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/transfer"
)

var (
	_ engine.Unwrapper    = (*unwrapper)(nil)
	_ engine.WrapExporter = (*Engine)(nil)
)

// unwrapper takes keys that come wrapped under an opened RSA key. It is the
// only way to a PKCS #1 v1.5 decryption here: rsaKey's Decrypt has none.
type unwrapper struct {
	redacted
	engine *Engine
	key    *rsaKey
}

// Unwrap decrypts a key and takes it as Import does, with the same checks.
func (u *unwrapper) Unwrap(ctx context.Context, ref engine.Ref, kind engine.Kind, how alg.Wrapping, wrapped []byte) (engine.Material, error) {
	if err := ctx.Err(); err != nil {
		return engine.Material{}, unavailable("engine/soft.Unwrap", err)
	}
	if !u.engine.Imports(kind.Spec) {
		return engine.Material{}, fault.New(fault.Unsupported, "the soft engine takes no keys of type %q", kind.Spec)
	}
	size := 0
	if kind.Spec.Symmetric() {
		size = kind.Spec.Info().Bits / 8
	}
	plain, err := transfer.Unwrap(private{u.key}, how, size, wrapped)
	if err != nil {
		return engine.Material{}, err
	}
	defer clear(plain)
	if transfer.TwoSteps(how) {
		return u.engine.Import(ctx, ref, kind, engine.CutPadding(kind.Spec, plain))
	}
	return u.engine.Import(ctx, ref, kind, plain)
}

// private is an opened RSA key as package transfer knows it.
type private struct{ *rsaKey }

var _ transfer.Private = private{}

// Size returns the length of the modulus in bytes.
func (p private) Size() int { return p.private.Size() }

// OAEP decrypts RSAES-OAEP.
func (p private) OAEP(h crypto.Hash, ciphertext []byte) ([]byte, error) {
	return p.Decrypt(nil, ciphertext, &rsa.OAEPOptions{Hash: h})
}

// SessionKey decrypts RSAES-PKCS1-v1_5. It runs in Go: OpenSSL before 3.2
// tells wrong padding from right by its time.
func (p private) SessionKey(ciphertext, key []byte) error {
	if err := p.unit.enter(); err != nil {
		return err
	}
	defer p.unit.leave()
	return rsa.DecryptPKCS1v15SessionKey(nil, p.private, ciphertext, key) //nolint:staticcheck // alg.WrapPKCS1 says when, transfer.Unwrap how its result is used
}

// ExportWrapped encrypts the plain form of material under an RSA key.
func (e *Engine) ExportWrapped(
	ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte, under *engine.PublicKey, how alg.Wrapping,
) ([]byte, error) {
	k, ok := under.Key().(*rsa.PublicKey)
	if !ok {
		return nil, fault.New(fault.InvalidArgument, "a key of type %q does not wrap keys", under.Spec())
	}
	plain, err := e.Export(ctx, ref, spec, wrapped)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	return transfer.Wrap(nil, k, how, plain)
}
