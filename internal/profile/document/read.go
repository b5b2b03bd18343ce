package document

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/extension"
	"github.com/holdfast-kms/holdfast/internal/name"
	"github.com/holdfast-kms/holdfast/internal/profile"
)

// usageNames are the key usages in the order of their bits (RFC 5280 section
// 4.2.1.3).
func usageNames() []string {
	return []string{
		"digitalSignature", "contentCommitment", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign",
		"cRLSign", "encipherOnly", "decipherOnly",
	}
}

// extendedNames are the words for extended key usages.
func extendedNames() map[string]asn1.ObjectIdentifier {
	return map[string]asn1.ObjectIdentifier{
		"any":        extension.UsageOID(x509.ExtKeyUsageAny),
		"serverAuth": extension.UsageOID(x509.ExtKeyUsageServerAuth), "clientAuth": extension.UsageOID(x509.ExtKeyUsageClientAuth),
		"codeSigning": extension.UsageOID(x509.ExtKeyUsageCodeSigning), "emailProtection": extension.UsageOID(x509.ExtKeyUsageEmailProtection),
		"ipsecEndSystem": extension.UsageOID(x509.ExtKeyUsageIPSECEndSystem), "ipsecTunnel": extension.UsageOID(x509.ExtKeyUsageIPSECTunnel),
		"ipsecUser": extension.UsageOID(x509.ExtKeyUsageIPSECUser), "timeStamping": extension.UsageOID(x509.ExtKeyUsageTimeStamping),
		"OCSPSigning":     extension.UsageOID(x509.ExtKeyUsageOCSPSigning),
		"smartcardLogon":  {1, 3, 6, 1, 4, 1, 311, 20, 2, 2},
		"documentSigning": {1, 3, 6, 1, 5, 5, 7, 3, 36}, // RFC 9336
		"ipsecIKE":        {1, 3, 6, 1, 5, 5, 7, 3, 17}, // RFC 4945
	}
}

