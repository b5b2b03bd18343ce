// Package profile says what a certificate may hold: the kinds of certificates
// that there are, with their usages, names, keys and lives; what a subject
// and a subject alternative name look like; and what a certificate request
// (PKCS #10) may ask for. It is values and rules alone: it knows no
// authority, no store and no door. Package ca puts them to use.
//
// Start with Profile and Builtin. names.go has the rules for names, csr.go
// those for requests, life.go those for the time of validity.
//
// The package is internal and may change with any release. What the built-in
// profiles give stays as it is within v1.
package profile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"net/netip"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// NameKind is a set of kinds of subject alternative names, as bits.
type NameKind uint8

// The kinds of names.
const (
	DNSName NameKind = 1 << iota
	IPAddress
	URIName
	EmailAddress
)

// kindNames are the kinds in words, in the order of their bits.
func kindNames() []string { return []string{"DNS names", "IP addresses", "URIs", "e-mail addresses"} }

// String returns the kinds in words, such as "DNS names, IP addresses".
func (k NameKind) String() string {
	var list []string
	for i, name := range kindNames() {
		if k&(1<<i) != 0 {
			list = append(list, name)
		}
	}
	return strings.Join(list, ", ")
}

// Profile says what certificates of one kind are like.
type Profile struct {
	Name, Description string
	// Usage is the key usage of every key, RSAUsage what RSA keys have beside.
	Usage, RSAUsage x509.KeyUsage
	Extended        []x509.ExtKeyUsage
	// Names are the kinds of names that a certificate may have.
	Names NameKind
	// NameRequired wants at least one name, and a common name that looks like
	// a host to be one of the names: some clients still read it.
	NameRequired bool
	// Wildcards allows DNS names with a wildcard.
	Wildcards bool
	// Default is the validity when none is asked for, Maximum the longest.
	Default, Maximum time.Duration
	// Backdate is how far before the time of issue a certificate begins to be
	// valid, for clients whose clocks are behind.
	Backdate time.Duration
	Keys     KeyRules
}

// KeyRules say which public keys a profile takes.
type KeyRules struct {
	// RSAMin and RSAMax bound the modulus in bits; both 0 refuse RSA.
	RSAMin, RSAMax int
	P256, P384     bool
	P521, Ed25519  bool
}

// Authority is the name of the profile under which the certificates of
// authorities themselves are listed. It is none of the built-in ones: package
// ca issues under it when it makes an authority, and at no other time.
const Authority = "authority"

// day is the unit of certificates' lives.
const day = 24 * time.Hour

// Builtin returns the built-in profiles, in the order of their documentation.
func Builtin() []Profile {
	keys := KeyRules{RSAMin: 2048, RSAMax: 8192, P256: true, P384: true, P521: true, Ed25519: true}
	base := Profile{
		Usage: x509.KeyUsageDigitalSignature, Default: 90 * day, Maximum: 825 * day, Backdate: 5 * time.Minute, Keys: keys,
	}
	server, client, mutual := base, base, base

	server.Name, server.Description = "tls-server", "a TLS server"
	server.RSAUsage = x509.KeyUsageKeyEncipherment
	server.Extended = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.Names, server.NameRequired, server.Wildcards = DNSName|IPAddress, true, true

	client.Name, client.Description = "tls-client", "a TLS client: a person, a device or a program"
	client.Extended = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	client.Names = DNSName | URIName | EmailAddress

	mutual.Name, mutual.Description = "tls-mutual", "a program that is a server and a client of mutual TLS"
	mutual.RSAUsage = x509.KeyUsageKeyEncipherment
	mutual.Extended = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	mutual.Names, mutual.NameRequired, mutual.Wildcards = DNSName|IPAddress|URIName, true, true

	return []Profile{server, client, mutual}
}

// violation returns the error for a request outside its profile.
func violation(format string, args ...any) error {
	return fault.Because(fault.InvalidArgument, fault.ProfileViolation, format, args...)
}

// CheckNames refuses names and subjects that the profile does not have
// (ProfileViolation). The names are as Normal returns them.
func (p *Profile) CheckNames(s Subject, n *Names) error {
	var have NameKind
	for kind, count := range map[NameKind]int{
		DNSName: len(n.DNS), IPAddress: len(n.IPs), URIName: len(n.URIs), EmailAddress: len(n.Emails),
	} {
		if count > 0 {
			have |= kind
		}
	}
	if extra := have &^ p.Names; extra != 0 {
		return violation("profile %s has no %s, only %s", p.Name, extra, p.Names)
	}
	if !p.Wildcards && strings.Contains(strings.Join(n.DNS, " "), "*") {
		return violation("profile %s has no wildcards", p.Name)
	}
	if p.NameRequired && have == 0 {
		return violation("profile %s wants a subject alternative name (%s); a common name is none", p.Name, p.Names)
	}
	if have == 0 && s == (Subject{}) {
		return violation("a certificate needs a subject or a name")
	}
	if p.NameRequired && looksLikeHost(s.CommonName) && !n.covers(s.CommonName) {
		return violation("the common name %q looks like a host and is not among the names", s.CommonName)
	}
	return nil
}

// looksLikeHost reports whether a client that reads common names could take
// this one for a host's.
func looksLikeHost(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return strings.Contains(name, ".") && checkDNS(strings.ToLower(strings.TrimSuffix(name, ".")), true) == nil
}

// covers reports whether a common name is among the names.
func (n *Names) covers(name string) bool {
	if ip, err := netip.ParseAddr(name); err == nil {
		for _, have := range n.IPs {
			if have == ip.Unmap() {
				return true
			}
		}
		return false
	}
	for _, have := range n.DNS {
		if strings.EqualFold(have, strings.TrimSuffix(name, ".")) {
			return true
		}
	}
	return false
}

// Check refuses public keys that are too weak, too large or of another kind
// (ProfileViolation, for another kind as Unsupported).
func (r *KeyRules) Check(pub crypto.PublicKey) error {
	allowed := false
	switch k := pub.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < r.RSAMin || bits > r.RSAMax {
			return violation("an RSA key of %d bits: this profile wants %d to %d", bits, r.RSAMin, r.RSAMax)
		}
		if k.E < 65537 || k.E%2 == 0 {
			return violation("an RSA key with the public exponent %d: it has to be odd and at least 65537", k.E)
		}
		return nil
	case *ecdsa.PublicKey:
		allowed = r.P256 && k.Curve == elliptic.P256() || r.P384 && k.Curve == elliptic.P384() ||
			r.P521 && k.Curve == elliptic.P521()
	case ed25519.PublicKey:
		allowed = r.Ed25519
	}
	if !allowed {
		return fault.Because(fault.Unsupported, fault.ProfileViolation,
			"certificates are for keys of RSA, P-256, P-384, P-521 and Ed25519")
	}
	return nil
}

// KeyUsage returns the key usage of a certificate for the key.
func (p *Profile) KeyUsage(pub crypto.PublicKey) x509.KeyUsage {
	if _, ok := pub.(*rsa.PublicKey); ok {
		return p.Usage | p.RSAUsage
	}
	return p.Usage
}
