package profile

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// MaxNames is how many subject alternative names a certificate may have.
const MaxNames = 100

// Limits of single names in bytes.
const (
	maxDNSName = 253 // RFC 1034 section 3.1, less the root's dot
	maxLabel   = 63
	maxURI     = 2048
	maxEmail   = 254 // RFC 5321 section 4.5.3.1.3, less the angle brackets
	maxLocal   = 64  // RFC 5321 section 4.5.3.1.1
)

// Subject is a distinguished name, one value for each attribute. An empty
// field leaves its attribute out.
type Subject struct {
	CommonName, Organization, OrganizationalUnit, Country, Province, Locality string
}

// attribute is one of the attributes that a Subject can have.
type attribute struct {
	name  string
	oid   asn1.ObjectIdentifier
	limit int // characters, RFC 5280 appendix A.1
	field func(*Subject) *string
}

// attributes returns the attributes of a Subject.
func attributes() []attribute {
	return []attribute{
		{"common name", asn1.ObjectIdentifier{2, 5, 4, 3}, 64, func(s *Subject) *string { return &s.CommonName }},
		{"organization", asn1.ObjectIdentifier{2, 5, 4, 10}, 64, func(s *Subject) *string { return &s.Organization }},
		{"organizational unit", asn1.ObjectIdentifier{2, 5, 4, 11}, 64, func(s *Subject) *string { return &s.OrganizationalUnit }},
		{"country", asn1.ObjectIdentifier{2, 5, 4, 6}, 2, func(s *Subject) *string { return &s.Country }},
		{"province", asn1.ObjectIdentifier{2, 5, 4, 8}, 128, func(s *Subject) *string { return &s.Province }},
		{"locality", asn1.ObjectIdentifier{2, 5, 4, 7}, 128, func(s *Subject) *string { return &s.Locality }},
	}
}

// String returns the subject as RFC 4514 writes it.
func (s Subject) String() string { return s.Name().String() }

// Name returns the subject in the shape that crypto/x509 takes.
func (s Subject) Name() pkix.Name {
	list := func(v string) []string {
		if v == "" {
			return nil
		}
		return []string{v}
	}
	return pkix.Name{
		CommonName: s.CommonName, Organization: list(s.Organization),
		OrganizationalUnit: list(s.OrganizationalUnit), Country: list(s.Country),
		Province: list(s.Province), Locality: list(s.Locality),
	}
}

