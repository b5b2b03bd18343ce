package profile

import (
	"encoding/asn1"
	"net/netip"
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/name"
)

// DNSRules narrow a profile's DNS names. Where there are domains or patterns,
// a name has to be one of the domains, below one of them if Subdomains says
// so, or to match one of the patterns, in which "*" stands for any text within
// one label and "**" for any at all. A wildcard name is below its domain.
type DNSRules struct {
	Domains    []string
	Subdomains bool
	Patterns   []string
}

// IPRules narrow a profile's IP addresses to networks; none allows all.
type IPRules struct{ Networks []netip.Prefix }

// URIRules narrow a profile's URIs.
type URIRules struct {
	// Schemes are the schemes that a URI may have, none for any.
	Schemes []string
	// Patterns are those of which a URI has to match one; "*" stands for any
	// text without "/", "**" for any at all. None allows all.
	Patterns []string
	// SPIFFE makes the certificate an X.509-SVID (SPIFFE X509-SVID sections 2
	// and 3): exactly one URI, which is a SPIFFE ID, with a path unless the
	// certificate is an authority's. TrustDomains are patterns of its trust
	// domain, "*" for any text within one label; none allows all.
	SPIFFE       bool
	TrustDomains []string
}

// DomainRules narrow e-mail addresses and user principal names to domains;
// none allows all.
type DomainRules struct {
	Domains    []string
	Subdomains bool
}

// OtherRules narrow other names to types; none allows all.
type OtherRules struct{ Types []asn1.ObjectIdentifier }

func (c *compiled) readNames(p *Profile) (err error) {
	for _, list := range [][]string{p.DNS.Domains, p.Emails.Domains, p.UPNs.Domains} {
		for _, domain := range list {
			if domain != strings.ToLower(domain) || name.CheckDNS(domain, false) != nil {
				return unfit("%q is no domain in lower case", domain)
			}
		}
	}
	for _, n := range p.IPs.Networks {
		if !n.IsValid() || n != n.Masked() || n.Addr().Is4In6() {
			return unfit("%q is no network: its address has bits after the prefix", n)
		}
	}
	for _, scheme := range p.URIs.Schemes {
		if scheme == "" || strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "" {
			return unfit("%q is no URI scheme in lower case", scheme)
		}
	}
	if p.URIs.SPIFFE && p.Names&URIName == 0 {
		return unfit("a SPIFFE certificate has a URI, and the profile allows none")
	}
	if c.dns, err = globs(p.DNS.Patterns, ".*"); err != nil {
		return err
	}
	if c.uris, err = globs(p.URIs.Patterns, "/"); err != nil {
		return err
	}
	c.domains, err = globs(p.URIs.TrustDomains, ".")
	return err
}

// settleNames returns the names of a request in their usual form: the
// caller's, else those that the caller passes as an extension, else the CSR's.
func (p *Profile) settleNames(in *Input, s *Subject) (Names, error) {
	var asked *Names
	switch {
	case in.Names.Len() > 0:
		asked = &in.Names
	case in.Extensions.Names != nil && p.Passthrough.API:
		asked = in.Extensions.Names
	case in.Request != nil && !p.Sources.NoCSR:
		asked = &in.Request.Names
	default:
		asked = &Names{}
	}
	names, err := asked.Normal()
	if err != nil {
		return Names{}, blame(err, in.Request != nil && asked == &in.Request.Names)
	}
	limit := p.MaxNames
	if limit == 0 {
		limit = MaxNames
	}
	if names.Len() > limit {
		return Names{}, fault.Because(fault.LimitExceeded, fault.ProfileViolation, "a certificate of profile %s has at most %d names", p.Name, limit)
	}
	if err := p.checkKinds(s, &names); err != nil {
		return Names{}, err
	}
	if err := p.checkCommonName(s, &names); err != nil {
		return Names{}, err
	}
	return names, p.checkNames(&names)
}

// checkKinds refuses kinds of names that the profile does not have.
func (p *Profile) checkKinds(s *Subject, n *Names) error {
	have := n.Kinds()
	if extra := have &^ p.Names; extra != 0 {
		if p.Names == 0 {
			return violation("profile %s has no subject alternative names, and the request has %s", p.Name, extra)
		}
		return violation("profile %s has no %s, only %s", p.Name, extra, p.Names)
	}
	if p.NameRequired && have == 0 {
		return violation("profile %s wants a subject alternative name (%s); a common name is none", p.Name, p.Names)
	}
	if have == 0 && s.IsZero() {
		return violation("a certificate needs a subject or a name")
	}
	return nil
}

