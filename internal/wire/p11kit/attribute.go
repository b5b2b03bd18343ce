package p11kit

import (
	"encoding/binary"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// An attribute is, on the wire,
//
//	type   4 bytes
//	there  1 byte; 0 says that the object does not have it or does not show it
//	       (the length -1 of the standard), and nothing follows
//	length 4 bytes: that of the value in the caller's memory
//	value  a byte, a number of 8 bytes, 4 bytes of length and as many bytes, a
//	       count of 4 bytes and mechanisms of 8 bytes each, or a count of 4 bytes
//	       and attributes, as the type has it
//
// Types that p11-kit does not know go as bytes.

// form is how values of an attribute go over the wire.
type form uint8

const (
	byteForm form = iota + 1
	numberForm
	arrayForm
	mechanismsForm
	templateForm
)

// The sizes of structures in the memory of a 64-bit caller.
const (
	numberSize    = 8
	attributeSize = 24
)

func formOf(t pkcs11.AttributeType) form {
	switch t {
	case pkcs11.AttrToken, pkcs11.AttrPrivate, pkcs11.AttrTrusted, pkcs11.AttrSensitive, pkcs11.AttrEncrypt, pkcs11.AttrDecrypt,
		pkcs11.AttrWrap, pkcs11.AttrUnwrap, pkcs11.AttrSign, pkcs11.AttrSignRecover, pkcs11.AttrVerify, pkcs11.AttrVerifyRecover,
		pkcs11.AttrDerive, pkcs11.AttrExtractable, pkcs11.AttrLocal, pkcs11.AttrNeverExtractable, pkcs11.AttrAlwaysSensitive,
		pkcs11.AttrModifiable, pkcs11.AttrCopyable, pkcs11.AttrSecondaryAuth, pkcs11.AttrAlwaysAuthenticate,
		pkcs11.AttrWrapWithTrusted, pkcs11.AttrResetOnInit, pkcs11.AttrHasReset, pkcs11.AttrColor:
		return byteForm
	case pkcs11.AttrClass, pkcs11.AttrCertificateType, pkcs11.AttrCertificateCategory, pkcs11.AttrJavaMIDPSecurityDomain, pkcs11.AttrKeyType,
		pkcs11.AttrModulusBits, pkcs11.AttrPrimeBits, pkcs11.AttrSubPrimeBits, pkcs11.AttrValueBits, pkcs11.AttrValueLen, pkcs11.AttrKeyGenMechanism,
		pkcs11.AttrAuthPINFlags, pkcs11.AttrHWFeatureType, pkcs11.AttrPixelX, pkcs11.AttrPixelY, pkcs11.AttrResolution,
		pkcs11.AttrCharRows, pkcs11.AttrCharColumns, pkcs11.AttrBitsPerPixel, pkcs11.AttrMechanismType:
		return numberForm
	case pkcs11.AttrAllowedMechanisms:
		return mechanismsForm
	case pkcs11.AttrWrapTemplate, pkcs11.AttrUnwrapTemplate, pkcs11.AttrDeriveTemplate:
		return templateForm
	default:
		return arrayForm
	}
}

// Attributes reads an "aA". A value is in the form of pkcs11.Attribute; that of
// an attribute that is a template is the template as it is on the wire. An
// attribute that is not there has a nil Value.
func (r *Reader) Attributes() []pkcs11.Attribute {
	n := r.length(4 + 1)
	if n > MaxAttributes {
		r.bad = true
		return nil
	}
	list := make([]pkcs11.Attribute, 0, n)
	for range n {
		a := r.attribute(0)
		if r.bad {
			return nil
		}
		list = append(list, a)
	}
	return list
}

func (r *Reader) attribute(depth int) pkcs11.Attribute {
	a := pkcs11.Attribute{Type: pkcs11.AttributeType(r.u32())}
	if !r.flag() {
		return a
	}
	length := r.u32()
	switch formOf(a.Type) {
	case byteForm:
		a.Value = r.sized(length, 1, r.take(1))
	case numberForm:
		a.Value = r.sized(length, numberSize, native(r.take(numberSize)))
	case arrayForm:
		if a.Value = r.array(); a.Value == nil {
			a.Value = []byte{} // no bytes, or a question for the length
		} else {
			r.bad = r.bad || uint64(length) != uint64(len(a.Value))
		}
	case mechanismsForm:
		a.Value = r.mechanisms(length)
	case templateForm:
		a.Value = r.template(length, depth+1)
	}
	return a
}

// sized returns a value of a fixed length: it is empty when the caller said 0.
func (r *Reader) sized(length uint32, want int, value []byte) []byte {
	if length == 0 {
		return []byte{}
	}
	r.bad = r.bad || uint64(length) != uint64(want) //nolint:gosec // a constant
	return value
}

// native returns a number of 8 bytes in the machine's byte order.
func native(b []byte) []byte {
	if b == nil {
		return nil
	}
	return binary.NativeEndian.AppendUint64(nil, binary.BigEndian.Uint64(b))
}

func (r *Reader) mechanisms(length uint32) []byte {
	n := r.length(numberSize)
	value := make([]byte, 0, n*numberSize)
	for range n {
		value = binary.NativeEndian.AppendUint64(value, r.Uint())
	}
	r.bad = r.bad || uint64(length) != uint64(len(value))
	return value
}

// template reads the attributes that are an attribute's value, and returns them
// as they are.
func (r *Reader) template(length uint32, depth int) []byte {
	from := r.b
	n := r.length(4 + 1)
	if depth > maxDepth || n > MaxAttributes || uint64(length) != uint64(n)*attributeSize { //nolint:gosec // n is a length
		r.bad = true
	}
	for range n {
		if r.bad {
			return nil
		}
		r.attribute(depth)
	}
	return from[:len(from)-len(r.b)]
}

// Count writes how many attributes there are; they follow.
func (w *Writer) Count(n int) { w.u32(uint32(n)) } //nolint:gosec // at most MaxAttributes

// Attributes writes an "aA". A nil Value says that the attribute is not there.
func (w *Writer) Attributes(list []pkcs11.Attribute) {
	w.Count(len(list))
	for _, a := range list {
		w.Attribute(a)
	}
}

// Attribute writes one of the attributes of an "aA".
func (w *Writer) Attribute(a pkcs11.Attribute) {
	if a.Value == nil {
		w.u32(uint32(a.Type)) //nolint:gosec // the wire has 4 bytes for it
		w.Byte(0)
		return
	}
	length := len(a.Value)
	f := formOf(a.Type)
	if f == templateForm {
		length = templateLength(a.Value)
	}
	w.lengthOf(a.Type, length)
	switch f {
	case byteForm:
		w.Byte(firstByte(a.Value))
	case numberForm:
		v, _ := a.Uint()
		w.Uint(v)
	case arrayForm:
		w.array(a.Value)
	case mechanismsForm:
		w.mechanisms(a.Value)
	case templateForm:
		w.b = append(w.b, a.Value...)
	}
}

func firstByte(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

// AttributeLength writes one of the attributes of an "aA" of which only the
// length is told; a template is said not to be there.
func (w *Writer) AttributeLength(t pkcs11.AttributeType, length int) {
	f := formOf(t)
	if f == templateForm {
		w.Attribute(pkcs11.Attribute{Type: t})
		return
	}
	w.lengthOf(t, length)
	switch f {
	case byteForm:
		w.Byte(0)
	case numberForm:
		w.Uint(0)
	case arrayForm:
		w.u32(none)
	case mechanismsForm:
		w.mechanisms(make([]byte, length))
	case templateForm: // see above
	}
}

func (w *Writer) lengthOf(t pkcs11.AttributeType, length int) {
	w.u32(uint32(t)) //nolint:gosec // the wire has 4 bytes for it
	w.Byte(1)
	w.u32(uint32(length)) //nolint:gosec // who writes keeps to MaxMessage
}

func (w *Writer) mechanisms(value []byte) {
	w.u32(uint32(len(value) / numberSize)) //nolint:gosec // who writes keeps to MaxMessage
	for ; len(value) >= numberSize; value = value[numberSize:] {
		w.Uint(binary.NativeEndian.Uint64(value))
	}
}

// templateLength returns the length in the caller's memory of a template that
// is in the wire's form.
func templateLength(value []byte) int {
	if len(value) < 4 {
		return 0
	}
	return int(binary.BigEndian.Uint32(value)) * attributeSize
}

// Wanted is an attribute that is asked for.
type Wanted struct {
	Type pkcs11.AttributeType
	// Room is how many bytes the caller has for its value; 0 asks for the length.
	Room int
}

// Wanted reads an "fA". Templates in attributes are not asked for: one with room
// is malformed.
func (r *Reader) Wanted() []Wanted {
	n := r.length(4 + 4)
	if n > MaxAttributes {
		r.bad = true
		return nil
	}
	list := make([]Wanted, n)
	for i := range list {
		list[i] = Wanted{pkcs11.AttributeType(r.u32()), int(r.u32())}
		if list[i].Room != 0 && formOf(list[i].Type) == templateForm {
			r.bad = true
		}
	}
	return list
}

// WantedList writes an "fA".
func (w *Writer) WantedList(list []Wanted) {
	w.u32(uint32(len(list))) //nolint:gosec // at most MaxAttributes
	for _, v := range list {
		w.u32(uint32(v.Type)) //nolint:gosec // the wire has 4 bytes for it
		w.u32(uint32(v.Room)) //nolint:gosec // a length of memory that the caller has
	}
}
