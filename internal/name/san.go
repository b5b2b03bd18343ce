package name

import (
	"encoding/asn1"
	"errors"
	"net/netip"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// oidUPN is Microsoft's szOID_NT_PRINCIPAL_NAME.
var oidUPN = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}

// Tags of a GeneralName (RFC 5280 section 4.2.1.6).
const (
	tagOther        = cbasn1.Tag(0xa0)
	tagEmail        = cbasn1.Tag(0x81)
	tagDNS          = cbasn1.Tag(0x82)
	tagDirectory    = cbasn1.Tag(0xa4)
	tagURI          = cbasn1.Tag(0x86)
	tagIP           = cbasn1.Tag(0x87)
	tagRegisteredID = cbasn1.Tag(0x88)
)

// Errors of Parse. They have no kind of fault's: who asks knows whose fault it is.
var (
	// ErrTooMany is returned for more than Max names.
	ErrTooMany = errors.New("too many names")
	// ErrKind is returned for kinds of names that Names does not have: X.400
	// addresses and EDI party names, which nobody uses.
	ErrKind = errors.New("a name of a kind that is not supported")

	errSAN = errors.New("not subject alternative names")
)

// Parse reads the value of a subject alternative name extension. It checks
// the encoding and the number; Normal checks the names.
func Parse(der []byte) (Names, error) {
	input := cryptobyte.String(der)
	var list cryptobyte.String
	if !input.ReadASN1(&list, cbasn1.SEQUENCE) || !input.Empty() {
		return Names{}, errSAN
	}
	var n Names
	for count := 0; !list.Empty(); count++ {
		var value cryptobyte.String
		var tag cbasn1.Tag
		if !list.ReadAnyASN1(&value, &tag) {
			return Names{}, errSAN
		}
		if count >= Max {
			return Names{}, ErrTooMany
		}
		if err := n.add(tag, value); err != nil {
			return Names{}, err
		}
	}
	return n, nil
}

func (n *Names) add(tag cbasn1.Tag, value cryptobyte.String) error {
	switch tag {
	case tagDNS:
		return addText(&n.DNS, value)
	case tagEmail:
		return addText(&n.Emails, value)
	case tagURI:
		return addText(&n.URIs, value)
	case tagIP:
		ip, ok := netip.AddrFromSlice(value)
		if !ok {
			return errSAN
		}
		n.IPs = append(n.IPs, ip)
	case tagOther:
		return n.addOther(value)
	case tagDirectory:
		s, err := ParseSubject(value)
		if err != nil {
			return err
		}
		n.Directory = append(n.Directory, s)
	case tagRegisteredID:
		// The tag is implicit: put the universal one back to read it.
		var whole cryptobyte.Builder
		whole.AddASN1(cbasn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(value) })
		element := cryptobyte.String(whole.BytesOrPanic())
		var oid asn1.ObjectIdentifier
		if !element.ReadASN1ObjectIdentifier(&oid) {
			return errSAN
		}
		n.RegisteredIDs = append(n.RegisteredIDs, oid)
	default:
		return ErrKind
	}
	return nil
}

// addText adds an IA5String.
func addText(list *[]string, value []byte) error {
	if s := string(value); isASCII(s) {
		*list = append(*list, s)
		return nil
	}
	return errSAN
}

// addOther adds an OtherName: its type, and its value in an explicit tag.
func (n *Names) addOther(value cryptobyte.String) error {
	var o OtherName
	var wrapped, inner cryptobyte.String
	var tag cbasn1.Tag
	if !value.ReadASN1ObjectIdentifier(&o.OID) || !value.ReadASN1(&wrapped, cbasn1.Tag(0).ContextSpecific().Constructed()) || !value.Empty() {
		return errSAN
	}
	whole := []byte(wrapped)
	if !wrapped.ReadAnyASN1(&inner, &tag) || !wrapped.Empty() {
		return errSAN
	}
	switch {
	case tag != cbasn1.UTF8String || len(inner) == 0:
		o.DER = whole
	case !utf8.Valid(inner):
		return errSAN
	default:
		o.Value = string(inner)
	}
	if !o.OID.Equal(oidUPN) {
		n.Others = append(n.Others, o)
		return nil
	}
	if o.DER != nil {
		return errSAN
	}
	n.UPNs = append(n.UPNs, o.Value)
	return nil
}

// DER returns the value of the subject alternative name extension.
func (n *Names) DER() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		put := func(tag cbasn1.Tag, value []byte) {
			b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(value) })
		}
		for _, s := range n.DNS {
			put(tagDNS, []byte(s))
		}
		for _, ip := range n.IPs {
			put(tagIP, ip.AsSlice())
		}
		for _, s := range n.URIs {
			put(tagURI, []byte(s))
		}
		for _, s := range n.Emails {
			put(tagEmail, []byte(s))
		}
		n.putRare(b)
	})
	return b.Bytes()
}

func (n *Names) putRare(b *cryptobyte.Builder) {
	for _, s := range n.UPNs {
		putOther(b, OtherName{OID: oidUPN, Value: s})
	}
	for _, o := range n.Others {
		putOther(b, o)
	}
	for _, s := range n.Directory {
		b.AddASN1(tagDirectory, s.put)
	}
	for _, id := range n.RegisteredIDs {
		// An object identifier under an implicit tag is its contents.
		var whole cryptobyte.Builder
		whole.AddASN1ObjectIdentifier(id)
		der, err := whole.Bytes()
		if err != nil {
			b.SetError(err)
			return
		}
		element, contents := cryptobyte.String(der), cryptobyte.String(nil)
		element.ReadASN1(&contents, cbasn1.OBJECT_IDENTIFIER)
		b.AddASN1(tagRegisteredID, func(b *cryptobyte.Builder) { b.AddBytes(contents) })
	}
}

func putOther(b *cryptobyte.Builder, o OtherName) {
	b.AddASN1(tagOther, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(o.OID)
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			if o.DER != nil {
				b.AddBytes(o.DER)
				return
			}
			b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(o.Value)) })
		})
	})
}
