package soft

import (
	"context"
	"fmt"

	"filippo.io/mldsa"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

var (
	_ engine.Importer = (*Engine)(nil)
	_ engine.Exporter = (*Engine)(nil)
)

// Imports reports whether the table has the spec: this engine takes them all.
func (*Engine) Imports(spec alg.Spec) bool { return spec.Info().Family != 0 }

// Exports reports the same: what this engine makes, it can give away.
func (e *Engine) Exports(spec alg.Spec) bool { return e.Imports(spec) }

// Import checks plain material, has the key sign for itself, and returns it
// wrapped for ref.
func (e *Engine) Import(ctx context.Context, ref engine.Ref, kind engine.Kind, plain []byte) (engine.Material, error) {
	spec := kind.Spec
	const op = "engine/soft.Import"
	if err := ctx.Err(); err != nil {
		return engine.Material{}, unavailable(op, err)
	}
	if !e.Imports(spec) {
		return engine.Material{}, fault.New(fault.Unsupported, "the soft engine takes no keys of type %q", spec)
	}
	p, err := engine.ParsePlain(spec, plain)
	if err != nil {
		return engine.Material{}, err
	}
	s, err := encode(p)
	if err != nil {
		return engine.Material{}, internal(op, err)
	}
	if err := e.rehearse(spec, s); err != nil {
		clear(s.encoded)
		return engine.Material{}, engine.Unsound(spec, err)
	}
	return e.wrap(ref, spec, s)
}

// encode returns material as it is wrapped.
func encode(p *engine.Plain) (*secret, error) {
	switch k := p.Private.(type) {
	case nil:
		return &secret{encoded: p.Secret}, nil
	case *secp256k1.PrivateKey:
		defer k.Zero()
		return &secret{encoded: k.Serialize(), public: p.Public}, nil
	case *mldsa.PrivateKey:
		return &secret{encoded: k.Bytes(), public: p.Public}, nil
	}
	return pkcs8(p.Private, p.Public)
}

// rehearse opens a secret and, where it signs, has it sign for itself.
func (e *Engine) rehearse(spec alg.Spec, s *secret) error {
	k, err := e.open(spec, s.encoded)
	if err != nil || k.Signer == nil {
		return err
	}
	spki, err := engine.MarshalPublic(spec, s.public)
	if err != nil {
		return err
	}
	public, err := engine.ParsePublic(spec, spki)
	if err != nil {
		return err
	}
	return engine.Rehearse(k.Signer, public)
}

// Export returns the plain form of material that was wrapped for ref.
func (e *Engine) Export(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) ([]byte, error) {
	const op = "engine/soft.Export"
	if err := ctx.Err(); err != nil {
		return nil, unavailable(op, err)
	}
	if !e.Exports(spec) {
		return nil, fault.New(fault.Unsupported, "the soft engine has no keys of type %q", spec)
	}
	encoded, err := e.unwrap(ref, spec, wrapped)
	if err != nil {
		return nil, err
	}
	plain, err := plainOf(spec, encoded)
	if err != nil {
		return nil, internal(op, fmt.Errorf("writing material of %s: %w", ref, err))
	}
	return plain, nil
}

// plainOf returns the plain form of an encoded secret, which it takes over.
func plainOf(spec alg.Spec, encoded []byte) ([]byte, error) {
	switch spec { //nolint:exhaustive // the encodings of all other specs are the plain form
	case alg.Secp256k1:
		defer clear(encoded)
		k := secp256k1.PrivKeyFromBytes(encoded)
		defer k.Zero()
		return engine.MarshalPlain(k)
	case alg.MLDSA44, alg.MLDSA65, alg.MLDSA87:
		defer clear(encoded)
		params, _ := engine.MLDSAParameters(spec)
		k, err := mldsa.NewPrivateKey(params, encoded)
		if err != nil {
			return nil, err
		}
		return engine.MarshalPlain(k)
	}
	return encoded, nil
}
