package pkcs11

import (
	"encoding/binary"
	"errors"
	"math"
)

// The binary form of a Call and of a Result, version 1, in which they cross
// from one process to another of the same machine and the same build:
//
//	version   1 byte, 1
//	function  1 byte (a Call only)
//	present   4 bytes: bit i says that field i follows; the fields in the order
//	          of the walk below; one that is zero or empty is left out
//	fields    a number is 8 bytes; bytes are their length in 4 bytes and they
//	          themselves; a list is its length in 4 bytes and its elements;
//	          a structure is its fields one after the other
//
// All numbers are little-endian. The length 0xffffffff of an attribute's value
// says nil, "the object does not have it". There is one form for each value:
// what does not encode back the same is refused. Neither form says anything of
// the machine's memory, so a process that has gone wild can send nothing worse
// than a wrong answer.
const (
	codecVersion = 1
	callHeader   = 1 + 1 + 4
	resultHeader = 1 + 4
	noValue      = math.MaxUint32
)

// MaxMessage is the largest Call or Result in its binary form, in bytes.
const MaxMessage = 1 << 20

var errMalformed = errors.New("pkcs11: a malformed message")

// AppendCall appends a call's binary form to b.
func AppendCall(b []byte, c *Call) []byte {
	at := len(b)
	b = append(b, codecVersion, byte(c.Function), 0, 0, 0, 0)
	w := coder{buf: b}
	w.call(c)
	binary.LittleEndian.PutUint32(w.buf[at+2:], w.present)
	return w.buf
}

// ParseCall reads a call's binary form. The call's bytes are parts of b: who
// clears b has cleared them.
func ParseCall(b []byte) (*Call, error) {
	if len(b) < callHeader || len(b) > MaxMessage || b[0] != codecVersion {
		return nil, errMalformed
	}
	c := &Call{Function: Function(b[1])}
	if !c.Function.Valid() {
		return nil, errMalformed
	}
	r := coder{buf: b[callHeader:], reading: true, present: binary.LittleEndian.Uint32(b[2:])}
	r.call(c)
	return c, r.end()
}

// AppendResult appends a result's binary form to b.
func AppendResult(b []byte, r *Result) []byte {
	at := len(b)
	b = append(b, codecVersion, 0, 0, 0, 0)
	w := coder{buf: b}
	w.result(r)
	binary.LittleEndian.PutUint32(w.buf[at+1:], w.present)
	return w.buf
}

// ParseResult reads a result's binary form. The result's bytes are parts of b.
func ParseResult(b []byte) (*Result, error) {
	if len(b) < resultHeader || len(b) > MaxMessage || b[0] != codecVersion {
		return nil, errMalformed
	}
	result := &Result{}
	r := coder{buf: b[resultHeader:], reading: true, present: binary.LittleEndian.Uint32(b[1:])}
	r.result(result)
	return result, r.end()
}

// call walks a call's fields, in writing and in reading.
func (c *coder) call(v *Call) {
	field(c, &v.Slot)
	field(c, &v.Session)
	field(c, &v.Mechanism.Type)
	structure(c, &v.Mechanism.PSS, (*coder).pss)
	structure(c, &v.Mechanism.OAEP, (*coder).oaep)
	field(c, &v.Mechanism.AESBits)
	structure(c, &v.Mechanism.GCM, (*coder).gcm)
	structure(c, &v.Mechanism.EdDSA, (*coder).eddsa)
	structure(c, &v.Mechanism.ECDH, (*coder).ecdh)
	c.bytesField(&v.Mechanism.Raw)
	field(c, &v.Key)
	field(c, &v.Subject)
	list(c, &v.Template, minAttribute, (*coder).attribute)
	list(c, &v.Private, minAttribute, (*coder).attribute)
	list(c, &v.Types, 8, number[AttributeType])
	c.bytesField(&v.Data)
	c.bytesField(&v.Extra)
	field(c, &v.User)
	c.flagField(&v.Flag)
	c.intField(&v.Limit)
}

// result walks a result's fields, in writing and in reading.
func (c *coder) result(v *Result) {
	field(c, &v.Handle)
	field(c, &v.Private)
	list(c, &v.Handles, 8, number[uint64])
	list(c, &v.Attributes, minAttribute, (*coder).attribute)
	c.bytesField(&v.Data)
	structure(c, &v.Info, (*coder).info)
	structure(c, &v.Token, (*coder).token)
	list(c, &v.Mechanisms, 4*8, (*coder).mechanism)
}

const minAttribute = 8 + 4

func (c *coder) pss(v *PSS) {
	number(c, &v.Hash)
	number(c, &v.MGF)
	number(c, &v.SaltLen)
}

func (c *coder) oaep(v *OAEP) {
	number(c, &v.Hash)
	number(c, &v.MGF)
}

func (c *coder) gcm(v *GCM) {
	c.bytes(&v.IV)
	c.bytes(&v.AAD)
	number(c, &v.TagBits)
}

func (c *coder) eddsa(v *EdDSA) {
	c.bool(&v.Prehash)
	c.bytes(&v.Context)
}

func (c *coder) ecdh(v *ECDH) { c.bytes(&v.Public) }

func (c *coder) info(v *Info) {
	c.fixed(v.CryptokiVersion[:])
	c.fixed(v.LibraryVersion[:])
	c.text(&v.Manufacturer)
	c.text(&v.Description)
}

func (c *coder) token(v *TokenInfo) {
	c.text(&v.Label)
	c.text(&v.Manufacturer)
	c.text(&v.Model)
	c.text(&v.Serial)
	number(c, &v.Flags)
	number(c, &v.MaxSessions)
	number(c, &v.MinPIN)
	number(c, &v.MaxPIN)
	c.fixed(v.HardwareVersion[:])
	c.fixed(v.FirmwareVersion[:])
}

func (c *coder) mechanism(v *MechanismInfo) {
	number(c, &v.Type)
	number(c, &v.Min)
	number(c, &v.Max)
	number(c, &v.Flags)
}
