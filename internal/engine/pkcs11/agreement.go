package pkcs11

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/subtle"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// agreement agrees with an opened key on a NIST curve.
type agreement struct{ *privateKey }

var _ engine.Agreement = agreement{}

// Shared has the token compute what the key shares with a public key of its
// spec.
func (g agreement) Shared(peer *engine.PublicKey) ([]byte, error) {
	const op = "engine/pkcs11.Shared"
	if err := engine.CheckPeer(g.spec, peer); err != nil {
		return nil, err
	}
	if err := g.allows(alg.KeyAgreement); err != nil {
		return nil, err
	}
	ctx, cancel := g.engine.context()
	defer cancel()
	able, err := g.engine.lately(ctx)
	if err != nil {
		return nil, g.engine.failure(op, err)
	}
	var secret []byte
	err = g.engine.place.Use(ctx, g.at, func(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) (err error) {
		secret, err = inSession{ctx, able, s, o, g.spec}.Shared(peer)
		return err
	})
	if err != nil {
		return nil, g.engine.failure(op, err)
	}
	return secret, nil
}

// inSession is a private key in a session that agrees. It lives no longer than
// the call that has the session.
type inSession struct {
	ctx  context.Context //nolint:containedctx // of that call: an Agreement takes none
	able *able
	s    *pkcs11.Session
	o    pkcs11.Object
	spec alg.Spec
}

// Shared makes an object of the session of the secret, reads it and ends it.
func (k inSession) Shared(peer *engine.PublicKey) ([]byte, error) {
	other, err := peer.ECDH()
	if err != nil {
		return nil, err
	}
	return k.able.derive(k.ctx, k.s, k.o, k.spec, other.Bytes())
}

// derive returns the x coordinate of a point times a private key.
func (a *able) derive(ctx context.Context, s *pkcs11.Session, private pkcs11.Object, spec alg.Spec, point []byte) ([]byte, error) {
	size := engine.SharedSize(spec)
	made, err := s.Derive(ctx, pkcs11.Mechanism{Type: pkcs11.MechECDH1Derive, ECDH: &pkcs11.ECDH{Public: point}}, private,
		a.keep([]pkcs11.Attribute{
			pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassSecretKey), pkcs11.Number(pkcs11.AttrKeyType, pkcs11.KeyGenericSecret),
			pkcs11.Bool(pkcs11.AttrToken, false), pkcs11.Bool(pkcs11.AttrSensitive, false), pkcs11.Bool(pkcs11.AttrExtractable, true),
			pkcs11.Number(pkcs11.AttrValueLen, uint64(size)), //nolint:gosec // of the table
		}))
	if err != nil {
		return nil, err
	}
	defer discard(ctx, s, made)
	value, err := s.Attributes(ctx, made, pkcs11.AttrValue)
	if err != nil {
		return nil, err
	}
	got := value[0].Value
	switch {
	case got == nil:
		return nil, pkcs11.RVAttributeSensitive
	case len(got) > size:
		return nil, internal("engine/pkcs11.Shared", fmt.Errorf("the token's secret has %d bytes, not %d", len(got), size))
	}
	defer clear(got)
	secret := make([]byte, size) // some tokens leave leading zeros out
	copy(secret[size-len(got):], got)
	return secret, nil
}

// probeAgreement agrees with a key of the moment. Not every token that has the
// mechanism shows the secret: some give it to key derivations of their own
// only.
func (a *able) probeAgreement(ctx context.Context, s *pkcs11.Session) error {
	const spec = alg.P256
	if !a.has(pkcs11.MechECDH1Derive, pkcs11.CanDerive) || !a.has(pkcs11.MechECKeyPairGen, pkcs11.CanGenerateKeyPair) {
		return nil
	}
	public, private, err := s.GenerateKeyPair(ctx, pkcs11.Mechanism{Type: pkcs11.MechECKeyPairGen}, a.keep([]pkcs11.Attribute{
		pkcs11.Bool(pkcs11.AttrToken, false), pkcs11.Bytes(pkcs11.AttrECParams, a.curveOf(spec)),
	}), a.keep(append([]pkcs11.Attribute{
		pkcs11.Bool(pkcs11.AttrToken, false), pkcs11.Bool(pkcs11.AttrPrivate, true), pkcs11.Bool(pkcs11.AttrSensitive, true),
		pkcs11.Bool(pkcs11.AttrExtractable, false),
	}, a.secretUses(engine.Kind{Spec: spec, Usage: alg.KeyAgreement})...)))
	if err != nil {
		return err
	}
	defer discard(ctx, s, public)
	defer discard(ctx, s, private)
	spki, err := publicOf(ctx, s, public, spec)
	if err != nil || spki == nil {
		return err
	}
	p, err := engine.ParsePublic(spec, spki)
	if err != nil {
		return err
	}
	own, err := p.ECDH()
	if err != nil {
		return err
	}
	other, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	want, err := other.ECDH(own)
	if err != nil {
		return err
	}
	got, err := a.derive(ctx, s, private, spec, other.PublicKey().Bytes())
	a.agrees = err == nil && subtle.ConstantTimeCompare(got, want) == 1
	return err
}

// publicOfTwin returns the public half of a private key that came in wrapped
// and may not sign: an object of the session that is made of the same, and may,
// tells it.
func (in *incoming) publicOfTwin(ctx context.Context, s *pkcs11.Session, by *kek, wrapped []byte) ([]byte, error) {
	o, err := in.unwrapTwice(ctx, s, by, wrapped, in.keep(append([]pkcs11.Attribute{
		pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassPrivateKey), pkcs11.Number(pkcs11.AttrKeyType, keyType(in.kind.Spec)),
		pkcs11.Bool(pkcs11.AttrToken, false), pkcs11.Bool(pkcs11.AttrPrivate, true),
		pkcs11.Bool(pkcs11.AttrSensitive, true), pkcs11.Bool(pkcs11.AttrExtractable, false),
	}, in.secretUses(engine.Kind{Spec: in.kind.Spec, Usage: alg.SignVerify})...)))
	if err != nil {
		return nil, err
	}
	defer discard(ctx, s, o)
	twin := &incoming{able: in.able, reference: in.reference, kind: in.kind}
	return twin.publicHalf(ctx, s, o)
}