// checkNames refuses names outside the profile's rules.
func (p *Profile) checkNames(n *Names) error {
	for _, host := range n.DNS {
		if err := p.checkHost(host); err != nil {
			return err
		}
	}
	for _, ip := range n.IPs {
		if len(p.IPs.Networks) > 0 && !slices.ContainsFunc(p.IPs.Networks, func(net netip.Prefix) bool { return net.Contains(ip) }) {
			return violation("the address %s is in none of the networks of profile %s", ip, p.Name)
		}
	}
	if err := p.checkURIs(n.URIs); err != nil {
		return err
	}
	for _, address := range n.Emails {
		if !p.Emails.allow(domainOf(address)) {
			return violation("the e-mail address %q is of a domain that profile %s does not have", address, p.Name)
		}
	}
	for _, upn := range n.UPNs {
		if !p.UPNs.allow(domainOf(upn)) {
			return violation("the user principal name %q is of a domain that profile %s does not have", upn, p.Name)
		}
	}
	for i := range n.Others {
		o := &n.Others[i]
		if len(p.Others.Types) > 0 && !slices.ContainsFunc(p.Others.Types, o.OID.Equal) {
			return violation("profile %s has no other names of the type %s", p.Name, o.OID)
		}
	}
	return nil
}

func (p *Profile) checkHost(host string) error {
	plain := host
	if rest, wildcard := strings.CutPrefix(host, "*."); wildcard {
		if !p.Wildcards {
			return violation("profile %s has no wildcards", p.Name)
		}
		// A label that only "*" as a whole label of a pattern matches.
		plain = "\x00." + rest
	}
	rules := DomainRules{p.DNS.Domains, p.DNS.Subdomains}
	if len(p.DNS.Domains)+len(p.compiled.dns) == 0 ||
		len(p.DNS.Domains) > 0 && rules.allow(plain) || anyMatch(p.compiled.dns, plain) {
		return nil
	}
	return violation("the name %q is of no domain of profile %s and matches none of its patterns", host, p.Name)
}

func (p *Profile) checkURIs(uris []string) error {
	if p.URIs.SPIFFE && len(uris) != 1 {
		return violation("profile %s wants exactly one URI, a SPIFFE ID", p.Name)
	}
	for _, uri := range uris {
		scheme, _, _ := strings.Cut(uri, ":")
		if len(p.URIs.Schemes) > 0 && !slices.Contains(p.URIs.Schemes, strings.ToLower(scheme)) {
			return violation("the URI %q is of a scheme that profile %s does not have", uri, p.Name)
		}
		if len(p.compiled.uris) > 0 && !anyMatch(p.compiled.uris, uri) {
			return violation("the URI %q matches none of the patterns of profile %s", uri, p.Name)
		}
		if err := p.checkWorkload(uri); err != nil {
			return err
		}
	}
	return nil
}

// checkWorkload checks a SPIFFE ID against the rules for those. A profile
// with trust domains has no SPIFFE ID of another one, whatever else it allows.
func (p *Profile) checkWorkload(uri string) error {
	domain, path, ok := name.SPIFFE(uri)
	if !ok {
		if p.URIs.SPIFFE {
			return violation("the URI %q is no SPIFFE ID, which profile %s wants", uri, p.Name)
		}
		return nil
	}
	if len(p.compiled.domains) > 0 && !anyMatch(p.compiled.domains, domain) {
		return violation("the SPIFFE ID %q is of a trust domain that profile %s does not have", uri, p.Name)
	}
	if p.URIs.SPIFFE && !p.CA && path == "" {
		return violation("the SPIFFE ID %q of a workload needs a path", uri)
	}
	return nil
}

// allow reports whether a host is one of the domains, or below one where
// that is enough.
func (r *DomainRules) allow(host string) bool {
	return len(r.Domains) == 0 || slices.ContainsFunc(r.Domains, func(domain string) bool {
		return host == domain || r.Subdomains && strings.HasSuffix(host, "."+domain)
	})
}

// domainOf returns what follows the "@" of a mailbox or user principal name.
func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }
