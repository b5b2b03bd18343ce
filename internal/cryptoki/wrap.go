package cryptoki

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/cryptoki/mechanism"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/object"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/wire/p11kit"
)

// wrapKey is C_WrapKey. The key leaves the token and is encrypted here, so it
// must be one that may leave.
func (c *call) wrapKey(ctx context.Context) error {
	handle, m, with, of, room := c.r.Uint(), c.r.Mechanism(), c.r.Uint(), c.r.Uint(), c.r.Room()
	s, err := c.sessionOf(handle)
	if err != nil {
		return err
	}
	under, err := c.app.keyFor(s, with, object.Wrap)
	if err != nil {
		return keyRole(err, pkcs11.RVWrappingKeyHandleInvalid)
	}
	subject, err := c.app.object(s, of, pkcs11.RVKeyHandleInvalid)
	switch {
	case err != nil:
		return err
	case subject.Key == nil || subject.Class == pkcs11.ClassPublicKey:
		return pkcs11.RVKeyNotWrappable
	case !subject.Key.Extractable || subject.material == nil:
		return pkcs11.RVKeyUnextractable
	}
	how, err := encryptionOf(m, pkcs11.CanWrap, under)
	if err != nil {
		return err
	}
	wrapped, err := wrap(ctx, how, under, subject)
	if err != nil {
		return c.app.expired(ctx, s.slot, err)
	}
	c.output(room, wrapped)
	return nil
}

func wrap(ctx context.Context, how mechanism.Encryption, under, subject *entry) ([]byte, error) {
	material, err := subject.material(ctx)
	if err != nil {
		return nil, err
	}
	defer clear(material)
	wrapped, err := under.encrypt(ctx, how, material)
	if err != nil && rvOf(err) == pkcs11.RVDataLenRange {
		return nil, pkcs11.RVKeySizeRange
	}
	return wrapped, err
}

// keyRole tells which of a call's two keys a handle was meant to be.
func keyRole(err error, invalid pkcs11.RV) error {
	if err == pkcs11.RVKeyHandleInvalid { //nolint:errorlint // keyFor returns it as it is
		return invalid
	}
	return err
}

// unwrapKey is C_UnwrapKey.
func (c *call) unwrapKey(ctx context.Context) error {
	handle, m, with := c.r.Uint(), c.r.Mechanism(), c.r.Uint()
	wrapped, template := c.r.Bytes(), object.Template(c.r.Attributes())
	s, err := c.sessionOf(handle)
	if err != nil {
		return err
	}
	by, err := c.app.keyFor(s, with, object.Unwrap)
	if err != nil {
		return keyRole(err, pkcs11.RVUnwrappingKeyHandleInvalid)
	}
	how, err := encryptionOf(m, pkcs11.CanUnwrap, by)
	if err != nil {
		return err
	}
	material, err := by.decrypt(ctx, how, wrapped)
	if err != nil {
		if rvOf(err) == pkcs11.RVEncryptedDataInvalid {
			return pkcs11.RVWrappedKeyInvalid
		}
		return c.app.expired(ctx, s.slot, err)
	}
	defer clear(material)
	e, err := c.fromMaterial(ctx, s, template, material)
	if err != nil {
		return err
	}
	c.w.Uint(e.handle)
	return nil
}

// fromMaterial makes a key of what was unwrapped.
func (c *call) fromMaterial(ctx context.Context, s *session, template object.Template, material []byte) (*entry, error) {
	class, err := template.Uint(pkcs11.AttrClass, uint64(pkcs11.ClassSecretKey))
	if err != nil {
		return nil, err
	}
	w, err := template.Read(pkcs11.Class(class), noKeyType)
	switch {
	case err != nil:
		return nil, err
	case w.Type == noKeyType:
		return nil, pkcs11.RVTemplateIncomplete
	case w.Class == pkcs11.ClassSecretKey:
		return c.importSecret(ctx, s, w, material)
	case w.Class == pkcs11.ClassPrivateKey:
		return c.importPair(ctx, s, w, material)
	}
	return nil, pkcs11.RVTemplateInconsistent
}

// deriveKey is C_DeriveKey: the secret that two keys share becomes a secret key.
func (c *call) deriveKey(ctx context.Context) error {
	handle, m, with, template := c.r.Uint(), c.r.Mechanism(), c.r.Uint(), object.Template(c.r.Attributes())
	s, err := c.sessionOf(handle)
	if err != nil {
		return err
	}
	base, err := c.app.keyFor(s, with, object.Derive)
	if err != nil {
		return err
	}
	if base.Class != pkcs11.ClassPrivateKey {
		return pkcs11.RVKeyFunctionNotPermitted
	}
	e, err := c.derive(ctx, s, m, base, template)
	if err != nil {
		return err
	}
	if c.id == p11kit.CallDeriveKey2 {
		c.w.Uint(uint64(pkcs11.RVOK))
		c.w.ParameterUpdate(m.Type)
	}
	c.w.Uint(e.handle)
	return nil
}

func (c *call) derive(ctx context.Context, s *session, m p11kit.Mechanism, base *entry, template object.Template) (*entry, error) {
	how, err := mechanism.NewDerivation(m, base.mechanismKey())
	if err != nil {
		return nil, err
	}
	w, err := template.Read(pkcs11.ClassSecretKey, pkcs11.KeyGenericSecret)
	if err != nil {
		return nil, err
	}
	length, err := template.Uint(pkcs11.AttrValueLen, 0)
	if err != nil || length > mechanism.MaxSecret {
		return nil, pkcs11.RVAttributeValueInvalid
	}
	peer, err := base.Key.Public.SPKIOfPoint(how.Point)
	if err != nil {
		return nil, pkcs11.RVMechanismParamInvalid
	}
	z, err := base.use.Derive(ctx, peer)
	if err != nil {
		return nil, c.app.expired(ctx, s.slot, err)
	}
	defer clear(z)
	value, err := how.Key(z, int(length))
	if err != nil {
		return nil, err
	}
	defer clear(value)
	return c.importSecret(ctx, s, w, value)
}
