package pkcs11

import (
	"context"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Generate makes a key in the token.
func (e *Engine) Generate(ctx context.Context, ref engine.Ref, kind engine.Kind) (engine.Material, error) {
	const op = "engine/pkcs11.Generate"
	if err := ctx.Err(); err != nil {
		return engine.Material{}, unavailable(op, err)
	}
	a, err := e.able(ctx)
	if err != nil {
		return engine.Material{}, e.failure(op, err)
	}
	if !a.makes(kind.Spec, kind.Usage) {
		return engine.Material{}, unsupported(kind.Spec, kind.Usage)
	}
	r := a.newReference(ref, kind)
	err = e.place.Do(ctx, func(ctx context.Context, s *pkcs11.Session) (err error) {
		r.Public, err = a.generate(ctx, s, r, kind)
		return err
	})
	if err != nil {
		e.abandon(ctx, r)
		return engine.Material{}, e.failure(op, err)
	}
	m, err := e.seal(ref, kind.Spec, r)
	if err != nil {
		e.abandon(ctx, r)
	}
	return m, err
}

// generate makes the objects of a key and returns its SubjectPublicKeyInfo, nil
// for a symmetric one.
func (a *able) generate(ctx context.Context, s *pkcs11.Session, r *reference, kind engine.Kind) ([]byte, error) {
	secret := a.secretTemplate(r, kind)
	if kind.Spec.Symmetric() {
		secret = append(secret, pkcs11.Number(pkcs11.AttrValueLen, uint64(kind.Spec.Info().Bits/8))) //nolint:gosec // of the table
		_, err := s.GenerateKey(ctx, pkcs11.Mechanism{Type: secretMechanism(kind.Spec)}, secret)
		return nil, err
	}
	what := []pkcs11.Attribute{pkcs11.Bytes(pkcs11.AttrECParams, a.curveOf(kind.Spec))}
	if kind.Spec.Info().Family == alg.RSA {
		what = []pkcs11.Attribute{
			pkcs11.Number(pkcs11.AttrModulusBits, uint64(kind.Spec.Info().Bits)), //nolint:gosec // of the table
			pkcs11.Bytes(pkcs11.AttrPublicExponent, []byte{1, 0, 1}),
		}
	}
	public, _, err := s.GenerateKeyPair(ctx, pkcs11.Mechanism{Type: pairMechanism(kind.Spec)}, a.publicTemplate(r, kind, what...), secret)
	if err != nil {
		return nil, err
	}
	spki, err := publicOf(ctx, s, public, kind.Spec)
	if err == nil && spki == nil {
		err = fmt.Errorf("the token does not show the public half of what it made")
	}
	return spki, err
}

// Open makes a key ready for use. It does not reach the token: a key whose
// token is away opens, and fails when it is used.
func (e *Engine) Open(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) (*engine.Key, error) {
	if err := ctx.Err(); err != nil {
		return nil, unavailable("engine/pkcs11.Open", err)
	}
	r, err := e.unseal(ref, spec, wrapped)
	if err != nil {
		return nil, err
	}
	return e.open(ref, spec, r)
}

func (e *Engine) open(ref engine.Ref, spec alg.Spec, r *reference) (*engine.Key, error) {
	h := handle{engine: e, spec: spec, at: r.address(), usages: r.Usages}
	can := r.algorithms(spec)
	switch spec.Info().Family {
	case alg.AES:
		k := &engine.Key{Cipher: &modes{h}, Algorithms: can}
		if spec.Allows(alg.EncryptDecrypt) {
			k.AEAD = &aead{h}
		}
		return k, nil
	case alg.HMAC:
		return &engine.Key{MAC: &mac{h, pkcs11.Mechanism{Type: macMechanism(spec)}, spec.Info().Bits / 8}, Algorithms: can}, nil
	case alg.RSA, alg.EC, alg.K256, alg.EdDSA, alg.MLDSA:
	}
	public, err := engine.ParsePublic(spec, r.Public)
	if err != nil {
		return nil, internal("engine/pkcs11.Open", fmt.Errorf("reading the reference of %s: %w", ref, err))
	}
	k := &privateKey{h, public}
	switch spec.Info().Family {
	case alg.RSA:
		return &engine.Key{Signer: k, Decrypter: &decrypter{k}, Unwrapper: &unwrapper{k}, Algorithms: can}, nil
	case alg.EC:
		return &engine.Key{Signer: k, Agreement: agreement{k}, Algorithms: can}, nil
	case alg.AES, alg.HMAC, alg.K256, alg.EdDSA, alg.MLDSA:
	}
	return &engine.Key{Signer: k, Algorithms: can}, nil
}
