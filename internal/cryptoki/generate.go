package cryptoki

import (
	"context"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/mechanism"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/object"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/softkey"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// generateKeyPair is C_GenerateKeyPair.
func (c *call) generateKeyPair(ctx context.Context) error {
	handle, m := c.r.Uint(), c.r.Mechanism()
	publicTemplate, privateTemplate := object.Template(c.r.Attributes()), object.Template(c.r.Attributes())
	s, err := c.sessionOf(handle)
	if err != nil {
		return err
	}
	kind, ok := mechanism.Generates(m.Type)
	if !ok || kind == pkcs11.KeyAES || kind == pkcs11.KeyGenericSecret {
		return pkcs11.RVMechanismInvalid
	}
	public, err := publicTemplate.Read(pkcs11.ClassPublicKey, kind)
	if err != nil {
		return err
	}
	private, err := privateTemplate.Read(pkcs11.ClassPrivateKey, kind)
	if err != nil {
		return err
	}
	if public.Type != kind || private.Type != kind || public.Token != private.Token {
		return pkcs11.RVTemplateInconsistent
	}
	spec, err := publicTemplate.Spec(kind)
	if err != nil {
		return err
	}
	halves, err := c.generatePair(ctx, s, spec, public, private)
	if err != nil {
		return err
	}
	c.w.Uint(halves[1].handle)
	c.w.Uint(halves[0].handle)
	return nil
}

// generatePair makes a pair and returns its private and its public half.
func (c *call) generatePair(ctx context.Context, s *session, spec alg.Spec, public, private object.Wish) ([]*entry, error) {
	private.Label, private.ID = orElse(private.Label, public.Label), slices.Concat(private.ID, nil)
	if len(private.ID) == 0 {
		private.ID = slices.Clone(public.ID)
	}
	if !private.Token {
		pair, err := c.app.server.maker.Generate(ctx, spec)
		if err != nil {
			return nil, err
		}
		return c.app.addPair(s, pair, private, public, true)
	}
	h, err := c.writer(ctx, s)
	if err != nil {
		return nil, err
	}
	o, err := h.Generate(ctx, blueprintOf(private, spec, pairUsage(spec, private)))
	if err != nil {
		return nil, c.app.expired(ctx, s.slot, err)
	}
	halves := c.app.made(s.slot, o)
	if len(halves) != 2 {
		return nil, pkcs11.RVFunctionFailed
	}
	return halves, nil
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// writer returns what makes token objects in a session.
func (c *call) writer(ctx context.Context, s *session) (token.Holder, error) {
	if err := mayWrite(s); err != nil {
		return nil, err
	}
	return c.app.holder(ctx, s.slot)
}

func blueprintOf(w object.Wish, spec alg.Spec, usage alg.Usage) *token.Blueprint {
	return &token.Blueprint{Spec: spec, Usage: usage, Label: w.Label, CKAID: w.ID, Exportable: w.Extractable}
}

// pairUsage returns the one usage of a pair on a token. Applications ask for all
// that such a key could do; a key of Holdfast's does one thing: it signs, unless
// only something else is asked for.
func pairUsage(spec alg.Spec, private object.Wish) alg.Usage {
	other, asked := alg.KeyAgreement, object.Derive
	if spec.Info().Family == alg.RSA {
		other, asked = alg.EncryptDecrypt, object.Decrypt|object.Unwrap
	}
	if private.Can&object.Sign == 0 && private.Can&asked != 0 && spec.Allows(other) {
		return other
	}
	return alg.SignVerify
}

// addPair makes session objects of a pair.
func (a *application) addPair(s *session, pair *softkey.Pair, private, public object.Wish, local bool) ([]*entry, error) {
	p, err := object.ParsePublic(pair.Public())
	if err != nil {
		return nil, err
	}
	half := &entry{
		Object: &object.Object{Class: pkcs11.ClassPrivateKey, Private: private.Private, Label: private.Label, ID: private.ID, Key: sessionKey(private, p.Type, local)},
		use:    pair,
	}
	half.Key.Public, half.Key.Can = p, private.CanOr(object.Sign|object.Decrypt|object.Unwrap|object.Derive)
	half.material = pair.Material
	if err := a.add(s, half); err != nil {
		return nil, err
	}
	if public.Class != pkcs11.ClassPublicKey {
		return []*entry{half}, nil
	}
	other := publicEntry(p, public)
	other.Label, other.ID = orElse(public.Label, private.Label), public.ID
	if len(other.ID) == 0 {
		other.ID = private.ID
	}
	other.Key.Local, other.Key.Mechanism = half.Key.Local, half.Key.Mechanism
	if err := a.add(s, other); err != nil {
		a.forget(half)
		return nil, err
	}
	return []*entry{half, other}, nil
}

// publicEntry returns a public key as a session object.
func publicEntry(p *object.Public, w object.Wish) *entry {
	return &entry{Object: &object.Object{
		Class: pkcs11.ClassPublicKey, Private: w.Private, Label: w.Label, ID: slices.Clone(w.ID),
		Key: &object.Key{
			Type: p.Type, Public: p, Can: w.CanOr(object.Verify | object.Encrypt | object.Wrap | object.Derive),
			Mechanism: pkcs11.MechUnavailable, Allowed: allowed,
		},
	}}
}

// sessionKey returns what private and secret keys of sessions have in common.
func sessionKey(w object.Wish, t pkcs11.KeyType, local bool) *object.Key {
	k := &object.Key{
		Type: t, Sensitive: w.Sensitive, AlwaysSensitive: w.Sensitive && local, Extractable: w.Extractable, NeverExtractable: !w.Extractable && local,
		Local: local, Mechanism: pkcs11.MechUnavailable, Allowed: allowed,
	}
	if local {
		k.Mechanism = generators[mechanismType(t)]
	}
	return k
}

// mechanismType returns the type of key that mechanisms know a key by: those of
// the hashes' own are generic secrets.
func mechanismType(t pkcs11.KeyType) pkcs11.KeyType {
	switch t { //nolint:exhaustive // the others are themselves
	case pkcs11.KeySHA224HMAC, pkcs11.KeySHA256HMAC, pkcs11.KeySHA384HMAC, pkcs11.KeySHA512HMAC, pkcs11.KeySHA1HMAC:
		return pkcs11.KeyGenericSecret
	}
	return t
}

// generateKey is C_GenerateKey.
func (c *call) generateKey(ctx context.Context) error {
	handle, m, template := c.r.Uint(), c.r.Mechanism(), object.Template(c.r.Attributes())
	s, err := c.sessionOf(handle)
	if err != nil {
		return err
	}
	kind, ok := mechanism.Generates(m.Type)
	if !ok || kind != pkcs11.KeyAES && kind != pkcs11.KeyGenericSecret {
		return pkcs11.RVMechanismInvalid
	}
	w, err := template.Read(pkcs11.ClassSecretKey, kind)
	if err != nil {
		return err
	}
	if mechanismType(w.Type) != kind {
		return pkcs11.RVTemplateInconsistent
	}
	length, err := template.Uint(pkcs11.AttrValueLen, 0)
	if err != nil {
		return err
	}
	if length == 0 {
		return pkcs11.RVTemplateIncomplete
	}
	e, err := c.generateSecret(ctx, s, w, length)
	if err != nil {
		return err
	}
	c.w.Uint(e.handle)
	return nil
}

func (c *call) generateSecret(ctx context.Context, s *session, w object.Wish, length uint64) (*entry, error) {
	if length > mechanism.MaxSecret || w.Type == pkcs11.KeyAES && aesSpec(int(length)) == alg.NoSpec {
		return nil, pkcs11.RVKeySizeRange
	}
	if !w.Token {
		value := make([]byte, length)
		defer clear(value)
		if err := c.app.server.maker.Random(ctx, value); err != nil {
			return nil, err
		}
		return c.app.addSecret(s, w, value, true)
	}
	spec, usage := secretSpec(w.Type, int(length))
	if spec == alg.NoSpec {
		return nil, pkcs11.RVKeySizeRange
	}
	h, err := c.writer(ctx, s)
	if err != nil {
		return nil, err
	}
	o, err := h.Generate(ctx, blueprintOf(w, spec, usage))
	if err != nil {
		return nil, c.app.expired(ctx, s.slot, err)
	}
	return c.one(s, o)
}

// one returns the entry of a token's object that has just one.
func (c *call) one(s *session, o token.Object) (*entry, error) {
	entries := c.app.made(s.slot, o)
	if len(entries) == 0 {
		return nil, pkcs11.RVFunctionFailed
	}
	return entries[0], nil
}

func aesSpec(length int) alg.Spec {
	return map[int]alg.Spec{16: alg.AES128, 24: alg.AES192, 32: alg.AES256}[length]
}

// secretSpec returns what a secret key of a type and a length in bytes is on a
// token.
func secretSpec(t pkcs11.KeyType, length int) (alg.Spec, alg.Usage) {
	if t == pkcs11.KeyAES {
		return aesSpec(length), alg.RawEncryptDecrypt
	}
	return map[int]alg.Spec{28: alg.HMAC224, 32: alg.HMAC256, 48: alg.HMAC384, 64: alg.HMAC512}[length], alg.GenerateVerifyMAC
}

// addSecret makes a session object of a secret key, which stays the caller's.
func (a *application) addSecret(s *session, w object.Wish, value []byte, local bool) (*entry, error) {
	secret := softkey.NewSecret(value)
	e := &entry{
		Object: &object.Object{Class: pkcs11.ClassSecretKey, Private: w.Private, Label: w.Label, ID: slices.Clone(w.ID), Key: sessionKey(w, w.Type, local)},
		use:    secret, secret: secret, material: secret.Material,
	}
	e.Key.Length = len(value)
	e.Key.Can = w.CanOr(object.Sign | object.Verify | object.Encrypt | object.Decrypt | object.Wrap | object.Unwrap)
	if err := a.add(s, e); err != nil {
		return nil, err
	}
	return e, nil
}
