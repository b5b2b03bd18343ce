package object

import (
	"encoding/binary"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Attribute returns the value of an attribute in the form of pkcs11.Attribute,
// and never nil. The error is pkcs11.RVAttributeTypeInvalid for one that such an
// object does not have, and pkcs11.RVAttributeSensitive for one that only the
// key's material has: Material finds it there where it may be shown.
func (o *Object) Attribute(t pkcs11.AttributeType) ([]byte, error) {
	if v := o.common(t); v != nil {
		return v, nil
	}
	switch {
	case o.Certificate != nil:
		if v := o.Certificate.attribute(t); v != nil {
			return v, nil
		}
	case o.Class == pkcs11.ClassPublicKey:
		return o.publicKey(t)
	case o.Class == pkcs11.ClassPrivateKey:
		return o.privateKey(t)
	case o.Class == pkcs11.ClassSecretKey:
		return o.secretKey(t)
	}
	return nil, pkcs11.RVAttributeTypeInvalid
}

// common returns the attributes that all objects have.
func (o *Object) common(t pkcs11.AttributeType) []byte {
	switch t { //nolint:exhaustive // the others are not common
	case pkcs11.AttrClass:
		return number(o.Class)
	case pkcs11.AttrToken:
		return boolean(o.Token)
	case pkcs11.AttrPrivate:
		return boolean(o.Private)
	case pkcs11.AttrLabel:
		return some([]byte(o.Label))
	case pkcs11.AttrID:
		return some(o.ID)
	case pkcs11.AttrModifiable:
		return boolean(true)
	case pkcs11.AttrDestroyable:
		return boolean(!o.Fixed)
	case pkcs11.AttrCopyable:
		return boolean(!o.Token)
	}
	return nil
}

// keyed returns the attributes that all keys have.
func (o *Object) keyed(t pkcs11.AttributeType) []byte {
	for _, u := range useAttributes {
		if u.attribute == t {
			return boolean(o.Key.Can&u.use != 0)
		}
	}
	switch t { //nolint:exhaustive // the others are not of all keys
	case pkcs11.AttrKeyType:
		return number(o.Key.Type)
	case pkcs11.AttrLocal:
		return boolean(o.Key.Local)
	case pkcs11.AttrKeyGenMechanism:
		return number(o.Key.Mechanism)
	case pkcs11.AttrStartDate, pkcs11.AttrEndDate:
		return []byte{}
	case pkcs11.AttrAllowedMechanisms:
		v := []byte{}
		for _, m := range o.Key.Allowed(o.Key.Type, o.Key.Can.Flags()) {
			v = binary.NativeEndian.AppendUint64(v, uint64(m))
		}
		return v
	}
	return nil
}

// pair returns the attributes that both halves of a pair have.
func (o *Object) pair(t pkcs11.AttributeType) []byte {
	p := o.Key.Public
	switch t { //nolint:exhaustive // the others are of one half, or of none
	case pkcs11.AttrSubject:
		return []byte{}
	case pkcs11.AttrPublicKeyInfo:
		return p.SPKI
	case pkcs11.AttrModulus:
		return p.modulus
	case pkcs11.AttrPublicExponent:
		return p.exponent
	case pkcs11.AttrECParams:
		return p.curve
	}
	return o.keyed(t)
}

func (o *Object) publicKey(t pkcs11.AttributeType) ([]byte, error) {
	v := o.pair(t)
	p := o.Key.Public
	switch {
	case v != nil:
		return v, nil
	case t == pkcs11.AttrVerifyRecover, t == pkcs11.AttrTrusted:
		return boolean(false), nil
	case t == pkcs11.AttrModulusBits && p.modulus != nil:
		return number(p.Bits), nil
	case t == pkcs11.AttrECPoint && p.point != nil:
		return p.point, nil
	}
	return nil, pkcs11.RVAttributeTypeInvalid
}

func (o *Object) privateKey(t pkcs11.AttributeType) ([]byte, error) {
	if v := o.pair(t); v != nil {
		return v, nil
	}
	switch t { //nolint:exhaustive // the others are not of private keys
	case pkcs11.AttrAlwaysAuthenticate, pkcs11.AttrSignRecover:
		return boolean(false), nil
	case pkcs11.AttrECPoint:
		// Not an attribute of private keys; some applications look for it there, as
		// several vendors' modules have it.
		if p := o.Key.Public.point; p != nil {
			return p, nil
		}
	case pkcs11.AttrPrivateExponent, pkcs11.AttrPrime1, pkcs11.AttrPrime2, pkcs11.AttrExponent1, pkcs11.AttrExponent2, pkcs11.AttrCoefficient:
		if o.Key.Type == pkcs11.KeyRSA {
			return nil, pkcs11.RVAttributeSensitive
		}
	case pkcs11.AttrValue:
		if o.Key.Type != pkcs11.KeyRSA {
			return nil, pkcs11.RVAttributeSensitive
		}
	}
	return o.secrecy(t)
}

func (o *Object) secretKey(t pkcs11.AttributeType) ([]byte, error) {
	if v := o.keyed(t); v != nil {
		return v, nil
	}
	switch t { //nolint:exhaustive // the others are not of secret keys
	case pkcs11.AttrValueLen:
		return number(o.Key.Length), nil
	case pkcs11.AttrTrusted:
		return boolean(false), nil
	case pkcs11.AttrValue:
		return nil, pkcs11.RVAttributeSensitive
	}
	return o.secrecy(t)
}

// secrecy returns the attributes that keys have which are to be kept secret.
func (o *Object) secrecy(t pkcs11.AttributeType) ([]byte, error) {
	switch t { //nolint:exhaustive // see above
	case pkcs11.AttrSensitive:
		return boolean(o.Key.Sensitive), nil
	case pkcs11.AttrAlwaysSensitive:
		return boolean(o.Key.AlwaysSensitive), nil
	case pkcs11.AttrExtractable:
		return boolean(o.Key.Extractable), nil
	case pkcs11.AttrNeverExtractable:
		return boolean(o.Key.NeverExtractable), nil
	case pkcs11.AttrWrapWithTrusted:
		return boolean(false), nil
	}
	return nil, pkcs11.RVAttributeTypeInvalid
}

// Shows reports whether the material of a key may be read as attributes.
func (o *Object) Shows() bool { return o.Key != nil && o.Key.Extractable && !o.Key.Sensitive }
