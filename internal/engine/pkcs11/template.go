package pkcs11

import (
	"context"
	"crypto"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// A key in a token is a token object, private and sensitive, extractable only
// when it is exportable, and lets itself be used for nothing but its usage:
// what is not its usage is said to be false, because the standard lets tokens
// default to true. Its public half lies beside it under the same id and label,
// for other programs: Holdfast has it in the reference.

// curves are the CKA_EC_PARAMS of the specs: the DER of the curve's object
// identifier (RFC 5480 section 2.1.1.1, SEC 2, RFC 8410 section 3).
func curves() map[alg.Spec][]byte {
	return map[alg.Spec][]byte{
		alg.P256:      {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07},
		alg.P384:      {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22},
		alg.P521:      {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23},
		alg.Secp256k1: {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a},
		alg.Ed25519:   {0x06, 0x03, 0x2b, 0x65, 0x70},
	}
}

// edwards25519 is the other CKA_EC_PARAMS of Ed25519: the curve's name, as a
// PrintableString (PKCS #11 3.1 section 6.3.3).
const edwards25519 = "\x13\x0cedwards25519"

// curveOf returns the CKA_EC_PARAMS of a spec, as the token likes it.
func (a *able) curveOf(spec alg.Spec) []byte {
	if spec == alg.Ed25519 && a.edNamed {
		return []byte(edwards25519)
	}
	return curves()[spec]
}

// keyType returns a spec's CKA_KEY_TYPE. HMAC keys are generic secrets, which
// every token takes for every hash.
func keyType(spec alg.Spec) pkcs11.KeyType {
	switch spec.Info().Family {
	case alg.AES:
		return pkcs11.KeyAES
	case alg.HMAC:
		return pkcs11.KeyGenericSecret
	case alg.RSA:
		return pkcs11.KeyRSA
	case alg.EdDSA:
		return pkcs11.KeyECEdwards
	case alg.EC, alg.K256, alg.MLDSA:
	}
	return pkcs11.KeyEC
}

// pairMechanism returns what makes pairs of an asymmetric spec.
func pairMechanism(spec alg.Spec) pkcs11.MechanismType {
	switch spec.Info().Family {
	case alg.RSA:
		return pkcs11.MechRSAPKCSKeyPairGen
	case alg.EdDSA:
		return pkcs11.MechECEdwardsKeyPairGen
	case alg.AES, alg.HMAC, alg.EC, alg.K256, alg.MLDSA:
	}
	return pkcs11.MechECKeyPairGen
}

// secretMechanism returns what makes keys of a symmetric spec.
func secretMechanism(spec alg.Spec) pkcs11.MechanismType {
	if spec.Info().Family == alg.AES {
		return pkcs11.MechAESKeyGen
	}
	return pkcs11.MechGenericSecretKeyGen
}

// macMechanism returns what computes codes with keys of a spec.
func macMechanism(spec alg.Spec) pkcs11.MechanismType {
	return map[alg.Spec]pkcs11.MechanismType{
		alg.HMAC224: pkcs11.MechSHA224HMAC, alg.HMAC256: pkcs11.MechSHA256HMAC,
		alg.HMAC384: pkcs11.MechSHA384HMAC, alg.HMAC512: pkcs11.MechSHA512HMAC,
	}[spec]
}

// oaepMechanism returns RSAES-OAEP with a hash, and MGF1 with the same.
func oaepMechanism(h crypto.Hash) pkcs11.Mechanism {
	p := &pkcs11.OAEP{Hash: pkcs11.MechSHA1, MGF: pkcs11.MGF1SHA1}
	if h == crypto.SHA256 {
		p = &pkcs11.OAEP{Hash: pkcs11.MechSHA256, MGF: pkcs11.MGF1SHA256}
	}
	return pkcs11.Mechanism{Type: pkcs11.MechRSAPKCSOAEP, OAEP: p}
}

// uses returns the usage attributes of a key: those that it has are true, all
// others false.
func uses(has ...pkcs11.AttributeType) []pkcs11.Attribute {
	var t []pkcs11.Attribute
	for _, a := range []pkcs11.AttributeType{
		pkcs11.AttrSign, pkcs11.AttrDecrypt, pkcs11.AttrEncrypt, pkcs11.AttrVerify,
		pkcs11.AttrUnwrap, pkcs11.AttrWrap, pkcs11.AttrDerive,
	} {
		t = append(t, pkcs11.Bool(a, slices.Contains(has, a)))
	}
	return t
}

// secretUses returns the usage attributes of a private or secret key.
func (a *able) secretUses(kind engine.Kind) []pkcs11.Attribute {
	var has []pkcs11.AttributeType
	switch kind.Usage {
	case alg.SignVerify:
		has = []pkcs11.AttributeType{pkcs11.AttrSign}
	case alg.GenerateVerifyMAC:
		has = []pkcs11.AttributeType{pkcs11.AttrSign, pkcs11.AttrVerify}
	case alg.EncryptDecrypt:
		has = []pkcs11.AttributeType{pkcs11.AttrDecrypt}
		if kind.Spec.Symmetric() {
			has = append(has, pkcs11.AttrEncrypt)
		}
	case alg.KeyTransfer:
		has = []pkcs11.AttributeType{pkcs11.AttrUnwrap}
		if a.undoes() {
			has = append(has, pkcs11.AttrDecrypt) // a declared gap: its padding is undone here
		}
	case alg.KeyAgreement:
		has = []pkcs11.AttributeType{pkcs11.AttrDerive}
	case alg.RawEncryptDecrypt:
		has = []pkcs11.AttributeType{pkcs11.AttrDecrypt, pkcs11.AttrEncrypt}
	case alg.NoUsage:
	}
	t := uses(has...)
	if !kind.Spec.Symmetric() { // a private half has neither of them
		t = slices.DeleteFunc(t, func(x pkcs11.Attribute) bool {
			return x.Type == pkcs11.AttrEncrypt || x.Type == pkcs11.AttrVerify || x.Type == pkcs11.AttrWrap
		})
	}
	return t
}

// undoes reports whether RSAES-OAEP of some key that comes in is undone here.
func (a *able) undoes() bool {
	return (!a.oaep[crypto.SHA1] || !a.oaep[crypto.SHA256]) && a.rawDecrypts()
}

// secretTemplate returns the attributes of a private or secret key.
func (a *able) secretTemplate(r *reference, kind engine.Kind) []pkcs11.Attribute {
	t := []pkcs11.Attribute{
		pkcs11.Number(pkcs11.AttrClass, r.Class), pkcs11.Number(pkcs11.AttrKeyType, keyType(kind.Spec)),
		pkcs11.Bool(pkcs11.AttrToken, true), pkcs11.Bool(pkcs11.AttrPrivate, true),
		pkcs11.Bool(pkcs11.AttrSensitive, true), pkcs11.Bool(pkcs11.AttrExtractable, kind.Exportable),
		pkcs11.Bytes(pkcs11.AttrID, r.ID), pkcs11.Text(pkcs11.AttrLabel, r.Label),
	}
	return a.keep(append(t, a.secretUses(kind)...))
}

// publicTemplate returns the attributes of the public half of a key, with what
// says which it is, or is to be.
func (a *able) publicTemplate(r *reference, kind engine.Kind, what ...pkcs11.Attribute) []pkcs11.Attribute {
	t := []pkcs11.Attribute{
		pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassPublicKey), pkcs11.Number(pkcs11.AttrKeyType, keyType(kind.Spec)),
		pkcs11.Bool(pkcs11.AttrToken, true), pkcs11.Bool(pkcs11.AttrPrivate, false),
		pkcs11.Bytes(pkcs11.AttrID, r.ID), pkcs11.Text(pkcs11.AttrLabel, r.Label),
		pkcs11.Bool(pkcs11.AttrVerify, kind.Usage == alg.SignVerify),
		pkcs11.Bool(pkcs11.AttrEncrypt, kind.Usage == alg.EncryptDecrypt), pkcs11.Bool(pkcs11.AttrWrap, kind.Usage == alg.KeyTransfer),
	}
	return a.keep(append(t, what...))
}

// omits reports whether the token does not want to see an attribute.
func (a *able) omits(t pkcs11.AttributeType) bool {
	return a.caps != nil && slices.Contains(a.caps.Omit, t)
}

// keep returns a template without what the token does not want to see.
func (a *able) keep(t []pkcs11.Attribute) []pkcs11.Attribute {
	return slices.DeleteFunc(t, func(x pkcs11.Attribute) bool { return a.omits(x.Type) })
}

// session makes an object that lives no longer than the session.
func (a *able) session(
	ctx context.Context, s *pkcs11.Session, class pkcs11.Class, kind pkcs11.KeyType, more ...pkcs11.Attribute,
) (pkcs11.Object, error) {
	return s.CreateObject(ctx, a.keep(append([]pkcs11.Attribute{
		pkcs11.Number(pkcs11.AttrClass, class), pkcs11.Number(pkcs11.AttrKeyType, kind), pkcs11.Bool(pkcs11.AttrToken, false),
	}, more...)))
}

// discard ends an object that was needed for a moment. A session that is lost
// has taken it along.
func discard(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) {
	_ = s.DestroyObject(context.WithoutCancel(ctx), o)
}
