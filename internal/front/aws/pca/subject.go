package pca

import (
	"github.com/holdfast-kms/holdfast/internal/front/aws"
)

// subject is an ASN1Subject: the standard attributes, or custom ones.
type subject struct {
	country, organization, unit, qualifier, state, commonName, serial, locality  string
	title, surname, givenName, initials, pseudonym, generation                  string
	custom                                                                       []customAttribute
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
