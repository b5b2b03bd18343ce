package pkcs11

import (
	"context"
	"crypto/rand"
	"crypto/rsa"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/transfer"
)

// ExportWrapped has the token encrypt an exportable key under an RSA key.
func (e *Engine) ExportWrapped(
	ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte, under *engine.PublicKey, how alg.Wrapping,
) ([]byte, error) {
	const op = "engine/pkcs11.ExportWrapped"
	if err := ctx.Err(); err != nil {
		return nil, unavailable(op, err)
	}
	a, err := e.able(ctx)
	if err != nil {
		return nil, e.failure(op, err)
	}
	if !a.exports(spec) {
		return nil, fault.New(fault.Unsupported, "the HSM gives no keys of type %q away", spec)
	}
	k, ok := under.Key().(*rsa.PublicKey)
	if !ok {
		return nil, fault.New(fault.InvalidArgument, "a key of type %q does not wrap keys", under.Spec())
	}
	if err := a.gives(spec, how); err != nil {
		return nil, err
	}
	r, err := e.unseal(ref, spec, wrapped)
	if err != nil {
		return nil, err
	}
	if !r.Exportable {
		return nil, fault.Because(fault.WrongState, fault.NotExportable, "the key does not leave the HSM")
	}
	var out []byte
	err = e.place.Use(ctx, r.address(), func(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) (err error) {
		out, err = a.wrap(ctx, s, o, k, how)
		return err
	})
	if err != nil {
		return nil, e.failure(op, err)
	}
	return out, nil
}

// exports reports whether keys of the spec can leave the token wrapped.
func (a *able) exports(spec alg.Spec) bool {
	return a.kwp(pkcs11.CanWrap) != 0 && (spec != alg.Ed25519 || !a.edStays) && len(spec.Info().Usages) > 0 && a.uses(spec, spec.Info().Usages[0])
}

// gives refuses a wrapping that the token does not have for keys of the spec.
// Where it lacks only the OAEP of two steps, the AES key is made here.
func (a *able) gives(spec alg.Spec, how alg.Wrapping) error {
	switch {
	case how == alg.NoWrapping || how.String() == "":
		return fault.New(fault.InvalidArgument, "%q is no way of wrapping a key", how)
	case transfer.TwoSteps(how):
		return nil
	case !spec.Symmetric():
		return fault.New(fault.InvalidArgument, "%s takes symmetric keys only", how)
	case how == alg.WrapPKCS1 && a.has(pkcs11.MechRSAPKCS, pkcs11.CanWrap):
		return nil
	case how != alg.WrapPKCS1 && a.wrapsOAEP(how):
		return nil
	}
	return fault.New(fault.Unsupported, "the HSM gives no keys away by %s", how)
}

func (a *able) wrapsOAEP(how alg.Wrapping) bool {
	return a.oaep[transfer.Hash(how)] && a.has(pkcs11.MechRSAPKCSOAEP, pkcs11.CanWrap)
}

func (a *able) wrap(ctx context.Context, s *pkcs11.Session, o pkcs11.Object, under *rsa.PublicKey, how alg.Wrapping) ([]byte, error) {
	if transfer.TwoSteps(how) && !a.wrapsOAEP(how) {
		return a.wrapHere(ctx, s, o, under, how)
	}
	public, err := a.session(ctx, s, pkcs11.ClassPublicKey, pkcs11.KeyRSA,
		pkcs11.Bytes(pkcs11.AttrModulus, under.N.Bytes()), pkcs11.Bytes(pkcs11.AttrPublicExponent, exponent(under.E)),
		pkcs11.Bool(pkcs11.AttrWrap, true), pkcs11.Bool(pkcs11.AttrEncrypt, true))
	if err != nil {
		return nil, err
	}
	defer discard(ctx, s, public)
	mech := pkcs11.Mechanism{Type: pkcs11.MechRSAPKCS}
	if h := transfer.Hash(how); h != 0 {
		mech = oaepMechanism(h)
	}
	if !transfer.TwoSteps(how) {
		return s.Wrap(ctx, mech, public, o)
	}
	if a.has(pkcs11.MechRSAAESKeyWrap, pkcs11.CanWrap) {
		out, err := s.Wrap(ctx, pkcs11.Mechanism{Type: pkcs11.MechRSAAESKeyWrap, AESBits: 256, OAEP: mech.OAEP}, public, o)
		if err == nil || !lacking(err) {
			return out, err
		}
	}
	key, err := a.wrappingKey(ctx, s)
	if err != nil {
		return nil, err
	}
	defer discard(ctx, s, key)
	first, err := s.Wrap(ctx, mech, public, key)
	if err != nil {
		return nil, err
	}
	rest, err := s.Wrap(ctx, pkcs11.Mechanism{Type: a.kwp(pkcs11.CanWrap)}, key, o)
	if err != nil {
		return nil, err
	}
	return append(first, rest...), nil
}

// wrapHere encrypts the AES key here, and has the token encrypt the key under
// it: a declared gap.
func (a *able) wrapHere(ctx context.Context, s *pkcs11.Session, o pkcs11.Object, under *rsa.PublicKey, how alg.Wrapping) ([]byte, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	defer clear(key)
	by, err := a.temporary(ctx, s, key, pkcs11.AttrWrap)
	if err != nil {
		return nil, err
	}
	defer discard(ctx, s, by)
	rest, err := s.Wrap(ctx, pkcs11.Mechanism{Type: a.kwp(pkcs11.CanWrap)}, by, o)
	if err != nil {
		return nil, err
	}
	oaep := alg.WrapOAEPSHA1
	if how == alg.WrapAESKeyWrapSHA256 {
		oaep = alg.WrapOAEPSHA256
	}
	first, err := transfer.Wrap(nil, under, oaep, key)
	if err != nil {
		return nil, err
	}
	return append(first, rest...), nil
}
