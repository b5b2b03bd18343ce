// Package profile says what a certificate may hold: the kinds of certificates
// that there are, with their usages, names, keys, lives and extensions; who
// may have one; what a certificate request (PKCS #10) may ask for; and how all
// this becomes the template of a certificate. It is values and rules alone: it
// knows no authority, no store and no door. Package ca puts them to use.
//
// Start with Profile: Builtin has the ones that everybody has, package
// document reads others, Profile.Draft makes a template of it. subject.go and
// names.go have the rules for names, csr.go those for requests, life.go those
// for the time of validity, extensions.go what goes into the extensions and in
// which order of precedence, expression.go the rules in CEL.
//
// The package is internal and may change with any release. What the built-in
// profiles give stays as it is within v1.
package profile

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/name"
	"github.com/holdfast-kms/holdfast/internal/renewal"
)

// What the certificates of a profile are for.
type (
	// Subject is a distinguished name.
	Subject = name.Subject
	// Attribute is one attribute of a Subject.
	Attribute = name.Attribute
	// Names are subject alternative names.
	Names = name.Names
	// OtherName is a name of a kind that an object identifier names.
	OtherName = name.OtherName
	// NameKind is a set of kinds of subject alternative names.
	NameKind = name.Kind
)

// The kinds of names.
const (
	DNSName           = name.DNS
	IPAddress         = name.IP
	URIName           = name.URI
	EmailAddress      = name.Email
	UserPrincipalName = name.UPN
	OtherNames        = name.Other
	DirectoryName     = name.Directory
	RegisteredID      = name.RegisteredID
	AnyName           = name.AnyKind
)

// MaxNames is how many subject alternative names a certificate has at the
// most under a profile that says nothing else. No profile says more than name.Max.
const MaxNames = 100

// Authority is the name of the profile under which the certificates of
// authorities themselves are listed. It is none of the built-in ones: package
// ca issues under it when it makes an authority, and at no other time.
const Authority = "authority"

// NoPathLimit is the path length of an authority that may have any number of
// authorities below it.
const NoPathLimit = -1

// Profile says what certificates of one kind are like. A profile that was not
// returned by Builtin or read from a document is to be compiled before it is used. It is not
// changed after that.
type Profile struct {
	Name, Description string

	// CA makes certificates of authorities. PathLen is how many authorities may
	// stand below one (RFC 5280 section 4.2.1.9), or NoPathLimit. SelfSigned
	// makes a root's: an authority's certificate for its own key.
	CA         bool
	PathLen    int
	SelfSigned bool
	// Usage is the key usage of every key; RSAUsage and ECUsage are what RSA
	// keys and keys of the NIST curves have beside it. None at all leaves the
	// extension out.
	Usage, RSAUsage, ECUsage x509.KeyUsage
	// Extended and ExtendedOIDs are the extended key usages. None at all leaves
	// the extension out.
	Extended     []x509.ExtKeyUsage
	ExtendedOIDs []asn1.ObjectIdentifier
	// PlainBasicConstraints makes the basic constraints not critical,
	// CriticalExtended the extended key usage critical.
	PlainBasicConstraints, CriticalExtended bool

	Sources Sources
	Subject SubjectRules
	// Names are the kinds of names that a certificate may have. NameRequired
	// wants at least one, and a common name that looks like a host, an address
	// or a mailbox to be one of the names: some programs still read it.
	Names        NameKind
	NameRequired bool
	// MaxNames is how many names there may be, 0 for the usual number.
	MaxNames int
	// Wildcards allows DNS names with a wildcard.
	Wildcards bool
	// DNS, IPs, URIs, Emails, UPNs and Others narrow the kinds of names.
	DNS          DNSRules
	IPs          IPRules
	URIs         URIRules
	Emails, UPNs DomainRules
	Others       OtherRules

	// Default is the validity when none is asked for, Maximum the longest; a
	// zero Maximum is no limit but the issuer's own end.
	Default, Maximum Validity
	// FixedValidity refuses to be asked for another than the default one.
	FixedValidity bool
	// Backdate is how far before the time of issue a certificate begins to be
	// valid, for clients whose clocks are behind.
	Backdate time.Duration
	// AskStart lets a request say when its certificate begins to be valid.
	AskStart bool
	// CutAsked cuts also a validity that was asked for to the issuer's end,
	// where other profiles refuse it.
	CutAsked bool

	Keys KeyRules
	// Exportable lets the private key of a key that is made for a certificate
	// leave, once it is asked for.
	Exportable bool
	// Renewal is when managed certificates are renewed that have no rule of their
	// own; nil for the usual one.
	Renewal *renewal.Rule

	Policies    []PolicyInformation
	Constraints *NameConstraints
	// Extra are extensions that every certificate has, as they are.
	Extra []pkix.Extension
	// Passthrough lets requests add extensions that the profile does not define.
	Passthrough Passthrough
	// Lenient passes over what a CSR asks for and does not get, and over key
	// usages that a key of its kind cannot have, where other profiles refuse the
	// request.
	Lenient bool

	// Rules are expressions that have to be true of a request.
	Rules []Rule
	// Callers are patterns of key.Principal.String ("realm:kind:name"), of which
	// the caller's has to match one. "*" stands for any text. None lets all in
	// that the policies let.
	Callers []string

	compiled *compiled
}

