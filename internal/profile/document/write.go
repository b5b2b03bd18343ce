package document

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"net/netip"
	"strconv"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/extension"
	"github.com/holdfast-kms/holdfast/internal/name"
	"github.com/holdfast-kms/holdfast/internal/profile"
)

// documentOf returns the document of a profile.
func documentOf(p *profile.Profile) (*document, error) {
	d := &document{
		Version: Version, Name: p.Name, Description: p.Description, Exportable: p.Exportable, Callers: p.Callers,
		KeyUsage: writeUsage(p.Usage), RSAKeyUsage: writeUsage(p.RSAUsage), ECKeyUsage: writeUsage(p.ECUsage),
		ExtendedKeyUsage: writeExtended(p), ExtendedKeyUsageCritical: p.CriticalExtended,
		Subject: subjectDocument{
			Others: p.Subject.Others, Repeated: p.Subject.Repeated, FreeCommonName: p.Subject.FreeName,
		},
		Names: writeNames(p), Keys: writeKeys(&p.Keys), Validity: writeValidity(p), Renewal: writeRenewal(p),
	}
	if p.PlainBasicConstraints {
		d.BasicConstraintsCritical = new(bool)
	}
	if p.CA {
		d.Authority = &authorityDocument{PathLength: none, SelfSigned: p.SelfSigned}
		if p.PathLen != profile.NoPathLimit {
			d.Authority.PathLength = strconv.Itoa(p.PathLen)
		}
	}
	if p.Subject.Attributes != nil {
		attributes := map[string]attributeDocument{}
		for word, rule := range p.Subject.Attributes {
			attributes[word] = attributeDocument(rule)
		}
		d.Subject.Attributes = &attributes
	}
	if p.Sources != (profile.Sources{}) {
		from := sources(!p.Sources.NoCaller, !p.Sources.NoCSR)
		d.From = &from
	}
	d.Passthrough = sources(p.Passthrough.API, p.Passthrough.CSR)
	if p.Lenient {
		d.CSRExtras = "ignore"
	}
	for _, r := range p.Rules {
		d.Rules = append(d.Rules, ruleDocument(r))
	}
	return d, d.writeExtensions(p)
}

// sources lists callers and requests. A list of neither is there, and empty.
func sources(caller, csr bool) []string {
	list := []string{}
	if caller {
		list = append(list, "caller")
	}
	if csr {
		list = append(list, "csr")
	}
	return list
}

func writeUsage(usage x509.KeyUsage) []string {
	var list []string
	for i, word := range usageNames() {
		if usage&(1<<i) != 0 {
			list = append(list, word)
		}
	}
	return list
}

func writeExtended(p *profile.Profile) []string {
	var list []string
	table := extendedNames()
next:
	for _, oid := range extension.UsageOIDs(p.Extended, p.ExtendedOIDs) {
		for _, word := range words(table) {
			if table[word].Equal(oid) {
				list = append(list, word)
				continue next
			}
		}
		list = append(list, oid.String())
	}
	return list
}

func writeNames(p *profile.Profile) namesDocument {
	n := namesDocument{Required: p.NameRequired, Maximum: p.MaxNames}
	if p.Names&profile.DNSName != 0 {
		n.DNS = &dnsDocument{p.DNS.Domains, p.DNS.Subdomains, p.DNS.Patterns, p.Wildcards}
	}
	if p.Names&profile.IPAddress != 0 {
		n.IP = &ipDocument{writeNetworks(p.IPs.Networks)}
	}
	if p.Names&profile.URIName != 0 {
		d := uriDocument(p.URIs)
		n.URI = &d
	}
	if p.Names&profile.EmailAddress != 0 {
		d := domainDocument(p.Emails)
		n.Email = &d
	}
	if p.Names&profile.UserPrincipalName != 0 {
		d := domainDocument(p.UPNs)
		n.UPN = &d
	}
	if p.Names&profile.OtherNames != 0 {
		n.Other = &otherDocument{writeOIDs(p.Others.Types)}
	}
	if p.Names&profile.DirectoryName != 0 {
		n.Directory = &struct{}{}
	}
	if p.Names&profile.RegisteredID != 0 {
		n.RegisteredID = &struct{}{}
	}
	return n
}

func writeNetworks(list []netip.Prefix) []string { return texted(list, netip.Prefix.String) }

func writeOIDs(list []asn1.ObjectIdentifier) []string {
	return texted(list, asn1.ObjectIdentifier.String)
}

func texted[T any](list []T, text func(T) string) []string {
	var out []string
	for _, v := range list {
		out = append(out, text(v))
	}
	return out
}

func writeKeys(r *profile.KeyRules) *keysDocument {
	d := &keysDocument{}
	if r.RSAMax != 0 {
		d.RSA = &rsaDocument{r.RSAMin, r.RSAMax}
	}
	for _, s := range alg.Specs() {
		if allowed := r.Rule(s); allowed != nil && *allowed {
			d.Types = append(d.Types, s.String())
		}
	}
	return d
}

func writeValidity(p *profile.Profile) validityDocument {
	back := profile.Validity{For: p.Backdate}.String()
	v := validityDocument{Backdate: &back, AskStart: p.AskStart, Cut: p.CutAsked}
	if p.FixedValidity {
		v.Fixed = p.Default.String()
		return v
	}
	v.Default, v.Maximum = p.Default.String(), none
	if p.Maximum.Ends() {
		v.Maximum = p.Maximum.String()
	}
	return v
}

func (d *document) writeExtensions(p *profile.Profile) error {
	for _, i := range p.Policies {
		d.Policies = append(d.Policies, policyDocument{i.OID.String(), i.CPS, i.Notice})
	}
	for _, e := range p.Extra {
		d.Extensions = append(d.Extensions, extensionDoc{OID: e.Id.String(), Critical: e.Critical, Hex: hex.EncodeToString(e.Value)})
	}
	if c := p.Constraints; c != nil {
		d.NameConstraints = &constraintsDoc{Critical: &c.Critical}
		for _, t := range []struct {
			from *profile.Subtrees
			to   *subtreesDoc
		}{{&c.Permitted, &d.NameConstraints.Permitted}, {&c.Excluded, &d.NameConstraints.Excluded}} {
			*t.to = subtreesDoc{DNS: t.from.DNS, Email: t.from.Emails, URI: t.from.URIs, IP: writeNetworks(t.from.IPs)}
			for i := range t.from.Directory {
				values, err := directoryDocument(&t.from.Directory[i])
				if err != nil {
					return err
				}
				t.to.Directory = append(t.to.Directory, values)
			}
		}
	}
	return nil
}

// directoryDocument writes a directory name, whose attributes a document
// has once each.
func directoryDocument(s *profile.Subject) (map[string]string, error) {
	values := map[string]string{}
	for _, a := range s.Attributes() {
		word := name.AttributeName(a.OID)
		if _, twice := values[word]; twice {
			return nil, unfit("a document has no directory name with several %s", word)
		}
		values[word] = a.Value
	}
	return values, nil
}
