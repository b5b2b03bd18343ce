package pkcs11

import (
	"context"
	"crypto/x509"
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	pkcs11uri "github.com/holdfast-kms/holdfast/internal/pkcs11/uri"
)

// Adopt finds a key that is in the token already, by a PKCS #11 URI (RFC 7512)
// with the object's label, id, or both. The usage that it returns is the first
// that the object allows of signing, decrypting, unwrapping and agreeing; the key then
// does all that the object allows and the caller's own rules do. Destroy leaves
// the key in the token. A key that a Holdfast made is not adopted: it is
// somebody's already, perhaps another realm's.
func (e *Engine) Adopt(ctx context.Context, ref engine.Ref, name string) (engine.Kind, engine.Material, error) {
	const op = "engine/pkcs11.Adopt"
	if err := ctx.Err(); err != nil {
		return engine.Kind{}, engine.Material{}, unavailable(op, err)
	}
	a, err := e.able(ctx)
	if err != nil {
		return engine.Kind{}, engine.Material{}, e.failure(op, err)
	}
	found, err := e.find(ctx, name)
	if err != nil {
		return engine.Kind{}, engine.Material{}, err
	}
	kind, r, err := a.adopted(found)
	if err != nil {
		return engine.Kind{}, engine.Material{}, err
	}
	if !kind.Spec.Symmetric() {
		err := e.place.Use(ctx, found.Address(), func(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) (err error) {
			r.Public, err = a.foreignPublic(ctx, s, o, kind.Spec, found)
			return err
		})
		if err != nil {
			return engine.Kind{}, engine.Material{}, e.failure(op, err)
		}
	}
	m, err := e.seal(ref, kind.Spec, r)
	return kind, m, err
}

// find returns the one private or secret key that a URI names.
func (e *Engine) find(ctx context.Context, name string) (*hsm.Found, error) {
	u, err := pkcs11uri.Parse(name)
	if err != nil {
		return nil, err
	}
	if err := names(u); err != nil {
		return nil, err
	}
	caps, err := e.place.Capabilities(ctx) // those of a are of when it was made
	if err != nil {
		return nil, err
	}
	if !named(u, caps) {
		return nil, fault.New(fault.NotFound, "the PKCS #11 URI names another token than %q", e.Name())
	}
	all, err := e.place.Find(ctx, hsm.Query{ID: u.ID, Label: u.Object, Class: u.Class})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(f hsm.Found) bool { return f.Class != pkcs11.ClassPrivateKey && f.Class != pkcs11.ClassSecretKey })
	switch len(all) {
	case 0:
		return nil, fault.New(fault.NotFound, "%q has no private or secret key %s", e.Name(), u)
	case 1:
		return &all[0], nil
	}
	return nil, fault.New(fault.Conflict, "%q has several keys that are %s: name it by label and id", e.Name(), u)
}

// named reports whether a URI names the token, or one of the group's that
// were ever reached.
func named(u *pkcs11uri.URI, c *hsm.Capabilities) bool {
	return slices.ContainsFunc(append([]pkcs11.TokenInfo{c.Token}, c.Others...), func(t pkcs11.TokenInfo) bool { return u.Matches(0, &t) })
}

// names refuses a URI that does not name a key.
func names(u *pkcs11uri.URI) error {
	switch {
	case u.Object == "" && len(u.ID) == 0:
		return fault.New(fault.InvalidArgument, "the PKCS #11 URI names no key: it has neither object nor id")
	case u.Class != nil && *u.Class != pkcs11.ClassPrivateKey && *u.Class != pkcs11.ClassSecretKey:
		return fault.New(fault.InvalidArgument, "the PKCS #11 URI names no private or secret key by its type")
	case u.Slot != nil || u.ModulePath != "" || u.ModuleName != "" || u.PINSource != "":
		return fault.New(fault.Unsupported, "slot-id, module-path, module-name and pin-source are the token's configuration, and not part of a key's name here")
	}
	return nil
}

// adopted returns what a key is that was found.
func (a *able) adopted(f *hsm.Found) (engine.Kind, *reference, error) {
	if strings.HasPrefix(f.Label, labelPrefix) {
		return engine.Kind{}, nil, fault.New(fault.WrongState, "the object %s is a key of this or another Holdfast, and has a name there: it is not adopted a second time", f.Label)
	}
	spec := specOf(f)
	r := &reference{ID: f.ID, Label: f.Label, Class: f.Class, Exportable: f.Extractable, Adopted: true}
	var usages []alg.Usage
	for _, u := range []struct {
		usage alg.Usage
		word  string
	}{{alg.SignVerify, "sign"}, {alg.GenerateVerifyMAC, "sign"}, {alg.EncryptDecrypt, "decrypt"}, {alg.RawEncryptDecrypt, "decrypt"}, {alg.KeyTransfer, "unwrap"}, {alg.KeyAgreement, "derive"}} {
		if u.usage == alg.RawEncryptDecrypt && spec.Allows(alg.EncryptDecrypt) {
			continue // one key does not do both
		}
		if slices.Contains(f.Uses, u.word) && a.uses(spec, u.usage) {
			usages = append(usages, u.usage)
			r.Usages = append(r.Usages, u.usage.String())
		}
	}
	if spec == alg.NoSpec || len(usages) == 0 {
		return engine.Kind{}, nil, fault.New(fault.Unsupported, "the key (%s, %d bits) is of no type and use that is supported here", pkcs11.TypeName(f.Type), f.Bits)
	}
	return engine.Kind{Spec: spec, Usage: usages[0], Exportable: f.Extractable}, r, nil
}

