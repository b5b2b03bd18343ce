package authority

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/lint"
)

// Limits of chains from elsewhere.
const (
	maxChain = 16 // certificates
	// MaxCertificate is the longest certificate, or request, in bytes.
	MaxCertificate = 32 << 10
)

// Backdate is how far before its making an authority's certificate begins to
// be valid, for clocks that differ a little.
const Backdate = 5 * time.Minute

// Malformed returns the error for a certificate or chain that does not do.
func Malformed(format string, args ...any) error {
	return fault.Because(fault.InvalidArgument, fault.MalformedCertificate, format, args...)
}

// ParseCertificate reads a certificate from elsewhere. A critical extension
// that is not understood makes it unusable (RFC 5280 section 4.2).
func ParseCertificate(der []byte) (*x509.Certificate, error) {
	if len(der) > MaxCertificate {
		return nil, Malformed("a certificate has more than %d bytes", MaxCertificate)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, Malformed("a certificate cannot be read: %v", err)
	}
	for _, id := range c.UnhandledCriticalExtensions {
		if !id.Equal(asn1.ObjectIdentifier{2, 5, 29, 30}) { // name constraints: package lint knows kinds that crypto/x509 does not
			return nil, Malformed("the certificate of %s has the critical extension %s, which is not known here", c.Subject, id)
		}
	}
	return c, nil
}

// Arrange returns the issuers of a certificate, from its own to the root,
// out of certificates in any order. Each has to be one of them.
func Arrange(c *x509.Certificate, pool [][]byte) ([]*x509.Certificate, error) {
	if len(pool) > maxChain {
		return nil, Malformed("a chain has at most %d certificates", maxChain)
	}
	var rest, path []*x509.Certificate
	for _, der := range pool {
		parsed, err := ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		rest = append(rest, parsed)
	}
	for !SelfSigned(c) {
		i := slices.IndexFunc(rest, func(up *x509.Certificate) bool { return cert.CheckFrom(c, up) == nil })
		if i < 0 {
			return nil, Malformed("the certificate of %s is not signed by any other of the chain", c.Subject)
		}
		c = rest[i]
		path = append(path, c)
		rest = slices.Delete(rest, i, i+1)
	}
	if len(rest) > 0 {
		return nil, Malformed("the certificate of %s does not belong to the chain", rest[0].Subject)
	}
	return path, nil
}

// SelfSigned reports whether the certificate's own key signed it.
func SelfSigned(c *x509.Certificate) bool { return cert.CheckFrom(c, c) == nil }

// CheckPath checks that every certificate of a path (an authority's own, then
// those of its issuers) is that of an authority, is valid at a time, and
// leaves room for those below it (RFC 5280 section 6.1.4). Issuers elsewhere
// may have no key usage at all, which allows everything (6.1.4(n); openssl's
// "req -x509" makes such roots); the authority's own certificate says what it
// is for (4.2.1.3).
func CheckPath(path []*x509.Certificate, now time.Time) error {
	for i, c := range path {
		switch {
		case !c.BasicConstraintsValid || !c.IsCA:
			return Malformed("the certificate of %s is not one of an authority", c.Subject)
		case c.KeyUsage&x509.KeyUsageCertSign == 0 && (i == 0 || hasKeyUsage(c)):
			return Malformed("the certificate of %s has no key usage for signing certificates", c.Subject)
		case now.Add(Backdate).Before(c.NotBefore) || now.After(c.NotAfter): // clocks differ a little
			return Malformed("the certificate of %s is valid from %s to %s", c.Subject,
				c.NotBefore.Format(time.RFC3339), c.NotAfter.Format(time.RFC3339))
		case c.MaxPathLen >= 0 && c.MaxPathLen < between(path[:i]):
			return Malformed("the path length of %s, %d, does not allow %d authorities below it", c.Subject, c.MaxPathLen, between(path[:i]))
		}
		if !lint.Permitted(c, path[i+1:]) {
			return Malformed("the certificate of %s has a name that the name constraints above it do not allow", c.Subject)
		}
	}
	return nil
}

// hasKeyUsage reports whether a certificate has the extension (2.5.29.15),
// whatever it allows.
func hasKeyUsage(c *x509.Certificate) bool {
	return slices.ContainsFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 15}) })
}

// between counts the authorities that a path length counts: those that are
// not self-issued.
func between(path []*x509.Certificate) int {
	n := 0
	for _, c := range path {
		if !bytes.Equal(c.RawSubject, c.RawIssuer) {
			n++
		}
	}
	return n
}

// room returns how many authorities may stand below the first of a path, -1
// for no limit: what its own path length and those above it leave.
func room(path []*x509.Certificate) int {
	least := -1
	for i, c := range path {
		if c.MaxPathLen < 0 {
			continue
		}
		if left := max(0, c.MaxPathLen-between(path[:i])); least < 0 || left < least {
			least = left
		}
	}
	return least
}
