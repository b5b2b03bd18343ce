// Package name is about the names that certificates hold: the distinguished
// name of a subject (RFC 5280 section 4.1.2.6) and the subject alternative
// names (section 4.2.1.6). It reads them from DER, says which texts may stand
// in them, and writes them as DER and as text. It knows names that crypto/x509
// passes over: every attribute of X.520, other names such as UPNs, directory
// names and registered ids.
//
// Start with Subject and Names. What a kind of certificate may hold of all
// this is package profile's affair.
//
// The package is internal and may change with any release.
package name

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Attribute is one attribute of a distinguished name.
type Attribute struct {
	OID   asn1.ObjectIdentifier
	Value string
}

// Subject is a distinguished name. Of the attributes with a field it has one
// value each; an empty field leaves its attribute out.
type Subject struct {
	CommonName, Organization, OrganizationalUnit, Country, Province, Locality string
	SerialNumber, Title, Surname, GivenName, Initials, Pseudonym              string
	GenerationQualifier, DistinguishedNameQualifier                           string
	// Custom are the other attributes, and further values of those with a
	// field. Domain components come first in the name that is made of them.
	Custom []Attribute
}

// text is how an attribute's value is encoded.
type text uint8

const (
	directory text = iota // PrintableString where it will do, else UTF8String
	printable             // PrintableString only
	ia5                   // IA5String only
)

// kind is a row of the table of attributes that have a name.
type kind struct {
	// name is X.520's word, by which profiles call the attribute; short is what
	// RFC 4514 and OpenSSL write.
	name, short string
	oid         asn1.ObjectIdentifier
	limit       int // characters, RFC 5280 appendix A.1
	text        text
	field       func(*Subject) *string // nil for those among Custom
	many        bool                   // may occur more than once
}

// kinds are the known attributes in the order in which a name has them.
var kinds = [...]kind{
	{"domainComponent", "DC", asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, 63, ia5, nil, true},
	{"country", "C", asn1.ObjectIdentifier{2, 5, 4, 6}, 2, printable, func(s *Subject) *string { return &s.Country }, false},
	{"organization", "O", asn1.ObjectIdentifier{2, 5, 4, 10}, 64, directory, func(s *Subject) *string { return &s.Organization }, false},
	{"organizationalUnit", "OU", asn1.ObjectIdentifier{2, 5, 4, 11}, 64, directory, func(s *Subject) *string { return &s.OrganizationalUnit }, true},
	{"locality", "L", asn1.ObjectIdentifier{2, 5, 4, 7}, 128, directory, func(s *Subject) *string { return &s.Locality }, false},
	{"province", "ST", asn1.ObjectIdentifier{2, 5, 4, 8}, 128, directory, func(s *Subject) *string { return &s.Province }, false},
	{"commonName", "CN", asn1.ObjectIdentifier{2, 5, 4, 3}, 64, directory, func(s *Subject) *string { return &s.CommonName }, false},
	{"serialNumber", "SERIALNUMBER", asn1.ObjectIdentifier{2, 5, 4, 5}, 64, printable, func(s *Subject) *string { return &s.SerialNumber }, false},
	{"title", "title", asn1.ObjectIdentifier{2, 5, 4, 12}, 64, directory, func(s *Subject) *string { return &s.Title }, false},
	{"surname", "SN", asn1.ObjectIdentifier{2, 5, 4, 4}, 64, directory, func(s *Subject) *string { return &s.Surname }, false},
	{"givenName", "GN", asn1.ObjectIdentifier{2, 5, 4, 42}, 64, directory, func(s *Subject) *string { return &s.GivenName }, false},
	{"initials", "initials", asn1.ObjectIdentifier{2, 5, 4, 43}, 64, directory, func(s *Subject) *string { return &s.Initials }, false},
	{"pseudonym", "pseudonym", asn1.ObjectIdentifier{2, 5, 4, 65}, 128, directory, func(s *Subject) *string { return &s.Pseudonym }, false},
	{"generationQualifier", "generationQualifier", asn1.ObjectIdentifier{2, 5, 4, 44}, 64, directory, func(s *Subject) *string { return &s.GenerationQualifier }, false},
	{"dnQualifier", "dnQualifier", asn1.ObjectIdentifier{2, 5, 4, 46}, 64, printable, func(s *Subject) *string { return &s.DistinguishedNameQualifier }, false},
	{"userId", "UID", asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, 256, directory, nil, false},
	{"emailAddress", "emailAddress", asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, 255, ia5, nil, false},
	{"street", "street", asn1.ObjectIdentifier{2, 5, 4, 9}, 128, directory, nil, true},
	{"postalCode", "postalCode", asn1.ObjectIdentifier{2, 5, 4, 17}, 40, directory, nil, false},
	{"businessCategory", "businessCategory", asn1.ObjectIdentifier{2, 5, 4, 15}, 128, directory, nil, false},
	{"organizationIdentifier", "organizationIdentifier", asn1.ObjectIdentifier{2, 5, 4, 97}, 256, directory, nil, false},
}