// specOf returns the spec of a key that was found, or NoSpec.
func specOf(f *hsm.Found) alg.Spec {
	if f.Type == pkcs11.KeyEC || f.Type == pkcs11.KeyECEdwards {
		return specOfCurve(f.Curve)
	}
	families := map[pkcs11.KeyType]alg.Family{
		pkcs11.KeyRSA: alg.RSA, pkcs11.KeyAES: alg.AES, pkcs11.KeyGenericSecret: alg.HMAC, pkcs11.KeySHA224HMAC: alg.HMAC,
		pkcs11.KeySHA256HMAC: alg.HMAC, pkcs11.KeySHA384HMAC: alg.HMAC, pkcs11.KeySHA512HMAC: alg.HMAC,
	}
	for _, spec := range alg.Specs() {
		if info := spec.Info(); info.Family == families[f.Type] && info.Bits == f.Bits && info.Bits > 0 {
			return spec
		}
	}
	return alg.NoSpec
}

// foreignPublic returns the SubjectPublicKeyInfo of a key that was not made
// here: of the private key itself, by signatures, or, of Ed25519, whose
// signatures do not tell it, and of a key that only agrees, of the public key or
// the certificate under the same id, or label where there is none.
func (a *able) foreignPublic(ctx context.Context, s *pkcs11.Session, o pkcs11.Object, spec alg.Spec, f *hsm.Found) ([]byte, error) {
	spki, err := publicOf(ctx, s, o, spec)
	if spki != nil || err != nil {
		return spki, err
	}
	if spec != alg.Ed25519 && slices.Contains(f.Uses, "sign") {
		return recoverPublic(ctx, s, o, spec)
	}
	for _, class := range []pkcs11.Class{pkcs11.ClassPublicKey, pkcs11.ClassCertificate} {
		name := pkcs11.Bytes(pkcs11.AttrID, f.ID)
		if len(f.ID) == 0 {
			name = pkcs11.Text(pkcs11.AttrLabel, f.Label)
		}
		beside, err := s.Find(ctx, []pkcs11.Attribute{pkcs11.Number(pkcs11.AttrClass, class), name}, 8)
		if err != nil {
			return nil, err
		}
		for _, b := range beside {
			spki, err := ofBeside(ctx, s, b, class, spec)
			if err == nil && spki != nil && a.belongs(ctx, s, o, spec, spki) {
				return spki, nil
			}
		}
	}
	return nil, fault.New(fault.Unsupported, "the HSM does not show the public half of the key: lay its public key or certificate beside it, under the same id or label")
}

// ofBeside returns the public key of a public key's or a certificate's object.
func ofBeside(ctx context.Context, s *pkcs11.Session, o pkcs11.Object, class pkcs11.Class, spec alg.Spec) ([]byte, error) {
	if class == pkcs11.ClassPublicKey {
		return publicOf(ctx, s, o, spec)
	}
	value, err := s.Attributes(ctx, o, pkcs11.AttrValue)
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(value[0].Value)
	if err != nil {
		return nil, err
	}
	p, err := engine.ParsePublic(spec, c.RawSubjectPublicKeyInfo)
	if err != nil {
		return nil, err
	}
	return p.SPKI(), nil
}

// belongs reports whether an Ed25519 key signs what a public key verifies, or
// whether another key agrees as its owner: two objects with one id need not be
// of one pair.
func (a *able) belongs(ctx context.Context, s *pkcs11.Session, o pkcs11.Object, spec alg.Spec, spki []byte) bool {
	p, err := engine.ParsePublic(spec, spki)
	if err != nil {
		return false
	}
	if spec != alg.Ed25519 {
		return engine.RehearseAgreement(inSession{ctx, a, s, o, spec}, p) == nil
	}
	m := engine.Message{Form: alg.Raw, Bytes: []byte("holdfast pairwise consistency")}
	signature, err := s.Sign(ctx, pkcs11.Mechanism{Type: pkcs11.MechEdDSA}, o, m.Bytes)
	return err == nil && p.Verify(alg.Ed25519Pure, m, signature) == nil
}
