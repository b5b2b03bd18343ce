package cryptoki

import (
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/mechanism"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/object"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// entriesOf returns what an application sees of a token's object: the private
// half of a pair before the public one. It is nothing of a key that PKCS #11 has
// no mechanism for here: one that encrypts in Holdfast's own form, one under
// which others travel, one of a kind that the standard has not.
func entriesOf(o *token.Object) []*entry {
	switch {
	case o.Kind == token.Certificate:
		c, err := object.ParseCertificate(o.Certificate)
		if err != nil {
			return nil
		}
		return []*entry{{Object: &object.Object{Class: pkcs11.ClassCertificate, Token: true, Label: o.Label, ID: o.CKAID, Certificate: c}}}
	case o.Public != nil:
		return pairOf(o)
	default:
		return secretOf(o)
	}
}

// pairUses are what the halves of a pair may do.
var pairUses = map[alg.Usage]struct{ private, public object.Uses }{
	alg.SignVerify:     {object.Sign, object.Verify},
	alg.EncryptDecrypt: {object.Decrypt | object.Unwrap, object.Encrypt | object.Wrap},
	alg.KeyAgreement:   {object.Derive, 0},
}

func pairOf(o *token.Object) []*entry {
	p, err := object.ParsePublic(o.Public)
	uses, ok := pairUses[o.Usage]
	if err != nil || !ok {
		return nil
	}
	private := keyOf(o, p.Type)
	private.Public, private.Can = p, uses.private
	public := &object.Key{Type: p.Type, Public: p, Can: uses.public, Local: private.Local, Mechanism: private.Mechanism, Allowed: allowed}
	return []*entry{
		{Object: &object.Object{Class: pkcs11.ClassPrivateKey, Token: true, Private: true, Label: o.Label, ID: o.CKAID, Key: private}},
		{Object: &object.Object{Class: pkcs11.ClassPublicKey, Token: true, Fixed: true, Label: o.Label, ID: o.CKAID, Key: public}},
	}
}

func secretOf(o *token.Object) []*entry {
	var k *object.Key
	switch o.Usage {
	case alg.RawEncryptDecrypt:
		k = keyOf(o, pkcs11.KeyAES)
		k.Can = object.Encrypt | object.Decrypt | object.Wrap | object.Unwrap
	case alg.GenerateVerifyMAC:
		k = keyOf(o, pkcs11.KeyGenericSecret)
		k.Can = object.Sign | object.Verify
	default:
		return nil
	}
	k.Length = o.Spec.Info().Bits / 8
	return []*entry{{Object: &object.Object{Class: pkcs11.ClassSecretKey, Token: true, Private: true, Label: o.Label, ID: o.CKAID, Key: k}}}
}

// keyOf returns what a token's private and secret keys have in common. A key that
// may leave may be read, too: what may be wrapped under any key is no secret from
// who may wrap.
func keyOf(o *token.Object, t pkcs11.KeyType) *object.Key {
	k := &object.Key{
		Type: t, Sensitive: !o.Exportable, AlwaysSensitive: !o.Exportable && !o.Imported,
		Extractable: o.Exportable, NeverExtractable: !o.Exportable && !o.Imported,
		Local: !o.Imported, Mechanism: pkcs11.MechUnavailable, Allowed: allowed,
	}
	if k.Local {
		k.Mechanism = generators[t]
	}
	return k
}

// allowed returns the mechanisms of a key (CKA_ALLOWED_MECHANISMS).
func allowed(t pkcs11.KeyType, can pkcs11.MechanismFlags) []pkcs11.MechanismType {
	return mechanism.Allowed(mechanismType(t), can)
}

// generators are the mechanisms that make keys.
var generators = map[pkcs11.KeyType]pkcs11.MechanismType{
	pkcs11.KeyRSA: pkcs11.MechRSAPKCSKeyPairGen, pkcs11.KeyEC: pkcs11.MechECKeyPairGen, pkcs11.KeyECEdwards: pkcs11.MechECEdwardsKeyPairGen,
	pkcs11.KeyAES: pkcs11.MechAESKeyGen, pkcs11.KeyGenericSecret: pkcs11.MechGenericSecretKeyGen,
}

// mechanismKey returns what mechanisms have to know of the entry's key.
func (e *entry) mechanismKey() mechanism.Key {
	k := mechanism.Key{Type: e.Key.Type, Bits: 8 * e.Key.Length}
	if p := e.Key.Public; p != nil {
		k.Spec, k.Bits = p.Spec, p.Bits
	}
	return k
}