// EmailAddress is the name of the attribute with a mailbox in it, which is
// no subject alternative name.
const EmailAddress = "emailAddress"

// Limits of subjects.
const (
	// MaxAttributes is how many attributes a subject may have.
	MaxAttributes = 32
	maxCustom     = 256 // characters of an attribute that is not in the table
)

// kindOf returns the attribute's row of the table, nil for another one.
func kindOf(oid asn1.ObjectIdentifier) *kind {
	for i := range kinds {
		if kinds[i].oid.Equal(oid) {
			return &kinds[i]
		}
	}
	return nil
}

// AttributeName returns X.520's word for an attribute, such as "commonName",
// or its object identifier in text where there is none here.
func AttributeName(oid asn1.ObjectIdentifier) string {
	if k := kindOf(oid); k != nil {
		return k.name
	}
	return oid.String()
}

// ParseAttribute is AttributeName the other way round: it returns the object
// identifier of a word or of an object identifier in text, and whether it is
// one of the attributes that a Subject has a field for.
func ParseAttribute(word string) (oid asn1.ObjectIdentifier, field, ok bool) {
	for i := range kinds {
		if kinds[i].name == word {
			return kinds[i].oid, kinds[i].field != nil, true
		}
	}
	oid, ok = ParseOID(word)
	if k := kindOf(oid); ok && k != nil {
		return oid, k.field != nil, true
	}
	return oid, false, ok
}

// Standard reports whether a Subject has a field for the attribute.
func Standard(oid asn1.ObjectIdentifier) bool {
	k := kindOf(oid)
	return k != nil && k.field != nil
}

// IsZero reports whether the name is empty.
func (s *Subject) IsZero() bool {
	if len(s.Custom) > 0 {
		return false
	}
	for i := range kinds {
		if f := kinds[i].field; f != nil && *f(s) != "" {
			return false
		}
	}
	return true
}

// Clone returns a copy that shares nothing with s.
func (s *Subject) Clone() Subject {
	out := *s
	out.Custom = slices.Clone(s.Custom)
	return out
}

// Set gives an attribute a value in place of all that it has; "" removes it.
func (s *Subject) Set(oid asn1.ObjectIdentifier, value string) {
	s.Custom = slices.DeleteFunc(slices.Clone(s.Custom), func(a Attribute) bool { return a.OID.Equal(oid) })
	if k := kindOf(oid); k != nil && k.field != nil {
		*k.field(s) = value
	} else if value != "" {
		s.Custom = append(s.Custom, Attribute{oid, value})
	}
}

// Attributes returns the attributes in the order in which the name has them.
func (s *Subject) Attributes() []Attribute {
	list := make([]Attribute, 0, 4+len(s.Custom))
	for i := range kinds {
		if k := &kinds[i]; k.field != nil && *k.field(s) != "" {
			list = append(list, Attribute{k.oid, *k.field(s)})
		}
	}
	if len(s.Custom) > 0 {
		list = append(list, s.Custom...)
		slices.SortStableFunc(list, func(a, b Attribute) int { return rank(a.OID) - rank(b.OID) })
	}
	return list
}

// rank returns an attribute's place in a name. Those without a field are last,
// in the order in which they are given, but for domain components.
func rank(oid asn1.ObjectIdentifier) int {
	for i := range kinds {
		if kinds[i].oid.Equal(oid) && (kinds[i].field != nil || kinds[i].short == "DC") {
			return i
		}
	}
	return len(kinds)
}

// String returns the name as RFC 4514 writes it, last attribute first.
func (s Subject) String() string {
	var b strings.Builder
	for i, a := range slices.Backward(s.Attributes()) {
		short := a.OID.String()
		if k := kindOf(a.OID); k != nil {
			short = k.short
		}
		b.WriteString(short)
		b.WriteByte('=')
		escape(&b, a.Value)
		if i > 0 {
			b.WriteByte(',')
		}
	}
	return b.String()
}

