package cert

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// ParsePublic reads a SubjectPublicKeyInfo (RFC 5280 section 4.1) in DER, as
// strictly as engine.ParsePublic and without being told the spec, which is
// NoSpec for a key of a size that the table lacks, such as RSA with 8,192
// bits. Kinds of keys that certificates are not for are Unsupported.
func ParsePublic(spki []byte) (*engine.PublicKey, error) {
	pub, err := engine.ParseForeign(spki)
	if err != nil {
		return nil, err
	}
	if spec := pub.Spec(); spec != alg.NoSpec {
		return pub, CheckSpec(spec)
	}
	return pub, nil
}

// PublicOf returns a certificate's public key.
func PublicOf(c *x509.Certificate) (*engine.PublicKey, error) {
	return ParsePublic(c.RawSubjectPublicKeyInfo)
}

// SubjectKeyID returns the subject key identifier of a public key: the first
// 160 bits of the SHA-256 of its bits (RFC 7093 section 2, method 1; it is
// what crypto/x509 has for authorities as well).
func SubjectKeyID(spki []byte) ([]byte, error) {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(spki, &info); err != nil {
		return nil, fmt.Errorf("reading a public key: %w", err)
	}
	sum := sha256.Sum256(info.Key.Bytes)
	return sum[:20], nil
}
