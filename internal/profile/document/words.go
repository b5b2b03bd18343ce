package document

import (
	"crypto/x509"
	"encoding/asn1"

	"github.com/holdfast-kms/holdfast/internal/profile"
)

// ParseKeyUsage returns the key usage of words such as "digitalSignature"
// (RFC 5280 section 4.2.1.3).
func ParseKeyUsage(words []string) (x509.KeyUsage, error) { return readUsage(words) }

// ParseExtendedKeyUsage returns the extended key usages of words such as
// "serverAuth" (RFC 5280 section 4.2.1.12) and of object identifiers.
func ParseExtendedKeyUsage(words []string) ([]x509.ExtKeyUsage, []asn1.ObjectIdentifier, error) {
	d, p := document{ExtendedKeyUsage: words}, profile.Profile{}
	err := d.readUsages(&p)
	return p.Extended, p.ExtendedOIDs, err
}
