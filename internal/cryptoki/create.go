package cryptoki

import (
	"bytes"
	"context"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/mechanism"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/object"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// createObject is C_CreateObject.
func (c *call) createObject(ctx context.Context) error {
	handle, template := c.r.Uint(), object.Template(c.r.Attributes())
	s, err := c.sessionOf(handle)
	if err != nil {
		return err
	}
	class, err := template.Uint(pkcs11.AttrClass, unavailable)
	if err != nil {
		return err
	}
	e, err := c.create(ctx, s, pkcs11.Class(class), template)
	if err != nil {
		return err
	}
	c.w.Uint(e.handle)
	return nil
}

func (c *call) create(ctx context.Context, s *session, class pkcs11.Class, template object.Template) (*entry, error) {
	if class == unavailable {
		return nil, pkcs11.RVTemplateIncomplete
	}
	w, err := template.Read(class, noKeyType)
	if err != nil {
		return nil, err
	}
	if class != pkcs11.ClassCertificate && w.Type == noKeyType {
		return nil, pkcs11.RVTemplateIncomplete
	}
	switch class {
	case pkcs11.ClassCertificate:
		return c.createCertificate(ctx, s, w, template.Bytes(pkcs11.AttrValue))
	case pkcs11.ClassPublicKey:
		return c.createPublic(ctx, s, w, template)
	case pkcs11.ClassPrivateKey:
		der, _, err := template.Private(w.Type)
		if err != nil {
			return nil, err
		}
		defer clear(der)
		return c.importPair(ctx, s, w, der)
	case pkcs11.ClassSecretKey:
		value := template.Bytes(pkcs11.AttrValue)
		if value == nil {
			return nil, pkcs11.RVTemplateIncomplete
		}
		return c.importSecret(ctx, s, w, value)
	case pkcs11.ClassData:
		// Holdfast has secrets for that, with an API of their own.
	}
	return nil, pkcs11.RVTemplateInconsistent
}

// noKeyType stands for a template that says no CKA_KEY_TYPE.
const noKeyType = unavailable

func (c *call) createCertificate(ctx context.Context, s *session, w object.Wish, der []byte) (*entry, error) {
	der = bytes.Clone(der)
	parsed, err := object.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if !w.Token {
		e := &entry{Object: &object.Object{Class: pkcs11.ClassCertificate, Private: w.Private, Label: w.Label, ID: slices.Clone(w.ID), Certificate: parsed}}
		return e, c.app.add(s, e)
	}
	h, err := c.writer(ctx, s)
	if err != nil {
		return nil, err
	}
	o, err := h.AddCertificate(ctx, blueprintOf(w, alg.NoSpec, alg.NoUsage), der)
	if err != nil {
		return nil, c.app.expired(ctx, s.slot, err)
	}
	return c.one(s, o)
}

// createPublic makes a public key of a session. On the token there is one for
// each private key already, and none without: who writes the public half of a
// pair is told of that one.
func (c *call) createPublic(ctx context.Context, s *session, w object.Wish, template object.Template) (*entry, error) {
	spki, err := template.SPKI(w.Type)
	if err != nil {
		return nil, err
	}
	p, err := object.ParsePublic(spki)
	if err != nil {
		return nil, err
	}
	if !w.Token {
		e := publicEntry(p, w)
		return e, c.app.add(s, e)
	}
	if _, err := c.writer(ctx, s); err != nil {
		return nil, err
	}
	if err := c.app.refresh(ctx, s.slot); err != nil {
		return nil, err
	}
	for _, e := range c.app.visible(s) {
		if e.Class == pkcs11.ClassPublicKey && e.Token && bytes.Equal(e.Key.Public.SPKI, spki) {
			return e, nil
		}
	}
	return nil, pkcs11.RVTemplateInconsistent
}

// importPair makes a private key of PKCS #8 in DER: on the token a pair, whose
// private half is returned.
func (c *call) importPair(ctx context.Context, s *session, w object.Wish, der []byte) (*entry, error) {
	spec, err := object.SpecOfPrivate(der)
	if err != nil {
		return nil, err
	}
	if !w.Token {
		pair, err := c.app.server.maker.Import(ctx, spec, der)
		if err != nil {
			return nil, err
		}
		w.ID = slices.Clone(w.ID)
		halves, err := c.app.addPair(s, pair, w, object.Wish{}, false)
		if err != nil {
			return nil, err
		}
		return halves[0], nil
	}
	return c.importToken(ctx, s, blueprintOf(w, spec, pairUsage(spec, w)), der)
}

func (c *call) importToken(ctx context.Context, s *session, b *token.Blueprint, material []byte) (*entry, error) {
	h, err := c.writer(ctx, s)
	if err != nil {
		return nil, err
	}
	o, err := h.Import(ctx, b, material)
	if err != nil {
		return nil, c.app.expired(ctx, s.slot, err)
	}
	return c.one(s, o)
}

// importSecret makes a secret key of its bytes.
func (c *call) importSecret(ctx context.Context, s *session, w object.Wish, value []byte) (*entry, error) {
	if n := len(value); n == 0 || n > mechanism.MaxSecret || w.Type == pkcs11.KeyAES && aesSpec(n) == alg.NoSpec {
		return nil, pkcs11.RVKeySizeRange
	}
	if t := mechanismType(w.Type); t != pkcs11.KeyAES && t != pkcs11.KeyGenericSecret {
		return nil, pkcs11.RVAttributeValueInvalid
	}
	if !w.Token {
		return c.app.addSecret(s, w, value, false)
	}
	spec, usage := secretSpec(w.Type, len(value))
	if spec == alg.NoSpec {
		return nil, pkcs11.RVKeySizeRange
	}
	return c.importToken(ctx, s, blueprintOf(w, spec, usage), value)
}

// copyObject is C_CopyObject, of the objects of a session: a copy on the token
// is how some applications keep a key that they generated (Java's keytool).
// What is on the token is there once.
func (c *call) copyObject(ctx context.Context) error {
	handle, of, template := c.r.Uint(), c.r.Uint(), object.Template(c.r.Attributes())
	s, from, err := c.objectOf(handle, of)
	if err != nil {
		return err
	}
	if from.session == nil {
		return pkcs11.RVActionProhibited
	}
	e, err := c.copy(ctx, s, from, template)
	if err != nil {
		return err
	}
	c.w.Uint(e.handle)
	return nil
}

func (c *call) copy(ctx context.Context, s *session, from *entry, template object.Template) (*entry, error) {
	w, err := copyWish(from, template)
	switch {
	case err != nil:
		return nil, err
	case from.Certificate != nil:
		return c.createCertificate(ctx, s, w, from.Certificate.DER)
	case from.Class == pkcs11.ClassPublicKey:
		if w.Token {
			return nil, pkcs11.RVTemplateInconsistent // it comes with its private key
		}
		e := publicEntry(from.Key.Public, w)
		return e, c.app.add(s, e)
	}
	material, err := from.material(ctx)
	if err != nil {
		return nil, err
	}
	defer clear(material)
	if from.Class == pkcs11.ClassSecretKey {
		return c.importSecret(ctx, s, w, material)
	}
	return c.importPair(ctx, s, w, material)
}

// copyWish returns what the copy of an object is to be: the object, but for what
// a template says. A copy is never less of a secret.
func copyWish(from *entry, template object.Template) (object.Wish, error) {
	t := object.Wish{Class: from.Class, Type: noKeyType}
	if from.Key != nil {
		t.Type = from.Key.Type
	}
	w, err := template.Read(t.Class, t.Type)
	if err != nil {
		return w, err
	}
	if w.Type != t.Type {
		return w, pkcs11.RVTemplateInconsistent
	}
	if template.Bytes(pkcs11.AttrLabel) == nil {
		w.Label = from.Label
	}
	if template.Bytes(pkcs11.AttrID) == nil {
		w.ID = from.ID
	}
	if from.Key == nil {
		return w, nil
	}
	if w.Said == 0 {
		w.Can, w.Said = from.Key.Can, ^object.Uses(0)
	}
	if template.Bytes(pkcs11.AttrExtractable) == nil {
		w.Extractable = from.Key.Extractable
	}
	if template.Bytes(pkcs11.AttrSensitive) == nil {
		w.Sensitive = from.Key.Sensitive
	}
	if w.Extractable && !from.Key.Extractable || !w.Sensitive && from.Key.Sensitive {
		return w, pkcs11.RVTemplateInconsistent
	}
	return w, nil
}
