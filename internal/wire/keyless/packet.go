package keyless

import (
	"encoding/binary"
	"slices"
)

// The version of the protocol.
const (
	Major = 1
	Minor = 0
)

// Sizes, in bytes.
const (
	HeaderSize = 8
	// PadTo is the length to which packets that are shorter are padded, with
	// their header.
	PadTo = 1024
	// MaxBody is the longest body that a header can announce.
	MaxBody = 1<<16 - 1
	// MaxPayload is the longest payload that Holdfast sends, and answers: it
	// leaves room for the other items.
	MaxPayload = 32 << 10
	itemHead   = 3
)

// Tag says what an item is.
type Tag byte

// The tags.
const (
	TagDigest   Tag = 0x01 // SHA-256 of an RSA modulus in hex, see Digest
	TagSNI      Tag = 0x02 // the server's name
	TagClientIP Tag = 0x03 // 4 or 16 bytes
	TagSKI      Tag = 0x04 // see SKI
	TagServerIP Tag = 0x05 // 4 or 16 bytes
	TagCertID   Tag = 0x06 // a certificate's id
	TagOpcode   Tag = 0x11 // one byte
	TagPayload  Tag = 0x12
	TagFunction Tag = 0x13 // the name of a custom operation
	TagExtra    Tag = 0x14
	TagSpan     Tag = 0x15 // of a trace
	TagContext  Tag = 0x16 // of the request, JSON
	TagPadding  Tag = 0x20
	TagRegion   Tag = 0x17 // where the key may be used
)

// Header begins a packet.
type Header struct {
	Major, Minor byte
	Length       int // of the body, in bytes
	ID           uint32
}

// ParseHeader reads a header of HeaderSize bytes. A shorter one is ErrFormat,
// one of another major version ErrVersion, with the header as far as it is known:
// an answer needs the id.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, ErrFormat
	}
	h := Header{b[0], b[1], int(binary.BigEndian.Uint16(b[2:])), binary.BigEndian.Uint32(b[4:])}
	if h.Major != Major {
		return h, ErrVersion
	}
	return h, nil
}

// Operation is the body of a packet. A field that is nil or empty has no item.
type Operation struct {
	Opcode             Opcode
	Digest, SKI        []byte // names of the key
	ClientIP, ServerIP []byte
	CertID             []byte
	SNI                []byte
	Payload            []byte
	Function, Extra    []byte
	Span, Context      []byte
	Region             []byte
}

// item is a field with its tag.
type item struct {
	tag  Tag
	data *[]byte
}

// field returns where a tag's data go, nil for an unknown tag.
func (o *Operation) field(t Tag) *[]byte {
	switch t {
	case TagDigest:
		return &o.Digest
	case TagSNI:
		return &o.SNI
	case TagClientIP:
		return &o.ClientIP
	case TagSKI:
		return &o.SKI
	case TagServerIP:
		return &o.ServerIP
	case TagCertID:
		return &o.CertID
	case TagPayload:
		return &o.Payload
	case TagFunction:
		return &o.Function
	case TagExtra:
		return &o.Extra
	case TagSpan:
		return &o.Span
	case TagContext:
		return &o.Context
	case TagRegion:
		return &o.Region
	case TagOpcode, TagPadding: // no bytes of anybody's
	}
	return nil
}

// Parse reads a body over what the Operation had. Its fields are parts of body.
// A tag that is not known is skipped. ErrFormat tells of an item that is cut off,
// a known tag that is there twice, an opcode of another length than one, and of
// a body without an opcode.
func (o *Operation) Parse(body []byte) error {
	*o = Operation{}
	var seen [256]bool
	for len(body) > 0 {
		if len(body) < itemHead {
			return ErrFormat
		}
		tag, n := Tag(body[0]), int(binary.BigEndian.Uint16(body[1:]))
		body = body[itemHead:]
		if n > len(body) {
			return ErrFormat
		}
		data := body[:n:n]
		body = body[n:]
		field := o.field(tag)
		if tag != TagOpcode && field == nil {
			continue
		}
		if seen[tag] {
			return ErrFormat
		}
		seen[tag] = true
		if field != nil {
			*field = data
		} else if err := o.setOpcode(data); err != nil {
			return err
		}
	}
	if o.Opcode == noOpcode {
		return ErrFormat
	}
	return nil
}

func (o *Operation) setOpcode(data []byte) error {
	if len(data) != 1 || data[0] == byte(noOpcode) {
		return ErrFormat
	}
	o.Opcode = Opcode(data[0])
	return nil
}

// Size returns the length of the packet in bytes, with its header and padding.
func (o *Operation) Size() int {
	n := o.content()
	return n + paddingOf(n)
}

// paddingOf returns the length of the padding's item for a packet of n bytes.
// An item has a head at least, so that what lacks one or two bytes gets three.
func paddingOf(n int) int {
	if n >= PadTo {
		return 0
	}
	return max(PadTo-n, itemHead)
}

// content is Size without the padding.
func (o *Operation) content() int {
	n := HeaderSize + itemHead + 1
	for _, i := range o.items() {
		if len(*i.data) > 0 {
			n += itemHead + len(*i.data)
		}
	}
	return n
}

func (o *Operation) items() [12]item {
	return [...]item{
		{TagDigest, &o.Digest},
		{TagSNI, &o.SNI},
		{TagClientIP, &o.ClientIP},
		{TagSKI, &o.SKI},
		{TagServerIP, &o.ServerIP},
		{TagCertID, &o.CertID},
		{TagPayload, &o.Payload},
		{TagFunction, &o.Function},
		{TagExtra, &o.Extra},
		{TagSpan, &o.Span},
		{TagContext, &o.Context},
		{TagRegion, &o.Region},
	}
}

// zeros pads packets. Nothing writes to it.
var zeros [PadTo]byte

// Append appends the packet with an id to dst. An operation that does not fit
// into a packet (Size above HeaderSize + MaxBody) is ErrFormat.
func (o *Operation) Append(dst []byte, id uint32) ([]byte, error) {
	n := o.content()
	padding := paddingOf(n)
	if n+padding > HeaderSize+MaxBody {
		return dst, ErrFormat
	}
	dst = slices.Grow(dst, n+padding)
	dst = append(dst, Major, Minor)
	dst = binary.BigEndian.AppendUint16(dst, uint16(n+padding-HeaderSize)) //nolint:gosec // checked against MaxBody
	dst = binary.BigEndian.AppendUint32(dst, id)
	dst = append(dst, byte(TagOpcode), 0, 1, byte(o.Opcode))
	for _, i := range o.items() {
		if len(*i.data) > 0 {
			dst = appendItem(dst, i.tag, *i.data)
		}
	}
	if padding > 0 {
		dst = appendItem(dst, TagPadding, zeros[:padding-itemHead])
	}
	return dst, nil
}

func appendItem(dst []byte, t Tag, data []byte) []byte {
	dst = append(dst, byte(t))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(data))) //nolint:gosec // a part of what is below MaxBody
	return append(dst, data...)
}
