package terminal

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
)

// SubjectFlags adds the flags of a distinguished name.
func SubjectFlags(cmd *cobra.Command, s *client.Subject) {
	flags := cmd.Flags()
	flags.StringVar(&s.CommonName, "cn", "", "the subject's common name")
	flags.StringVar(&s.Organization, "org", "", "the subject's organization")
	flags.StringVar(&s.OrganizationalUnit, "unit", "", "the subject's organizational unit")
	flags.StringVar(&s.Country, "country", "", "the subject's country, two letters")
	flags.StringVar(&s.Province, "province", "", "the subject's state or province")
	flags.StringVar(&s.Locality, "locality", "", "the subject's locality")
	flags.Var(&attributes{s}, "attribute", "another attribute of the subject, NAME=VALUE: "+strings.Join(attributeNames(), ", ")+", or an object identifier (repeatable)")
}

// attributeNames are the attributes of a subject that have a name and no flag
// of their own.
func attributeNames() []string {
	return []string{
		"serial-number", "title", "surname", "given-name", "initials", "pseudonym", "generation-qualifier", "dn-qualifier",
	}
}

// attributes is the value of --attribute.
type attributes struct{ subject *client.Subject }

// field returns where the attribute of a name goes, nil for an object
// identifier.
func (a *attributes) field(name string) *string {
	s := a.subject
	return map[string]*string{
		"serial-number": &s.SerialNumber, "title": &s.Title, "surname": &s.Surname, "given-name": &s.GivenName,
		"initials": &s.Initials, "pseudonym": &s.Pseudonym, "generation-qualifier": &s.GenerationQualifier,
		"dn-qualifier": &s.DistinguishedNameQualifier,
	}[name]
}

// Set takes one attribute.
func (a *attributes) Set(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" || value == "" {
		return errors.New("it is not NAME=VALUE")
	}
	if field := a.field(name); field != nil {
		*field = value
		return nil
	}
	if strings.Trim(name, "0123456789.") != "" {
		return fmt.Errorf("%q is none of %s, and no object identifier", name, strings.Join(attributeNames(), ", "))
	}
	a.subject.Custom = append(a.subject.Custom, client.Attribute{OID: name, Value: value})
	return nil
}

// String is for the help, which has no default to show.
func (a *attributes) String() string { return "" }

// Type is for the help.
func (a *attributes) Type() string { return "NAME=VALUE" }
