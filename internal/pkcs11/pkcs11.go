// Package pkcs11 has the vocabulary of PKCS #11 (OASIS, versions 2.40 to 3.2):
// its numbers and structures as Go values, calls, and sessions to make them
// in. It reaches no library itself: package native does that in this process,
// package worker in another one.
//
// Start with Session. The package is internal and may change with any release.
package pkcs11

import (
	"encoding/binary"
	"errors"
)

// SlotID names a slot of a module.
type SlotID uint64

// SessionHandle names an open session of a module.
type SessionHandle uint64

// Object is the handle of an object. It is good for one module's process:
// another one has other handles for the same objects.
type Object uint64

// RV is what a library answered when it refused a call (CK_RV). It is an error;
// RVOK is never returned as one.
type RV uint64

// The types of the numbers in numbers.go.
type (
	// AttributeType names an attribute (CKA_…).
	AttributeType uint64
	// MechanismType names a mechanism (CKM_…).
	MechanismType uint64
	// Class is what an object is (CKO_…).
	Class uint64
	// KeyType is what a key is for (CKK_…).
	KeyType uint64
	// MGF names a mask generation function (CKG_…).
	MGF uint64
	// UserType says who logs in (CKU_…).
	UserType uint64
	// TokenFlags are what a token says of itself (CKF_…).
	TokenFlags uint64
	// MechanismFlags are what a mechanism can do (CKF_…).
	MechanismFlags uint64
)

// Errors of a Module that are none of the library's.
var (
	// ErrGone says that the module's process has ended, or was given up.
	ErrGone = errors.New("the PKCS #11 module's process is gone")
	// ErrHung says that the module did not answer in time.
	ErrHung = errors.New("the PKCS #11 module does not answer")
	// ErrStatic says that this build cannot load libraries.
	ErrStatic = errors.New("this build cannot load PKCS #11 modules: it is fully static")
)

// Attribute is an attribute of an object. Value is in the module's own form: a
// CK_ULONG in the machine's byte order, a CK_BBOOL as one byte, bytes as they
// are.
type Attribute struct {
	Type  AttributeType
	Value []byte
}

// Bool returns an attribute that is true or false.
func Bool(t AttributeType, v bool) Attribute {
	if v {
		return Attribute{t, []byte{1}}
	}
	return Attribute{t, []byte{0}}
}

// Number returns an attribute that is a number (CK_ULONG).
func Number[T ~uint64](t AttributeType, v T) Attribute {
	return Attribute{t, binary.NativeEndian.AppendUint64(nil, uint64(v))}
}

// Bytes returns an attribute that is bytes.
func Bytes(t AttributeType, v []byte) Attribute { return Attribute{t, v} }

// Text returns an attribute that is text in UTF-8.
func Text(t AttributeType, v string) Attribute { return Attribute{t, []byte(v)} }

// Uint returns the attribute's number; false when it has none.
func (a Attribute) Uint() (uint64, bool) {
	if len(a.Value) != 8 {
		return 0, false
	}
	return binary.NativeEndian.Uint64(a.Value), true
}

// True reports whether the attribute is true.
func (a Attribute) True() bool { return len(a.Value) == 1 && a.Value[0] != 0 }

// Mechanism is a mechanism with its parameter: at most one of the fields is
// set, or Raw.
type Mechanism struct {
	Type MechanismType
	PSS  *PSS
	// OAEP is also the inner one of MechRSAAESKeyWrap, which has AESBits beside.
	OAEP    *OAEP
	AESBits uint64
	GCM     *GCM
	EdDSA   *EdDSA
	ECDH    *ECDH
	// Raw is a parameter that is bytes, such as an initialisation vector.
	Raw []byte
}

// PSS is CK_RSA_PKCS_PSS_PARAMS.
type PSS struct {
	Hash    MechanismType
	MGF     MGF
	SaltLen uint64
}

// OAEP is CK_RSA_PKCS_OAEP_PARAMS with an empty label.
type OAEP struct {
	Hash MechanismType
	MGF  MGF
}

// GCM is CK_GCM_PARAMS: the nonce, the associated data, the tag's bits.
type GCM struct {
	IV, AAD []byte
	TagBits uint64
}

// EdDSA is CK_EDDSA_PARAMS.
type EdDSA struct {
	Prehash bool
	Context []byte
}

// ECDH is CK_ECDH1_DERIVE_PARAMS with no key derivation after the agreement
// (CKD_NULL): Public is the other side's point, uncompressed (SEC 1 section
// 2.3.3), and not in an OCTET STRING.
type ECDH struct {
	Public []byte
}

// Info is what a library says of itself (CK_INFO).
type Info struct {
	CryptokiVersion, LibraryVersion [2]byte
	Manufacturer, Description       string
}

// TokenInfo is what a token says of itself (CK_TOKEN_INFO), without its
// counters. Texts have no padding.
type TokenInfo struct {
	Label, Manufacturer, Model, Serial string
	Flags                              TokenFlags
	MaxSessions, MinPIN, MaxPIN        uint64
	HardwareVersion, FirmwareVersion   [2]byte
}

// MechanismInfo is one mechanism of a token.
type MechanismInfo struct {
	Type  MechanismType
	Min   uint64 // the smallest key, in the mechanism's unit
	Max   uint64
	Flags MechanismFlags
}
