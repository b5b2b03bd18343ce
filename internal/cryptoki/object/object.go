// Package object is what objects of PKCS #11 are (OASIS, version 2.40, section
// 4): their attributes as applications ask for them, and the templates by which
// applications say what they want. It holds no key and does nothing with one.
//
// Start with Object and Template. The package is internal and may change with
// any release.
package object

import (
	"bytes"
	"encoding/binary"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Object is an object of a token or of a session.
type Object struct {
	Class pkcs11.Class
	// Token says that it outlives the session (CKA_TOKEN).
	Token bool
	// Private says that it is there only after C_Login (CKA_PRIVATE).
	Private bool
	Label   string
	ID      []byte
	// Fixed says that it cannot be destroyed alone: the public half of a key pair
	// of the token goes with its key.
	Fixed bool
	// Key is what there is of keys, Certificate of certificates; nil otherwise.
	Key         *Key
	Certificate *Certificate
}

// Key is what a key's attributes say beside.
type Key struct {
	Type pkcs11.KeyType
	// Public is the public half of a pair; nil of secret keys.
	Public *Public
	// Length is that of a secret key in bytes.
	Length int
	Can    Uses
	// Sensitive and Extractable say whether the material may be read, and whether
	// it may be wrapped; Always and Never, whether that was ever otherwise.
	Sensitive, Extractable, AlwaysSensitive, NeverExtractable bool
	// Local says that the key was made where it is, by Mechanism.
	Local     bool
	Mechanism pkcs11.MechanismType
	// Allowed returns the mechanisms that a key of the type is for which may be
	// used so.
	Allowed func(pkcs11.KeyType, pkcs11.MechanismFlags) []pkcs11.MechanismType
}

// Uses are what a key may be used for.
type Uses uint8

// The uses.
const (
	Encrypt Uses = 1 << iota
	Decrypt
	Sign
	Verify
	Wrap
	Unwrap
	Derive
)

// useAttributes has the attribute of each use, and the flag of mechanisms.
var useAttributes = []struct {
	attribute pkcs11.AttributeType
	use       Uses
	flag      pkcs11.MechanismFlags
}{
	{pkcs11.AttrEncrypt, Encrypt, pkcs11.CanEncrypt},
	{pkcs11.AttrDecrypt, Decrypt, pkcs11.CanDecrypt},
	{pkcs11.AttrSign, Sign, pkcs11.CanSign},
	{pkcs11.AttrVerify, Verify, pkcs11.CanVerify},
	{pkcs11.AttrWrap, Wrap, pkcs11.CanWrap},
	{pkcs11.AttrUnwrap, Unwrap, pkcs11.CanUnwrap},
	{pkcs11.AttrDerive, Derive, pkcs11.CanDerive},
}

// Flags returns the uses as mechanisms have them.
func (u Uses) Flags() pkcs11.MechanismFlags {
	var flags pkcs11.MechanismFlags
	for _, a := range useAttributes {
		if u&a.use != 0 {
			flags |= a.flag
		}
	}
	return flags
}

// Matches reports whether the object has all attributes of a template, with
// these values (C_FindObjectsInit). An attribute that is sensitive matches
// nothing.
func (o *Object) Matches(template Template) bool {
	for _, a := range template {
		if v, err := o.Attribute(a.Type); err != nil || !bytes.Equal(v, a.Value) {
			return false
		}
	}
	return true
}

// Size returns about how many bytes the object takes (C_GetObjectSize).
func (o *Object) Size() uint64 {
	n := 256 + len(o.Label) + len(o.ID)
	switch {
	case o.Certificate != nil:
		n += len(o.Certificate.DER)
	case o.Key != nil && o.Key.Public != nil:
		n += len(o.Key.Public.SPKI)
	}
	return uint64(n)
}

func boolean(v bool) []byte {
	if v {
		return []byte{1}
	}
	return []byte{0}
}

func number[T ~uint64 | ~int](v T) []byte { return binary.NativeEndian.AppendUint64(nil, uint64(v)) }

// some returns bytes that are there: not nil.
func some(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