// escape writes a value as RFC 4514 section 2.4 does.
func escape(b *strings.Builder, value string) {
	for i, r := range value {
		edge := i == 0 && (r == ' ' || r == '#') || i == len(value)-1 && r == ' '
		if edge || strings.ContainsRune(`,+"\<>;`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
}

// Name returns the name in the shape that crypto/x509 takes.
func (s Subject) Name() pkix.Name {
	var n pkix.Name
	for _, a := range s.Attributes() {
		value := any(a.Value)
		if k := kindOf(a.OID); k != nil && k.text == ia5 {
			value = asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(a.Value)}
		}
		n.ExtraNames = append(n.ExtraNames, pkix.AttributeTypeAndValue{Type: a.OID, Value: value})
	}
	n.CommonName, n.SerialNumber = s.CommonName, s.SerialNumber
	for field, value := range map[*[]string]string{
		&n.Country: s.Country, &n.Organization: s.Organization, &n.OrganizationalUnit: s.OrganizationalUnit,
		&n.Locality: s.Locality, &n.Province: s.Province,
	} {
		if value != "" {
			*field = []string{value}
		}
	}
	return n
}

// DER returns the name as an RDNSequence.
func (s *Subject) DER() ([]byte, error) {
	var b cryptobyte.Builder
	s.put(&b)
	return b.Bytes()
}

func (s *Subject) put(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, a := range s.Attributes() {
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(a.OID)
					b.AddASN1(a.tag(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(a.Value)) })
				})
			})
		}
	})
}

// tag returns the string type of the attribute's value (RFC 5280 section
// 4.1.2.4 and appendix A.1).
func (a *Attribute) tag() cbasn1.Tag {
	if k := kindOf(a.OID); k != nil && k.text == ia5 {
		return cbasn1.IA5String
	}
	if isPrintable(a.Value) {
		return cbasn1.PrintableString
	}
	return cbasn1.UTF8String
}

// isPrintable reports whether a PrintableString can hold the text (X.680
// section 41.4).
func isPrintable(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte(" '()+,-./:=?", c) < 0 {
			return false
		}
	}
	return true
}

// ParseSubject reads a distinguished name in DER. It takes every attribute
// that is text; Check says which of them a certificate may have. An error has
// no kind of fault's: who asks knows whose fault it is.
func ParseSubject(der []byte) (Subject, error) {
	var rdns pkix.RDNSequence
	rest, err := asn1.Unmarshal(der, &rdns)
	if err != nil || len(rest) > 0 {
		return Subject{}, errName
	}
	var s Subject
	for _, rdn := range rdns {
		for _, got := range rdn {
			value, ok := got.Value.(string)
			if !ok {
				return Subject{}, errName
			}
			if k := kindOf(got.Type); k != nil && k.field != nil && *k.field(&s) == "" {
				*k.field(&s) = value
				continue
			}
			s.Custom = append(s.Custom, Attribute{got.Type, value})
		}
	}
	return s, nil
}

// Check refuses what no certificate's subject should hold (InvalidArgument):
// values that are too long, that cannot be printed or look like others, and
// attributes that occur twice and must not.
func (s *Subject) Check() error {
	list := s.Attributes()
	if len(list) > MaxAttributes {
		return fault.New(fault.LimitExceeded, "a subject has at most %d attributes", MaxAttributes)
	}
	for i := range list {
		a := &list[i]
		k := kindOf(a.OID)
		if (k == nil || !k.many) && slices.ContainsFunc(list[:i], func(b Attribute) bool { return b.OID.Equal(a.OID) }) {
			return fault.New(fault.InvalidArgument, "the subject has more than one %s", AttributeName(a.OID))
		}
		if err := a.check(k); err != nil {
			return err
		}
	}
	if c := s.Country; c != "" && (len(c) != 2 || strings.Trim(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
		return fault.New(fault.InvalidArgument, "the subject's country is not two capital letters (ISO 3166)")
	}
	return nil
}

func (a *Attribute) check(k *kind) error {
	word, limit, text := a.OID.String(), maxCustom, directory
	if k != nil {
		word, limit, text = k.name, k.limit, k.text
	}
	bad := func(why string) error {
		return fault.New(fault.InvalidArgument, "the subject's %s has %s", word, why)
	}
	switch {
	case len(a.OID) < 2:
		return fault.New(fault.InvalidArgument, "the subject has an attribute without a type")
	case a.Value == "":
		return fault.New(fault.InvalidArgument, "the subject's %s is empty", word)
	case utf8.RuneCountInString(a.Value) > limit:
		return fault.New(fault.InvalidArgument, "the subject's %s is longer than %d characters", word, limit)
	case !utf8.ValidString(a.Value) || strings.ContainsFunc(a.Value, unprintable):
		return bad("characters that cannot be printed")
	case text == printable && !isPrintable(a.Value), text == ia5 && !isASCII(a.Value):
		return bad("characters that it cannot have")
	}
	if word, ok := mixedScripts(a.Value); !ok {
		return bad("a word of letters of several scripts, which looks like another one: " + word)
	}
	return nil
}
