package ca

import (
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// constrained checks the subject alternative names of a certificate against
// the name constraints of its issuers (RFC 5280 section 4.2.1.10): each name
// has to be in no excluded subtree and, where there are permitted ones of its
// kind, in one of them. Constraints on other kinds of names are critical
// extensions that no certificate of an issuer here has.
func constrained(issuers []*x509.Certificate, c *x509.Certificate) error {
	for _, up := range issuers {
		for _, name := range c.DNSNames {
			if !within(name, up.PermittedDNSDomains, up.ExcludedDNSDomains, inDomain) {
				return outside("DNS name", name, up)
			}
		}
		for _, name := range c.EmailAddresses {
			if !within(name, up.PermittedEmailAddresses, up.ExcludedEmailAddresses, inMailDomain) {
				return outside("e-mail address", name, up)
			}
		}
		for _, name := range c.URIs {
			if !within(name, up.PermittedURIDomains, up.ExcludedURIDomains, inURIDomain) {
				return outside("URI", name.String(), up)
			}
		}
		for _, name := range c.IPAddresses {
			if !within(name, up.PermittedIPRanges, up.ExcludedIPRanges, inRange) {
				return outside("IP address", name.String(), up)
			}
		}
	}
	return nil
}

func outside(kind, name string, issuer *x509.Certificate) error {
	return fault.Because(fault.InvalidArgument, fault.ProfileViolation,
		"the %s %s is outside the name constraints of %s", kind, name, issuer.Subject)
}

// within judges a name by permitted and excluded subtrees.
func within[N, T any](name N, permitted, excluded []T, in func(N, T) bool) bool {
	for _, t := range excluded {
		if in(name, t) {
			return false
		}
	}
	for _, t := range permitted {
		if in(name, t) {
			return true
		}
	}
	return len(permitted) == 0
}

// inDomain reports whether a DNS name is the domain or one below it; a
// leading dot leaves the domain itself out. A wildcard is below what is below
// its star, and touches what its star could be.
func inDomain(name, domain string) bool {
	name, domain = strings.ToLower(name), strings.ToLower(domain)
	base := strings.TrimPrefix(domain, ".")
	if base == "" || strings.HasSuffix(name, "."+base) {
		return true
	}
	return name == base && domain == base
}

// inMailDomain reports whether an address is the mailbox, at the host, or,
// after a leading dot, at a host below the domain.
func inMailDomain(address, constraint string) bool {
	at := strings.LastIndexByte(address, '@')
	if strings.Contains(constraint, "@") {
		i := strings.LastIndexByte(constraint, '@')
		return at >= 0 && address[:at] == constraint[:i] && strings.EqualFold(address[at+1:], constraint[i+1:])
	}
	return inHost(address[at+1:], constraint)
}

// inURIDomain reports whether a URI's host is the host or, after a leading
// dot, below the domain. A URI without a host's name is in none.
func inURIDomain(u *url.URL, constraint string) bool {
	host := u.Hostname()
	if _, err := netip.ParseAddr(host); host == "" || err == nil {
		return false
	}
	return inHost(host, constraint)
}

// inHost reports whether a host is the constraint's or, after a leading dot,
// below its domain.
func inHost(host, constraint string) bool {
	host, constraint = strings.ToLower(host), strings.ToLower(constraint)
	if strings.HasPrefix(constraint, ".") {
		return strings.HasSuffix(host, constraint)
	}
	return host == constraint
}

func inRange(ip net.IP, network *net.IPNet) bool { return network.Contains(ip) }
