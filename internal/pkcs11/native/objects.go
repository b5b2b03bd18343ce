//go:build linux && (amd64 || arm64) && !static

package native

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

const (
	attributeSize = 24             // CK_ATTRIBUTE: type, address of the value, its length
	unavailable   = math.MaxUint64 // CK_UNAVAILABLE_INFORMATION
	findAtOnce    = 256            // objects asked for in one C_FindObjects
)

// Attributes whose values are attributes again, with addresses inside
// (CKA_WRAP_TEMPLATE, CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE).
const (
	firstNested pkcs11.AttributeType = 0x40000211
	lastNested  pkcs11.AttributeType = 0x40000213
)

// checkType refuses attributes that have addresses inside.
func checkType(t pkcs11.AttributeType) error {
	if t >= firstNested && t <= lastNested {
		return fmt.Errorf("pkcs11: attribute 0x%x has attributes inside: %w", uint64(t), pkcs11.RVAttributeTypeInvalid)
	}
	return nil
}

// putAddress writes the address of an arena's bytes.
func putAddress(to, of []byte) { binary.NativeEndian.PutUint64(to, uint64(address(of))) }

// template lays out an array of CK_ATTRIBUTE.
func (o *operation) template(attributes []pkcs11.Attribute) (at, count uintptr, err error) {
	if len(attributes) == 0 {
		return 0, 0, nil
	}
	b := o.a.take(attributeSize * len(attributes))
	for i, v := range attributes {
		if err := checkType(v.Type); err != nil {
			return 0, 0, err
		}
		row := b[attributeSize*i:]
		binary.NativeEndian.PutUint64(row, uint64(v.Type))
		putAddress(row[8:], o.a.bytes(v.Value))
		binary.NativeEndian.PutUint64(row[16:], uint64(len(v.Value)))
	}
	return address(b), uintptr(len(attributes)), nil
}

func (o *operation) find() (*pkcs11.Result, error) {
	template, count, err := o.template(o.c.Template)
	if err != nil {
		return nil, err
	}
	if err := o.l.call(fnFindInit, o.session(), template, count); err != nil {
		return nil, err
	}
	found, err := o.found()
	if final := o.l.call(fnFindFinal, o.session()); err == nil {
		err = final
	}
	if err != nil {
		return nil, err
	}
	return &pkcs11.Result{Handles: found}, nil
}

// found reads what C_FindObjectsInit has begun to find, at most the call's
// limit.
func (o *operation) found() ([]uint64, error) {
	limit := min(max(o.c.Limit, 0), pkcs11.MaxMessage/16)
	out, got := o.a.take(8*findAtOnce), o.a.number(0)
	var all []uint64
	for len(all) < limit {
		want := min(limit-len(all), findAtOnce)
		if err := o.l.call(fnFind, o.session(), address(out), uintptr(want), address(got)); err != nil {
			return nil, err
		}
		n := number(got)
		if n == 0 {
			break
		}
		if n > uint64(want) { //nolint:gosec // not negative
			return nil, errOverrun
		}
		for i := range n {
			all = append(all, number(out[8*i:]))
		}
	}
	return all, nil
}

// attributes asks for all attributes at once, and one by one when the library
// refuses one of them: some then leave out those that come after it.
func (o *operation) attributes() (*pkcs11.Result, error) {
	values, err := o.read(o.c.Types)
	if err == nil {
		return &pkcs11.Result{Attributes: values}, nil
	}
	if !notShown(err) {
		return nil, err
	}
	values = make([]pkcs11.Attribute, len(o.c.Types))
	for i, t := range o.c.Types {
		one, err := o.read([]pkcs11.AttributeType{t})
		switch {
		case err == nil:
			values[i] = one[0]
		case notShown(err):
			values[i] = pkcs11.Attribute{Type: t}
		default:
			return nil, err
		}
	}
	return &pkcs11.Result{Attributes: values}, nil
}