// Passthrough says from where extensions are taken that the profile does not
// define itself. Where both the caller and the CSR have one, the caller's
// stands (AWS Private CA, "Template order of operations").
type Passthrough struct{ API, CSR bool }

// Sources says from where subject and names are not taken: NoCSR passes over
// a CSR's, NoCaller refuses a caller's. Where both may, the caller's stand.
type Sources struct{ NoCSR, NoCaller bool }

// violation returns the error for a request outside its profile.
func violation(format string, args ...any) error {
	return fault.Because(fault.InvalidArgument, fault.ProfileViolation, format, args...)
}

// unfit returns the error for a profile that makes no sense.
func unfit(format string, args ...any) error {
	return fault.New(fault.InvalidArgument, format, args...)
}

// compiled is what a Profile's rules are once they are read.
type compiled struct {
	callers []pattern
	subject map[string]*attributeRule
	dns     []pattern
	uris    []pattern
	domains []pattern // trust domains
	rules   []rule
	// extra are the extensions that every certificate has, encoded; defined
	// are those that no request can add.
	extra   []pkix.Extension
	defined []asn1.ObjectIdentifier
}

// Compile checks the profile and returns a copy that is ready for use. A
// profile that makes no sense is InvalidArgument.
func (p *Profile) Compile() (*Profile, error) {
	if p.compiled != nil {
		return p, nil
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	out, c := *p, &compiled{}
	for _, step := range []func(*Profile) error{
		c.readCallers, c.readSubject, c.readNames, c.readExtensions, c.readRules,
	} {
		if err := step(p); err != nil {
			return nil, err
		}
	}
	out.compiled = c
	return &out, nil
}

// maxDescription is the longest description in bytes, maxName the longest name.
const (
	maxDescription = 1024
	maxName        = 128
)

// check refuses profiles whose parts do not go together.
func (p *Profile) check() error {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/"
	const caOnly = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	usage := p.Usage | p.RSAUsage | p.ECUsage
	switch {
	case p.Name == "" || len(p.Name) > maxName || strings.Trim(p.Name, letters) != "":
		return unfit("a profile's name has 1 to %d letters, digits and \".\", \"_\", \"-\", \"/\"", maxName)
	case len(p.Description) > maxDescription || strings.ContainsFunc(p.Description, func(r rune) bool { return r < ' ' }):
		return unfit("a profile's description is one line of at most %d bytes", maxDescription)
	case p.CA && (p.PathLen < NoPathLimit || p.PathLen > maxPathLen):
		return unfit("a path length is 0 to %d", maxPathLen)
	case !p.CA && (p.PathLen != 0 || p.SelfSigned):
		return unfit("only an authority's certificate has a path length or signs itself")
	case !p.CA && usage&caOnly != 0:
		return unfit("keyCertSign and cRLSign are usages of authorities")
	case usage&^(1<<9-1) != 0:
		return unfit("a key usage is one of nine bits")
	case p.CA && usage != 0 && p.Usage&x509.KeyUsageCertSign == 0:
		return unfit("an authority's key usage has keyCertSign")
	case !p.CA && p.Constraints != nil:
		return unfit("name constraints are for the certificates of authorities (RFC 5280 section 4.2.1.10)")
	case p.NameRequired && p.Names == 0:
		return unfit("a name is required, and no kind of name is allowed")
	case p.MaxNames < 0 || p.MaxNames > name.Max:
		return unfit("a certificate has at most %d names", name.Max)
	case p.Keys == KeyRules{}:
		return unfit("the profile takes no keys")
	case p.CA && p.Renewal != nil:
		return unfit("the certificates of authorities are renewed by who owns them: such a profile has no rule of renewal")
	}
	if p.Renewal != nil {
		if err := p.Renewal.Check(); err != nil {
			return err
		}
	}
	return p.checkLife()
}

// maxPathLen is the largest path length that means something.
const maxPathLen = 16

// KeyUsage returns the key usage of a certificate for a key of a family.
func (p *Profile) keyUsage(family keyFamily) x509.KeyUsage {
	switch family {
	case rsaKey:
		return p.Usage | p.RSAUsage
	case ecKey:
		return p.Usage | p.ECUsage
	case edKey, mldsaKey:
	}
	return p.Usage
}