// profile returns the profile of a document.
func (d *document) profile() (*profile.Profile, error) {
	p := &profile.Profile{
		Name: d.Name, Description: d.Description, Exportable: d.Exportable, Callers: d.Callers,
		CriticalExtended:      d.ExtendedKeyUsageCritical,
		PlainBasicConstraints: d.BasicConstraintsCritical != nil && !*d.BasicConstraintsCritical,
		Subject: profile.SubjectRules{
			Others: d.Subject.Others, Repeated: d.Subject.Repeated, FreeName: d.Subject.FreeCommonName,
		},
	}
	if d.Subject.Attributes != nil {
		p.Subject.Attributes = map[string]profile.AttributeRule{}
		for word, a := range *d.Subject.Attributes {
			p.Subject.Attributes[word] = profile.AttributeRule(a)
		}
	}
	for _, r := range d.Rules {
		p.Rules = append(p.Rules, profile.Rule(r))
	}
	for _, step := range []func(*profile.Profile) error{
		d.readAuthority, d.readUsages, d.readSources, d.readNames, d.readKeys, d.readValidity, d.readRenewal, d.readPolicies, d.readExtensions,
	} {
		if err := step(p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// none is the word for a limit that is not there.
const none = "none"

func (d *document) readAuthority(p *profile.Profile) error {
	if d.Authority == nil {
		return nil
	}
	p.CA, p.SelfSigned = true, d.Authority.SelfSigned
	if d.Authority.PathLength == none {
		p.PathLen = profile.NoPathLimit
		return nil
	}
	n, err := strconv.Atoi(d.Authority.PathLength)
	if err != nil || n < 0 {
		return unfit("an authority's path_length is a number or %q", none)
	}
	p.PathLen = n
	return nil
}

func (d *document) readUsages(p *profile.Profile) (err error) {
	if p.Usage, err = readUsage(d.KeyUsage); err != nil {
		return err
	}
	if p.RSAUsage, err = readUsage(d.RSAKeyUsage); err != nil {
		return err
	}
	if p.ECUsage, err = readUsage(d.ECKeyUsage); err != nil {
		return err
	}
	for _, word := range d.ExtendedKeyUsage {
		oid, ok := extendedNames()[word]
		if !ok {
			if oid, ok = name.ParseOID(word); !ok {
				return unfit("%q is no extended key usage: write one of %s, or an object identifier", word, words(extendedNames()))
			}
		}
		i := slices.IndexFunc(extension.Usages(), func(u x509.ExtKeyUsage) bool { return extension.UsageOID(u).Equal(oid) })
		if i >= 0 {
			p.Extended = append(p.Extended, extension.Usages()[i])
			continue
		}
		p.ExtendedOIDs = append(p.ExtendedOIDs, oid)
	}
	return nil
}

func readUsage(list []string) (x509.KeyUsage, error) {
	var usage x509.KeyUsage
	for _, word := range list {
		if word == "nonRepudiation" { // the older word for the same bit
			word = "contentCommitment"
		}
		i := slices.Index(usageNames(), word)
		if i < 0 {
			return 0, unfit("%q is no key usage", word)
		}
		usage |= 1 << i
	}
	return usage, nil
}

// words lists the keys of a table.
func words[T any](table map[string]T) []string { return slices.Sorted(maps.Keys(table)) }

// readSources reads what may come from where: a list that is absent means
// both for subject and names, and neither for extensions.
func (d *document) readSources(p *profile.Profile) error {
	both := []string{"csr", "caller"}
	from := &both
	if d.From != nil {
		from = d.From
	}
	for _, word := range slices.Concat(*from, d.Passthrough) {
		if word != "csr" && word != "caller" {
			return unfit("%q is neither %q nor %q", word, "csr", "caller")
		}
	}
	p.Sources = profile.Sources{NoCSR: !slices.Contains(*from, "csr"), NoCaller: !slices.Contains(*from, "caller")}
	p.Passthrough = profile.Passthrough{API: slices.Contains(d.Passthrough, "caller"), CSR: slices.Contains(d.Passthrough, "csr")}
	switch d.CSRExtras {
	case "", "refuse":
	case "ignore":
		p.Lenient = true
	default:
		return unfit("csr_extras is %q or %q", "refuse", "ignore")
	}
	return nil
}

func (d *document) readNames(p *profile.Profile) (err error) {
	n := &d.Names
	p.NameRequired, p.MaxNames = n.Required, n.Maximum
	if n.DNS != nil {
		p.Names |= profile.DNSName
		p.DNS, p.Wildcards = profile.DNSRules{Domains: n.DNS.Domains, Subdomains: n.DNS.Subdomains, Patterns: n.DNS.Patterns}, n.DNS.Wildcards
	}
	if n.IP != nil {
		p.Names |= profile.IPAddress
		if p.IPs.Networks, err = readNetworks(n.IP.Networks); err != nil {
			return err
		}
	}
	if n.URI != nil {
		p.Names |= profile.URIName
		p.URIs = profile.URIRules(*n.URI)
	}
	if n.Email != nil {
		p.Names |= profile.EmailAddress
		p.Emails = profile.DomainRules(*n.Email)
	}
	if n.UPN != nil {
		p.Names |= profile.UserPrincipalName
		p.UPNs = profile.DomainRules(*n.UPN)
	}
	if n.Other != nil {
		p.Names |= profile.OtherNames
		for _, text := range n.Other.Types {
			oid, ok := name.ParseOID(text)
			if !ok {
				return unfit("%q is no type of other names", text)
			}
			p.Others.Types = append(p.Others.Types, oid)
		}
	}
	if n.Directory != nil {
		p.Names |= profile.DirectoryName
	}
	if n.RegisteredID != nil {
		p.Names |= profile.RegisteredID
	}
	return nil
}

func readNetworks(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range list {
		n, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, unfit("%q is no network, such as 10.0.0.0/8", text)
		}
		out = append(out, n)
	}
	return out, nil
}

func (d *document) readKeys(p *profile.Profile) error {
	if d.Keys == nil {
		p.Keys = profile.AnyKey()
		return nil
	}
	if r := d.Keys.RSA; r != nil {
		if r.Minimum < 2048 || r.Maximum > profile.MaxRSA || r.Minimum > r.Maximum {
			return unfit("RSA keys have 2048 to %d bits", profile.MaxRSA)
		}
		p.Keys.RSAMin, p.Keys.RSAMax = r.Minimum, r.Maximum
	}
	for _, word := range d.Keys.Types {
		flag := p.Keys.Rule(alg.ParseSpec(word))
		if flag == nil {
			return unfit("%q is no type of keys that certificates are for", word)
		}
		*flag = true
	}
	return nil
}

func (d *document) readValidity(p *profile.Profile) (err error) {
	v := &d.Validity
	p.AskStart, p.CutAsked = v.AskStart, v.Cut
	if v.Fixed != "" {
		if v.Default != "" || v.Maximum != "" {
			return unfit("a fixed validity stands in the place of a default and a maximum")
		}
		p.FixedValidity = true
		v.Default = v.Fixed
	}
	if p.Default, err = profile.ParseValidity(v.Default); err != nil {
		return err
	}
	switch v.Maximum {
	case "":
		p.Maximum = p.Default
	case none:
	default:
		if p.Maximum, err = profile.ParseValidity(v.Maximum); err != nil {
			return err
		}
	}
	p.Backdate = 5 * time.Minute
	if v.Backdate != nil {
		back, err := profile.ParseValidity(*v.Backdate)
		if err != nil || back.Months+back.Years != 0 || !back.Until.IsZero() {
			return unfit("%q is no time by which to backdate", *v.Backdate)
		}
		p.Backdate = back.For
	}
	return nil
}

func (d *document) readPolicies(p *profile.Profile) (err error) {
	for _, i := range d.Policies {
		oid, ok := name.ParseOID(i.OID)
		if !ok {
			return unfit("%q is no certificate policy", i.OID)
		}
		p.Policies = append(p.Policies, profile.PolicyInformation{OID: oid, CPS: i.CPS, Notice: i.Notice})
	}
	if c := d.NameConstraints; c != nil {
		p.Constraints = &profile.NameConstraints{Critical: c.Critical == nil || *c.Critical}
		if p.Constraints.Permitted, err = c.Permitted.read(); err != nil {
			return err
		}
		p.Constraints.Excluded, err = c.Excluded.read()
	}
	return err
}

func (d *subtreesDoc) read() (t profile.Subtrees, err error) {
	t.DNS, t.Emails, t.URIs = d.DNS, d.Email, d.URI
	if t.IPs, err = readNetworks(d.IP); err != nil {
		return t, err
	}
	for _, values := range d.Directory {
		var s profile.Subject
		for _, word := range words(values) {
			oid, _, ok := name.ParseAttribute(word)
			if !ok {
				return t, unfit("%q is no attribute of a directory name", word)
			}
			s.Set(oid, values[word])
		}
		t.Directory = append(t.Directory, s)
	}
	return t, nil
}

func (d *document) readExtensions(p *profile.Profile) error {
	for _, e := range d.Extensions {
		oid, ok := name.ParseOID(e.OID)
		if !ok {
			return unfit("%q is no object identifier of an extension", e.OID)
		}
		value, err := e.value()
		if err != nil {
			return err
		}
		p.Extra = append(p.Extra, pkix.Extension{Id: oid, Critical: e.Critical, Value: value})
	}
	return nil
}

// value returns the extension's value, of which there is exactly one.
func (e *extensionDoc) value() ([]byte, error) {
	given := 0
	for _, text := range []string{e.Hex, e.Base64, e.UTF8} {
		if text != "" {
			given++
		}
	}
	if given != 1 {
		return nil, unfit("the value of the extension %s is given as hex, as base64 or as utf8", e.OID)
	}
	var value []byte
	var err error
	switch {
	case e.Hex != "":
		value, err = hex.DecodeString(e.Hex)
	case e.Base64 != "":
		value, err = base64.StdEncoding.Strict().DecodeString(e.Base64)
	default:
		value, err = asn1.MarshalWithParams(e.UTF8, "utf8")
	}
	if err != nil {
		return nil, unfit("the value of the extension %s cannot be read", e.OID)
	}
	return value, nil
}
