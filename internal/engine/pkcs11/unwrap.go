package pkcs11

import (
	"context"
	"errors"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/transfer"
)

// unwrapper takes keys that come wrapped under an opened RSA key: the token
// unwraps them, and they are never outside of it.
type unwrapper struct{ *privateKey }

var _ engine.Unwrapper = (*unwrapper)(nil)

// Unwrap brings a key into the token. Whatever is wrong with its encryption,
// the error is that of transfer.Refused; a key that is well encrypted and not
// of its spec, or known to be weak, is refused as by Import.
func (u *unwrapper) Unwrap(ctx context.Context, ref engine.Ref, kind engine.Kind, how alg.Wrapping, wrapped []byte) (engine.Material, error) {
	const op = "engine/pkcs11.Unwrap"
	e := u.engine
	if err := ctx.Err(); err != nil {
		return engine.Material{}, unavailable(op, err)
	}
	if err := u.allows(alg.KeyTransfer); err != nil {
		return engine.Material{}, err
	}
	a, err := e.able(ctx)
	if err != nil {
		return engine.Material{}, e.failure(op, err)
	}
	if !a.unwraps(kind) {
		return engine.Material{}, unsupported(kind.Spec, kind.Usage)
	}
	if err := a.takes(kind.Spec, how); err != nil {
		return engine.Material{}, err
	}
	in := &incoming{able: a, reference: a.newReference(ref, kind), kind: kind}
	err = e.place.Use(ctx, u.at, func(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) error {
		by := &kek{o, u.spec.Info().Bits / 8, how}
		o, err := in.unwrap(ctx, s, by, wrapped)
		if err != nil {
			return err
		}
		if kind.Spec.Symmetric() {
			if err := in.measure(ctx, s, by, wrapped, o); err != nil {
				discard(ctx, s, o)
				return err
			}
		}
		if kind.Usage == alg.KeyAgreement {
			if in.known, err = in.publicOfTwin(ctx, s, by, wrapped); err != nil {
				discard(ctx, s, o)
				return err
			}
		}
		return in.finish(ctx, s, o)
	})
	return e.taken(ctx, op, ref, in, err)
}

// kek is a key exchange key in a session: its object, the bytes of its modulus,
// and how what comes was wrapped under it.
type kek struct {
	object pkcs11.Object
	size   int
	how    alg.Wrapping
}

// unwraps reports whether keys of a kind can come in wrapped. Of Ed25519 keys
// the public half would stay unknown: a signature does not tell it.
func (a *able) unwraps(kind engine.Kind) bool {
	return a.uses(kind.Spec, kind.Usage) && kind.Spec != alg.Ed25519
}

// takes refuses a wrapping that the token does not have for keys of the spec.
func (a *able) takes(spec alg.Spec, how alg.Wrapping) error {
	ok := false
	switch how {
	case alg.WrapPKCS1:
		ok = a.has(pkcs11.MechRSAPKCS, pkcs11.CanUnwrap)
	case alg.WrapOAEPSHA1, alg.WrapOAEPSHA256:
		// Not by undoing the padding here: that would show the key itself.
		ok = a.has(pkcs11.MechRSAPKCSOAEP, pkcs11.CanUnwrap) && a.oaep[transfer.Hash(how)]
	case alg.WrapAESKeyWrapSHA1, alg.WrapAESKeyWrapSHA256:
		ok = a.takesHash(how)
	case alg.NoWrapping:
	}
	switch {
	case transfer.Hash(how) == 0 && how != alg.WrapPKCS1:
		return fault.New(fault.InvalidArgument, "%q is no way of wrapping a key", how)
	case !transfer.TwoSteps(how) && !spec.Symmetric():
		return fault.New(fault.InvalidArgument, "%s takes symmetric keys only", how)
	case !ok:
		return fault.New(fault.Unsupported, "the HSM takes no keys that are wrapped by %s", how)
	}
	return nil
}

// takesHash reports whether the token has, or this package for it, RSAES-OAEP
// with the hash of a wrapping by two steps.
func (a *able) takesHash(how alg.Wrapping) bool {
	return a.oaep[transfer.Hash(how)] && a.has(pkcs11.MechRSAPKCSOAEP, 0) || a.rawDecrypts() && a.kwp(pkcs11.CanUnwrap) != 0
}

// unwrap makes the object of a key of what comes.
func (in *incoming) unwrap(ctx context.Context, s *pkcs11.Session, by *kek, wrapped []byte) (pkcs11.Object, error) {
	template := in.secretTemplate(in.reference, in.kind)
	if transfer.TwoSteps(by.how) {
		o, err := in.unwrapTwice(ctx, s, by, wrapped, template)
		if refusal(err) {
			return 0, in.blame(ctx, s, by, wrapped)
		}
		return o, err
	}
	if len(wrapped) != by.size {
		return 0, transfer.Refused()
	}
	o, err := s.Unwrap(ctx, by.mechanism(), by.object, wrapped, template)
	if refusal(err) {
		return 0, transfer.Refused()
	}
	return o, err
}

