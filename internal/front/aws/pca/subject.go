package pca

import (
	"encoding/asn1"
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/name"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// subject is an ASN1Subject: the standard attributes, or custom ones.
type subject struct {
	country, organization, unit, qualifier, state, commonName, serial, locality string
	title, surname, givenName, initials, pseudonym, generation                  string
	custom                                                                      []customAttribute
}

// Members declares the structure.
func (s *subject) Members(m *aws.Members) {
	m.Text("Country", &s.country, 2, 2).Matching(countryPattern)
	m.Text("Organization", &s.organization, 0, 64)
	m.Text("OrganizationalUnit", &s.unit, 0, 64)
	m.Text("DistinguishedNameQualifier", &s.qualifier, 0, 64).Matching(printablePattern)
	m.Text("State", &s.state, 0, 128)
	m.Text("CommonName", &s.commonName, 0, 64)
	m.Text("SerialNumber", &s.serial, 0, 64).Matching(printablePattern)
	m.Text("Locality", &s.locality, 0, 128)
	m.Text("Title", &s.title, 0, 64)
	m.Text("Surname", &s.surname, 0, 40)
	m.Text("GivenName", &s.givenName, 0, 16)
	m.Text("Initials", &s.initials, 0, 5)
	m.Text("Pseudonym", &s.pseudonym, 0, 128)
	m.Text("GenerationQualifier", &s.generation, 0, 3)
	aws.Structs(m, "CustomAttributes", &s.custom, maxExtensions).AtLeast(1)
}

// customAttribute is an attribute of a subject by its object identifier.
type customAttribute struct{ oid, value string }

// Members declares the structure.
func (a *customAttribute) Members(m *aws.Members) {
	m.Text("ObjectIdentifier", &a.oid, 0, maxOID).Matching(oidPattern).Required()
	m.Text("Value", &a.value, 1, 256).Required()
}

// attribute pairs a member of an ASN1Subject with its object identifier (AWS
// Private CA API Reference, ASN1Subject; RFC 5280 section 4.1.2.4).
type attribute struct {
	member string
	oid    asn1.ObjectIdentifier
	value  *string
}

func (s *subject) attributes() []attribute {
	return []attribute{
		{"Country", asn1.ObjectIdentifier{2, 5, 4, 6}, &s.country},
		{"Organization", asn1.ObjectIdentifier{2, 5, 4, 10}, &s.organization},
		{"OrganizationalUnit", asn1.ObjectIdentifier{2, 5, 4, 11}, &s.unit},
		{"DistinguishedNameQualifier", asn1.ObjectIdentifier{2, 5, 4, 46}, &s.qualifier},
		{"State", asn1.ObjectIdentifier{2, 5, 4, 8}, &s.state},
		{"CommonName", asn1.ObjectIdentifier{2, 5, 4, 3}, &s.commonName},
		{"SerialNumber", asn1.ObjectIdentifier{2, 5, 4, 5}, &s.serial},
		{"Locality", asn1.ObjectIdentifier{2, 5, 4, 7}, &s.locality},
		{"Title", asn1.ObjectIdentifier{2, 5, 4, 12}, &s.title},
		{"Surname", asn1.ObjectIdentifier{2, 5, 4, 4}, &s.surname},
		{"GivenName", asn1.ObjectIdentifier{2, 5, 4, 42}, &s.givenName},
		{"Initials", asn1.ObjectIdentifier{2, 5, 4, 43}, &s.initials},
		{"Pseudonym", asn1.ObjectIdentifier{2, 5, 4, 65}, &s.pseudonym},
		{"GenerationQualifier", asn1.ObjectIdentifier{2, 5, 4, 44}, &s.generation},
	}
}

// name returns the subject as the core has it. Custom attributes do not go
// together with standard ones (AWS Private CA API Reference, ASN1Subject).
func (s *subject) name() (name.Subject, error) {
	var out name.Subject
	for _, a := range s.attributes() {
		if *a.value == "" {
			continue
		}
		if len(s.custom) > 0 {
			return out, invalidArgs("A subject has standard attributes or custom attributes, not both.")
		}
		out.Set(a.oid, *a.value)
	}
	out.Country = strings.ToUpper(out.Country) // ISO 3166; AWS takes either case
	for _, c := range s.custom {
		oid, err := objectID(c.oid)
		if err != nil {
			return out, err
		}
		if name.Standard(oid) && !slices.ContainsFunc(out.Attributes(), func(a name.Attribute) bool { return a.OID.Equal(oid) }) {
			out.Set(oid, c.value)
			continue
		}
		out.Custom = append(out.Custom, name.Attribute{OID: oid, Value: c.value})
	}
	return out, nil
}

// writeSubject adds the members of an ASN1Subject: custom attributes as soon
// as there is one that the standard ones cannot tell.
func writeSubject(out *wire.Encoder, n *name.Subject) {
	var s subject
	var list []name.Attribute
	custom := false
	for _, a := range n.Attributes() {
		list = append(list, a)
		custom = custom || !s.set(a)
	}
	if !custom {
		for _, a := range s.attributes() {
			if *a.value != "" {
				out.Text(a.member, *a.value)
			}
		}
		return
	}
	out.Array("CustomAttributes", func() {
		for _, a := range list {
			out.Object("", func() {
				out.Text("ObjectIdentifier", a.OID.String())
				out.Text("Value", a.Value)
			})
		}
	})
}

// set gives a standard attribute its value, and reports whether it could.
func (s *subject) set(n name.Attribute) bool {
	for _, a := range s.attributes() {
		if a.oid.Equal(n.OID) && *a.value == "" {
			*a.value = n.Value
			return true
		}
	}
	return false
}