// notShown reports whether the library says that the object lacks an attribute
// or does not show it.
func notShown(err error) bool {
	return errors.Is(err, pkcs11.RVAttributeTypeInvalid) || errors.Is(err, pkcs11.RVAttributeSensitive)
}

// read calls C_GetAttributeValue twice: for the lengths, then for the values.
func (o *operation) read(types []pkcs11.AttributeType) ([]pkcs11.Attribute, error) {
	b := o.a.take(attributeSize * len(types))
	for i, t := range types {
		if err := checkType(t); err != nil {
			return nil, err
		}
		binary.NativeEndian.PutUint64(b[attributeSize*i:], uint64(t))
	}
	get := func() error {
		return o.l.call(fnGetAttribute, o.session(), o.subject(), address(b), uintptr(len(types)))
	}
	if err := get(); err != nil {
		return nil, err
	}
	room := make([][]byte, len(types))
	total := 0
	for i := range types {
		row := b[attributeSize*i:]
		n := number(row[16:])
		if n == unavailable {
			continue
		}
		if n > uint64(pkcs11.MaxMessage-total) {
			return nil, errOverrun
		}
		total += int(n)            //nolint:gosec // at most MaxMessage
		room[i] = o.a.take(int(n)) //nolint:gosec // at most MaxMessage
		putAddress(row[8:], room[i])
	}
	if err := get(); err != nil {
		return nil, err
	}
	return values(b, types, room)
}

// values copies what C_GetAttributeValue has written.
func values(b []byte, types []pkcs11.AttributeType, room [][]byte) ([]pkcs11.Attribute, error) {
	all := make([]pkcs11.Attribute, len(types))
	for i, t := range types {
		all[i].Type = t
		n := number(b[attributeSize*i+16:])
		if n == unavailable || room[i] == nil {
			continue
		}
		if n > uint64(len(room[i])) {
			return nil, errOverrun
		}
		all[i].Value = append([]byte{}, room[i][:n]...)
	}
	return all, nil
}

func (o *operation) setAttributes() (*pkcs11.Result, error) {
	template, count, err := o.template(o.c.Template)
	if err != nil {
		return nil, err
	}
	return o.done(o.l.call(fnSetAttribute, o.session(), o.subject(), template, count))
}

func (o *operation) createObject() (*pkcs11.Result, error) {
	template, count, err := o.template(o.c.Template)
	if err != nil {
		return nil, err
	}
	out := o.a.number(0)
	err = o.l.call(fnCreateObject, o.session(), template, count, address(out))
	return o.handle(out, err)
}

func (o *operation) copyObject() (*pkcs11.Result, error) {
	template, count, err := o.template(o.c.Template)
	if err != nil {
		return nil, err
	}
	out := o.a.number(0)
	err = o.l.call(fnCopyObject, o.session(), o.subject(), template, count, address(out))
	return o.handle(out, err)
}

func (o *operation) destroyObject() (*pkcs11.Result, error) {
	return o.done(o.l.call(fnDestroyObject, o.session(), o.subject()))
}

func (o *operation) generateKey() (*pkcs11.Result, error) {
	m, err := o.mechanism()
	if err != nil {
		return nil, err
	}
	template, count, err := o.template(o.c.Template)
	if err != nil {
		return nil, err
	}
	out := o.a.number(0)
	err = o.l.call(fnGenerateKey, o.session(), m, template, count, address(out))
	return o.handle(out, err)
}

func (o *operation) generateKeyPair() (*pkcs11.Result, error) {
	m, err := o.mechanism()
	if err != nil {
		return nil, err
	}
	public, publicCount, err := o.template(o.c.Template)
	if err != nil {
		return nil, err
	}
	private, privateCount, err := o.template(o.c.Private)
	if err != nil {
		return nil, err
	}
	out := o.a.numbers(0, 0)
	err = o.l.call(fnGenerateKeyPair, o.session(), m, public, publicCount, private, privateCount, address(out), address(out[8:]))
	if err != nil {
		return nil, err
	}
	return &pkcs11.Result{Handle: number(out), Private: number(out[8:])}, nil
}
