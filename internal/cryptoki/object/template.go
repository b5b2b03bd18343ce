package object

import (
	"crypto/x509"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Template is what an application says of an object that it makes, or looks
// for. Errors of its methods are pkcs11.RV.
type Template []pkcs11.Attribute

// Check refuses a template that says something twice, or without a value.
func (t Template) Check() error {
	for i, a := range t {
		if a.Value == nil {
			return pkcs11.RVAttributeValueInvalid
		}
		for _, b := range t[:i] {
			if a.Type == b.Type {
				return pkcs11.RVTemplateInconsistent
			}
		}
	}
	return nil
}

// Bytes returns an attribute's value; nil when the template does not say it.
func (t Template) Bytes(k pkcs11.AttributeType) []byte {
	for _, a := range t {
		if a.Type == k {
			return a.Value
		}
	}
	return nil
}

// Uint returns a number, or otherwise when the template does not say it.
func (t Template) Uint(k pkcs11.AttributeType, otherwise uint64) (uint64, error) {
	v := t.Bytes(k)
	if v == nil {
		return otherwise, nil
	}
	n, ok := pkcs11.Attribute{Type: k, Value: v}.Uint()
	if !ok {
		return 0, pkcs11.RVAttributeValueInvalid
	}
	return n, nil
}

// Bool returns a truth, or otherwise when the template does not say it.
func (t Template) Bool(k pkcs11.AttributeType, otherwise bool) (bool, error) {
	v := t.Bytes(k)
	if v == nil {
		return otherwise, nil
	}
	if len(v) != 1 || v[0] > 1 {
		return false, pkcs11.RVAttributeValueInvalid
	}
	return v[0] == 1, nil
}

// The limits on what an application says.
const (
	MaxLabel = 256 // bytes
	MaxID    = 128 // bytes
)

// Wish is what a template says of an object that is to be made.
type Wish struct {
	Class   pkcs11.Class
	Type    pkcs11.KeyType // what CKA_KEY_TYPE says, or the one that was given
	Token   bool
	Private bool
	Label   string
	ID      []byte
	// Can are the uses that the template asks for; Said those that it speaks of.
	Can, Said              Uses
	Sensitive, Extractable bool
}

// unwanted are what a template must not ask for, with the value that is the same
// as saying nothing; nil where nothing may be said.
var unwanted = []struct {
	attribute pkcs11.AttributeType
	harmless  []byte
}{
	{pkcs11.AttrAlwaysAuthenticate, []byte{0}},
	{pkcs11.AttrWrapWithTrusted, []byte{0}},
	{pkcs11.AttrTrusted, []byte{0}},
	{pkcs11.AttrSignRecover, []byte{0}},
	{pkcs11.AttrVerifyRecover, []byte{0}},
	{pkcs11.AttrModifiable, []byte{1}},
	{pkcs11.AttrStartDate, []byte{}},
	{pkcs11.AttrEndDate, []byte{}},
	{pkcs11.AttrWrapTemplate, nil},
	{pkcs11.AttrUnwrapTemplate, nil},
	{pkcs11.AttrDeriveTemplate, nil},
	{pkcs11.AttrUniqueID, nil},
	{pkcs11.AttrLocal, nil},
	{pkcs11.AttrAlwaysSensitive, nil},
	{pkcs11.AttrNeverExtractable, nil},
	{pkcs11.AttrKeyGenMechanism, nil},
}

// Read returns what the template says of an object of a class, with a key of a
// type. A template that asks for something that is not offered is refused.
func (t Template) Read(class pkcs11.Class, key pkcs11.KeyType) (Wish, error) {
	if err := t.Check(); err != nil {
		return Wish{}, err
	}
	if err := t.refuse(); err != nil {
		return Wish{}, err
	}
	w := Wish{Label: string(t.Bytes(pkcs11.AttrLabel)), ID: t.Bytes(pkcs11.AttrID)}
	if len(w.Label) > MaxLabel || len(w.ID) > MaxID {
		return Wish{}, pkcs11.RVAttributeValueInvalid
	}
	saidClass, err := t.Uint(pkcs11.AttrClass, uint64(class))
	if err != nil || pkcs11.Class(saidClass) != class {
		return Wish{}, pkcs11.RVTemplateInconsistent
	}
	saidType, err := t.Uint(pkcs11.AttrKeyType, uint64(key))
	if err != nil {
		return Wish{}, err
	}
	w.Class, w.Type = class, pkcs11.KeyType(saidType)
	return w, t.readFlags(&w)
}

func (t Template) refuse() error {
	for _, r := range unwanted {
		v := t.Bytes(r.attribute)
		switch {
		case v == nil:
		case r.harmless == nil:
			return pkcs11.RVAttributeTypeInvalid
		case string(v) != string(r.harmless):
			return pkcs11.RVTemplateInconsistent
		}
	}
	return nil
}

func (t Template) readFlags(w *Wish) error {
	secret := w.Class == pkcs11.ClassPrivateKey || w.Class == pkcs11.ClassSecretKey
	for _, f := range []struct {
		attribute pkcs11.AttributeType
		to        *bool
		otherwise bool
	}{
		{pkcs11.AttrToken, &w.Token, false},
		{pkcs11.AttrPrivate, &w.Private, secret},
		{pkcs11.AttrSensitive, &w.Sensitive, secret},
		{pkcs11.AttrExtractable, &w.Extractable, false},
	} {
		var err error
		if *f.to, err = t.Bool(f.attribute, f.otherwise); err != nil {
			return err
		}
	}
	for _, u := range useAttributes {
		said := t.Bytes(u.attribute) != nil
		can, err := t.Bool(u.attribute, false)
		if err != nil {
			return err
		}
		if said {
			w.Said |= u.use
		}
		if can {
			w.Can |= u.use
		}
	}
	return nil
}

// CanOr returns the uses that the template asks for, or otherwise where it
// speaks of none.
func (w Wish) CanOr(otherwise Uses) Uses {
	if w.Said == 0 {
		return otherwise
	}
	return w.Can
}

// Spec returns the spec of a key pair that is to be generated, from the
// template of its public half.
func (t Template) Spec(key pkcs11.KeyType) (alg.Spec, error) {
	switch key { //nolint:exhaustive // the pairs that are generated
	case pkcs11.KeyRSA:
		bits, err := t.Uint(pkcs11.AttrModulusBits, 0)
		if err != nil {
			return 0, err
		}
		if e := t.Bytes(pkcs11.AttrPublicExponent); e != nil && string(trimZeros(e)) != "\x01\x00\x01" {
			return 0, pkcs11.RVAttributeValueInvalid
		}
		spec, ok := map[uint64]alg.Spec{2048: alg.RSA2048, 3072: alg.RSA3072, 4096: alg.RSA4096}[bits]
		switch {
		case bits == 0:
			return 0, pkcs11.RVTemplateIncomplete
		case !ok:
			return 0, pkcs11.RVKeySizeRange
		}
		return spec, nil
	case pkcs11.KeyEC, pkcs11.KeyECEdwards:
		params := t.Bytes(pkcs11.AttrECParams)
		if params == nil {
			return 0, pkcs11.RVTemplateIncomplete
		}
		spec := CurveOf(params)
		if spec == alg.NoSpec || (spec == alg.Ed25519) != (key == pkcs11.KeyECEdwards) {
			return 0, pkcs11.RVCurveNotSupported
		}
		return spec, nil
	}
	return 0, pkcs11.RVMechanismInvalid
}

func trimZeros(b []byte) []byte {
	for len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	return b
}

// SPKI returns the public key that a template of C_CreateObject has, as a
// SubjectPublicKeyInfo in DER.
func (t Template) SPKI(key pkcs11.KeyType) ([]byte, error) {
	switch key { //nolint:exhaustive // those that there are
	case pkcs11.KeyRSA:
		k, err := t.rsaPublic()
		if err != nil {
			return nil, err
		}
		return x509.MarshalPKIXPublicKey(k)
	case pkcs11.KeyEC, pkcs11.KeyECEdwards:
		point, ok := element(t.Bytes(pkcs11.AttrECPoint), octetString)
		if !ok {
			return nil, pkcs11.RVAttributeValueInvalid
		}
		return spkiOf(CurveOf(t.Bytes(pkcs11.AttrECParams)), point)
	}
	return nil, pkcs11.RVAttributeValueInvalid
}
