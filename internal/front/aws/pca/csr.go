package pca

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/name"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// csrExtensions are the extensions that an authority asks for in its request.
type csrExtensions struct {
	keyUsage *keyUsage
	access   []accessDescription
}

// Members declares the structure.
func (e *csrExtensions) Members(m *aws.Members) {
	aws.Struct(m, "KeyUsage", &e.keyUsage)
	aws.Structs(m, "SubjectInformationAccess", &e.access, maxExtensions)
}

// accessDescription is a row of a subject information access (RFC 5280
// section 4.2.2.2).
type accessDescription struct {
	method   *accessMethod
	location *generalName
}

// Members declares the structure.
func (d *accessDescription) Members(m *aws.Members) {
	aws.Struct(m, "AccessMethod", &d.method).Required()
	aws.Struct(m, "AccessLocation", &d.location).Required()
}

// accessMethod is a kind of access, by its name or its object identifier.
type accessMethod struct{ oid, kind string }

// Members declares the structure.
func (a *accessMethod) Members(m *aws.Members) {
	m.Text("CustomObjectIdentifier", &a.oid, 0, maxOID).Matching(oidPattern)
	m.Enum("AccessMethodType", &a.kind, accessMethods)
}

// methodIDs are the object identifiers of accessMethods (RFC 5280 section
// 4.2.2.2, RFC 6487 section 4.8.8.1, RFC 8182 section 3.2).
var methodIDs = map[string]asn1.ObjectIdentifier{
	"CA_REPOSITORY":         {1, 3, 6, 1, 5, 5, 7, 48, 5},
	"RESOURCE_PKI_MANIFEST": {1, 3, 6, 1, 5, 5, 7, 48, 10},
	"RESOURCE_PKI_NOTIFY":   {1, 3, 6, 1, 5, 5, 7, 48, 13},
}

func (a *accessMethod) id() (asn1.ObjectIdentifier, error) {
	switch {
	case (a.kind == "") == (a.oid == ""):
		return nil, invalidArgs("An access method has a type or an object identifier: exactly one of the two.")
	case a.kind != "":
		return methodIDs[a.kind], nil
	}
	return objectID(a.oid)
}

// Extensions that an authority's request has.
var (
	oidKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSubjectAccess = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 11}
)

// requested returns the extensions as the core has them.
func (e *csrExtensions) requested() (ca.Requested, error) {
	var out ca.Requested
	if e.keyUsage != nil {
		out.KeyUsage = e.keyUsage.x509()
	}
	if len(e.access) == 0 {
		return out, nil
	}
	var b cryptobyte.Builder
	var failed error
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for i := range e.access {
			if err := e.access[i].put(b); err != nil {
				failed = err
			}
		}
	})
	value, err := b.Bytes()
	if failed != nil || err != nil {
		return out, failed
	}
	out.Extensions = []pkix.Extension{{Id: oidSubjectAccess, Value: value}}
	return out, nil
}

// put adds the description in DER.
func (d *accessDescription) put(b *cryptobyte.Builder) error {
	id, err := d.method.id()
	if err != nil {
		return err
	}
	var one name.Names
	if err := d.location.put(&one); err != nil {
		return err
	}
	if one, err = one.Normal(); err != nil {
		return err
	}
	der, err := one.DER()
	if err != nil {
		return err
	}
	input, location := cryptobyte.String(der), cryptobyte.String{}
	if !input.ReadASN1(&location, cbasn1.SEQUENCE) { // its one element is the GeneralName
		return invalidArgs("An access location cannot be encoded.")
	}
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(id)
		b.AddBytes(location)
	})
	return nil
}

// writeCSRExtensions adds a CsrExtensions, unless the request asks for none
// that AWS has a member for.
func writeCSRExtensions(out *wire.Encoder, asked []pkix.Extension) {
	var usage *keyUsage
	var access []access
	for _, e := range asked {
		switch {
		case e.Id.Equal(oidKeyUsage):
			usage = readKeyUsage(e.Value)
		case e.Id.Equal(oidSubjectAccess):
			access = readAccess(e.Value)
		}
	}
	if usage == nil && access == nil {
		return
	}
	out.Object("CsrExtensions", func() {
		if usage != nil {
			out.Object("KeyUsage", func() { writeKeyUsage(out, usage) })
		}
		if access != nil {
			out.Array("SubjectInformationAccess", func() {
				for i := range access {
					out.Object("", func() { access[i].write(out) })
				}
			})
		}
	})
}

// readKeyUsage returns the key usage of an extension, nil if it is none.
func readKeyUsage(der []byte) *keyUsage {
	var bits asn1.BitString
	if rest, err := asn1.Unmarshal(der, &bits); err != nil || len(rest) > 0 {
		return nil
	}
	var usage x509.KeyUsage
	for i := range 9 {
		if bits.At(i) != 0 {
			usage |= 1 << i
		}
	}
	return keyUsageOf(usage)
}

func writeKeyUsage(out *wire.Encoder, k *keyUsage) {
	for _, b := range k.bits() {
		out.Bool(b.name, *b.set)
	}
}

// access is a row of a subject information access as a request has it.
type access struct {
	method   asn1.ObjectIdentifier
	location name.Names // one
}

// readAccess returns the rows of a subject information access, nil if it is
// none.
func readAccess(der []byte) []access {
	input, list := cryptobyte.String(der), cryptobyte.String{}
	if !input.ReadASN1(&list, cbasn1.SEQUENCE) || !input.Empty() {
		return nil
	}
	var out []access
	for !list.Empty() {
		var row cryptobyte.String
		var a access
		if !list.ReadASN1(&row, cbasn1.SEQUENCE) || !row.ReadASN1ObjectIdentifier(&a.method) {
			return nil
		}
		var b cryptobyte.Builder
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(row) })
		names, err := b.Bytes()
		if err != nil {
			return nil
		}
		if a.location, err = name.Parse(names); err != nil {
			return nil
		}
		out = append(out, a)
	}
	return out
}

// write adds the members of an AccessDescription.
func (a *access) write(out *wire.Encoder) {
	out.Object("AccessMethod", func() {
		for _, kind := range accessMethods {
			if methodIDs[kind].Equal(a.method) {
				out.Text("AccessMethodType", kind)
				return
			}
		}
		out.Text("CustomObjectIdentifier", a.method.String())
	})
	out.Object("AccessLocation", func() { writeGeneralName(out, &a.location) })
}