// blame tells a key that is not of its spec from one that is not well
// encrypted: what is well encrypted comes in as some secret or other.
func (in *incoming) blame(ctx context.Context, s *pkcs11.Session, by *kek, wrapped []byte) error {
	o, err := in.unwrapTwice(ctx, s, by, wrapped, in.scratch(false))
	switch {
	case err == nil:
		discard(ctx, s, o)
		return otherKey(in.kind.Spec)
	case refusal(err):
		return transfer.Refused()
	}
	return err
}

// measure refuses a secret key of another length than its spec's. Where the
// token does not say the length of a key that came in wrapped, that of its
// AES-KWP does, to the next multiple of 8: with one step, that of a second
// object, which is wrapped under a key of the token and goes with the session.
func (in *incoming) measure(ctx context.Context, s *pkcs11.Session, by *kek, wrapped []byte, o pkcs11.Object) error {
	want := in.kind.Spec.Info().Bits / 8
	length, err := s.Attributes(ctx, o, pkcs11.AttrValueLen)
	if err != nil {
		return err
	}
	if n, ok := length[0].Uint(); ok && n != 0 {
		if n != uint64(want) { //nolint:gosec // of the table
			return otherKey(in.kind.Spec)
		}
		return nil
	}
	size := len(wrapped) - by.size
	if !transfer.TwoSteps(by.how) {
		if size, err = in.measureAgain(ctx, s, by, wrapped); err != nil {
			return err
		}
	}
	if size != (want+7)/8*8+8 {
		return otherKey(in.kind.Spec)
	}
	return nil
}

func (in *incoming) measureAgain(ctx context.Context, s *pkcs11.Session, by *kek, wrapped []byte) (int, error) {
	if in.kwp(pkcs11.CanWrap) == 0 {
		return 0, fault.New(fault.Unsupported, "the HSM does not tell the length of a key that is wrapped by %s", by.how)
	}
	o, err := s.Unwrap(ctx, by.mechanism(), by.object, wrapped, in.scratch(true))
	if err != nil {
		return 0, err
	}
	defer discard(ctx, s, o)
	under, err := in.wrappingKey(ctx, s)
	if err != nil {
		return 0, err
	}
	defer discard(ctx, s, under)
	again, err := s.Wrap(ctx, pkcs11.Mechanism{Type: in.kwp(pkcs11.CanWrap)}, under, o)
	return len(again), err
}

// mechanism returns how one step is undone.
func (k *kek) mechanism() pkcs11.Mechanism {
	if h := transfer.Hash(k.how); h != 0 {
		return oaepMechanism(h)
	}
	return pkcs11.Mechanism{Type: pkcs11.MechRSAPKCS}
}

// unwrapTwice unwraps an AES key, and by it the key: in one call of the token
// where it has that (CKM_RSA_AES_KEY_WRAP), else in two, between which the AES
// key is an object of the session. Refusals of the token are errors as they are.
func (a *able) unwrapTwice(ctx context.Context, s *pkcs11.Session, by *kek, wrapped []byte, template []pkcs11.Attribute) (pkcs11.Object, error) {
	first, rest, err := transfer.Split(by.size, wrapped)
	if err != nil {
		return 0, err
	}
	h := transfer.Hash(by.how)
	if a.oaep[h] && a.has(pkcs11.MechRSAAESKeyWrap, pkcs11.CanUnwrap) {
		o, err := s.Unwrap(ctx, pkcs11.Mechanism{
			Type: pkcs11.MechRSAAESKeyWrap, AESBits: 256, OAEP: oaepMechanism(h).OAEP,
		}, by.object, wrapped, template)
		if err == nil || !lacking(err) {
			return o, err
		}
	}
	key, err := a.unwrapFirst(ctx, s, by, first)
	if err != nil {
		return 0, err
	}
	defer discard(ctx, s, key)
	return s.Unwrap(ctx, pkcs11.Mechanism{Type: a.kwp(pkcs11.CanUnwrap)}, key, rest, template)
}

// unwrapFirst makes the AES key of a transfer an object of the session.
func (a *able) unwrapFirst(ctx context.Context, s *pkcs11.Session, by *kek, first []byte) (pkcs11.Object, error) {
	h := transfer.Hash(by.how)
	if a.oaep[h] && a.has(pkcs11.MechRSAPKCSOAEP, pkcs11.CanUnwrap) {
		o, err := s.Unwrap(ctx, oaepMechanism(h), by.object, first, a.keep(append([]pkcs11.Attribute{
			pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassSecretKey), pkcs11.Number(pkcs11.AttrKeyType, pkcs11.KeyAES),
			pkcs11.Bool(pkcs11.AttrToken, false), pkcs11.Bool(pkcs11.AttrSensitive, true), pkcs11.Bool(pkcs11.AttrExtractable, false),
		}, uses(pkcs11.AttrUnwrap)...)))
		if err == nil || !lacking(err) {
			return o, err
		}
	}
	key, err := a.decryptOAEP(ctx, s, by.object, h, by.size, first)
	if err != nil {
		if f, ok := errors.AsType[*fault.Error](err); ok && f.Kind == fault.BadCiphertext {
			return 0, transfer.Refused()
		}
		return 0, err
	}
	defer clear(key)
	if len(key) != 16 && len(key) != 32 {
		return 0, transfer.Refused()
	}
	return a.temporary(ctx, s, key, pkcs11.AttrUnwrap)
}