// Check refuses values that are too long or that no name should hold
// (InvalidArgument).
func (s Subject) Check() error {
	for _, a := range attributes() {
		v := *a.field(&s)
		if utf8.RuneCountInString(v) > a.limit {
			return fault.New(fault.InvalidArgument, "the subject's %s is longer than %d characters", a.name, a.limit)
		}
		if !utf8.ValidString(v) || strings.ContainsFunc(v, unprintable) {
			return fault.New(fault.InvalidArgument, "the subject's %s has characters that cannot be printed", a.name)
		}
	}
	if c := s.Country; c != "" && (len(c) != 2 || strings.Trim(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
		return fault.New(fault.InvalidArgument, "the subject's country is not two capital letters (ISO 3166)")
	}
	return nil
}

// unprintable reports control characters, and the invisible ones that make
// two different names look the same.
func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// subjectOf reads the subject of a request. Attributes that Subject does not
// have, or has twice, are refused by name.
func subjectOf(n pkix.Name) (Subject, error) {
	var s Subject
next:
	for _, got := range n.Names {
		for _, a := range attributes() {
			if !a.oid.Equal(got.Type) {
				continue
			}
			value, ok := got.Value.(string)
			if field := a.field(&s); ok && *field == "" {
				*field = value
				continue next
			}
			return Subject{}, fault.Because(fault.InvalidArgument, fault.MalformedCSR,
				"the request's subject has more than one %s, or one that is no text", a.name)
		}
		return Subject{}, fault.Because(fault.Unsupported, fault.MalformedCSR,
			"the request's subject has the attribute %s, which is not supported: give the subject with the request", got.Type)
	}
	return s, nil
}

// Names are the subject alternative names of a certificate (RFC 5280 section
// 4.2.1.6).
type Names struct {
	DNS    []string
	IPs    []netip.Addr
	URIs   []string
	Emails []string
}

// Len returns the number of names.
func (n *Names) Len() int { return len(n.DNS) + len(n.IPs) + len(n.URIs) + len(n.Emails) }

// Texts returns the names as text, for listings and searches.
func (n *Names) Texts() []string {
	list := slices.Clone(n.DNS)
	for _, ip := range n.IPs {
		list = append(list, ip.String())
	}
	return append(append(list, n.URIs...), n.Emails...)
}

// namesOf returns the names that a CSR asks for. Kinds of names that Names
// does not have were refused before.
func namesOf(csr *x509.CertificateRequest) (Names, error) {
	n := Names{DNS: csr.DNSNames, Emails: csr.EmailAddresses}
	for _, ip := range csr.IPAddresses {
		addr, ok := netip.AddrFromSlice(ip)
		if !ok {
			return Names{}, fault.Because(fault.InvalidArgument, fault.MalformedCSR, "the request has an IP address of the wrong length")
		}
		n.IPs = append(n.IPs, addr)
	}
	for _, u := range csr.URIs {
		n.URIs = append(n.URIs, u.String())
	}
	return n, nil
}

// Normal returns the names checked, in their usual form (DNS names and mail
// domains in lower case, IPv4 addresses as such) and without repetitions.
// Its errors are InvalidArgument, and LimitExceeded for more than MaxNames.
func (n *Names) Normal() (Names, error) {
	if n.Len() > MaxNames {
		return Names{}, fault.New(fault.LimitExceeded, "a certificate has at most %d names", MaxNames)
	}
	var out Names
	for _, raw := range n.DNS {
		name := strings.ToLower(raw)
		if err := checkDNS(name, true); err != nil {
			return Names{}, err
		}
		out.DNS = append(out.DNS, name)
	}
	for _, ip := range n.IPs {
		ip = ip.Unmap()
		if !ip.IsValid() || ip.Zone() != "" || ip.IsUnspecified() {
			return Names{}, fault.New(fault.InvalidArgument, "%q is no IP address for a certificate", ip)
		}
		out.IPs = append(out.IPs, ip)
	}
	for _, raw := range n.URIs {
		if err := checkURI(raw); err != nil {
			return Names{}, err
		}
		out.URIs = append(out.URIs, raw)
	}
	for _, raw := range n.Emails {
		address, err := normalEmail(raw)
		if err != nil {
			return Names{}, err
		}
		out.Emails = append(out.Emails, address)
	}
	out.DNS, out.IPs, out.URIs, out.Emails = unique(out.DNS), unique(out.IPs), unique(out.URIs), unique(out.Emails)
	return out, nil
}

// unique removes repetitions and keeps the order.
func unique[T comparable](list []T) []T {
	var out []T
	for _, v := range list {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// Put writes the names, which Normal returned, into a template.
func (n *Names) Put(t *x509.Certificate) {
	t.DNSNames, t.EmailAddresses = n.DNS, n.Emails
	for _, ip := range n.IPs {
		t.IPAddresses = append(t.IPAddresses, net.IP(ip.AsSlice()))
	}
	for _, raw := range n.URIs {
		if u, err := url.Parse(raw); err == nil { // checked by Normal
			t.URIs = append(t.URIs, u)
		}
	}
}

// checkDNS refuses what is not a host name in the preferred syntax (RFC 5280
// section 4.2.1.6, RFC 1034 section 3.5 as RFC 1123 section 2.1 changed it),
// with internationalised labels in their A-form (RFC 5890 section 2.3.2.1).
// A wildcard is a whole leftmost label, and needs two labels after it:
// clients refuse one that would cover a top-level domain.
func checkDNS(name string, wildcard bool) error {
	bad := func(why string) error {
		return fault.New(fault.InvalidArgument, "%q is no DNS name for a certificate: %s", name, why)
	}
	if name == "" || len(name) > maxDNSName {
		return bad("it is empty or longer than 253 bytes")
	}
	labels := strings.Split(name, ".")
	if wildcard && labels[0] == "*" {
		if labels = labels[1:]; len(labels) < 2 {
			return bad("a wildcard needs two labels after it")
		}
	}
	for _, label := range labels {
		if label == "" || len(label) > maxLabel {
			return bad("a label is empty or longer than 63 bytes")
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return bad("a label has something else than letters, digits and hyphens; other letters are written as A-labels (xn--…), and a wildcard is the whole first label")
		}
		if label[0] == '-' || label[len(label)-1] == '-' {
			return bad("a label begins or ends with a hyphen")
		}
		if len(label) > 3 && label[2:4] == "--" && !validALabel(label) {
			return bad("a label looks like an A-label and is none")
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return bad("its last label is a number, as of an IP address")
	}
	return nil
}

// validALabel reports whether a label is an A-label: it stands for Unicode
// text and is the way to write that text (RFC 5891 section 5.4).
func validALabel(label string) bool {
	profile := idna.New(idna.ValidateLabels(true), idna.StrictDomainName(true), idna.BidiRule(), idna.CheckJoiners(true))
	text, err := profile.ToUnicode(label)
	if err != nil || text == label {
		return false
	}
	back, err := profile.ToASCII(text)
	return err == nil && back == label
}

// checkURI refuses what is not an absolute URI with a scheme and, where it
// has an authority, a host (RFC 5280 section 4.2.1.6).
func checkURI(raw string) error {
	bad := func(why string) error {
		return fault.New(fault.InvalidArgument, "%q is no URI for a certificate: %s", raw, why)
	}
	if len(raw) > maxURI {
		return fault.New(fault.InvalidArgument, "a URI is longer than %d bytes", maxURI)
	}
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return bad("it has something else than printable ASCII")
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || !u.IsAbs():
		return bad("it has no scheme, or cannot be parsed")
	case u.User != nil:
		return bad("it holds a user name or password")
	case u.String() != raw:
		return bad("it is not in its normal form, which is " + u.String())
	case u.Opaque != "":
		return nil // urn:…, which has no authority
	case u.Hostname() == "":
		return bad("it has no host")
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return nil
	}
	return checkDNS(strings.ToLower(u.Hostname()), false)
}

// normalEmail returns a mailbox (RFC 5280 section 4.2.1.6: a Local-part, "@",
// a Domain, nothing around them) with its domain in lower case. Quoted local
// parts are refused: hardly anyone compares them right.
func normalEmail(raw string) (string, error) {
	bad := fault.New(fault.InvalidArgument, "%q is no e-mail address for a certificate", raw)
	local, domain, ok := strings.Cut(raw, "@")
	if !ok || local == "" || len(local) > maxLocal || len(raw) > maxEmail {
		return "", bad
	}
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.ContainsFunc(atom, notAtext) {
			return "", bad
		}
	}
	domain = strings.ToLower(domain)
	if checkDNS(domain, false) != nil {
		return "", bad
	}
	return local + "@" + domain, nil
}

// notAtext reports characters outside atext (RFC 5322 section 3.2.3).
func notAtext(r rune) bool {
	letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	return !letter && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}
