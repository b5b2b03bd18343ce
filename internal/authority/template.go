package authority

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/bits"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

const maxRequestExtensions = 16 // of the caller's, in a request

// Requested is what the certificate request of a pending authority asks for
// beside its name and key.
type Requested struct {
	// KeyUsage is 0 for the signing of certificates and CRLs.
	KeyUsage x509.KeyUsage
	// Extensions are further ones, such as a subject information access.
	Extensions []pkix.Extension
}

// NewRequest returns a request that asks for what an authority needs: the
// basic constraints, with a path length unless it is -1, and a key usage.
func NewRequest(r Requested, pathLen int) (*x509.CertificateRequest, error) {
	if r.KeyUsage == 0 {
		r.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	}
	if r.KeyUsage&x509.KeyUsageCertSign == 0 {
		return nil, fault.New(fault.InvalidArgument, "an authority asks for the key usage of signing certificates")
	}
	if len(r.Extensions) > maxRequestExtensions {
		return nil, fault.New(fault.LimitExceeded, "a request has at most %d further extensions", maxRequestExtensions)
	}
	constraints, err := asn1.Marshal(basicConstraints{true, pathLen})
	if err != nil {
		return nil, fmt.Errorf("encoding basic constraints: %w", err)
	}
	usage, err := asn1.Marshal(usageBits(r.KeyUsage))
	if err != nil {
		return nil, fmt.Errorf("encoding a key usage: %w", err)
	}
	list := []pkix.Extension{
		{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: constraints},
		{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: usage},
	}
	for _, e := range r.Extensions {
		if slices.ContainsFunc(list, func(have pkix.Extension) bool { return have.Id.Equal(e.Id) }) {
			return nil, fault.New(fault.InvalidArgument, "the extension %s is there twice", e.Id)
		}
		list = append(list, e)
	}
	return &x509.CertificateRequest{ExtraExtensions: list}, nil
}

// basicConstraints is BasicConstraints (RFC 5280 section 4.2.1.9).
type basicConstraints struct {
	CA      bool
	PathLen int `asn1:"optional,default:-1"`
}

// usageBits returns a KeyUsage (RFC 5280 section 4.2.1.3), whose first bit is
// the highest of the first byte.
func usageBits(u x509.KeyUsage) asn1.BitString {
	reversed := bits.Reverse16(uint16(u)) //nolint:gosec // there are nine bits
	b := []byte{byte(reversed >> 8), byte(reversed)}
	if b[1] == 0 {
		b = b[:1]
	}
	return asn1.BitString{Bytes: b, BitLength: 16 - bits.LeadingZeros16(uint16(u))} //nolint:gosec // there are nine bits
}

// Renewal returns what a further certificate for the key of one that an
// authority has shall hold: all that does not come from its issuer or its
// time.
func Renewal(c *x509.Certificate) *x509.Certificate {
	t := &x509.Certificate{
		RawSubject: c.RawSubject, Subject: c.Subject, SubjectKeyId: c.SubjectKeyId, KeyUsage: c.KeyUsage,
		BasicConstraintsValid: true, IsCA: true, MaxPathLen: c.MaxPathLen, MaxPathLenZero: c.MaxPathLen == 0,
	}
	for _, e := range c.Extensions {
		if !slices.ContainsFunc(ownExtensions(), e.Id.Equal) {
			t.ExtraExtensions = append(t.ExtraExtensions, e)
		}
	}
	return t
}

// ownExtensions are the extensions that belong to one certificate: those that
// its issuer makes anew, and the proof that a log knows it.
func ownExtensions() []asn1.ObjectIdentifier {
	return []asn1.ObjectIdentifier{
		{2, 5, 29, 14},                     // subject key identifier
		{2, 5, 29, 15},                     // key usage
		{2, 5, 29, 19},                     // basic constraints
		{2, 5, 29, 31},                     // CRL distribution points
		{2, 5, 29, 35},                     // authority key identifier
		{2, 5, 29, 46},                     // freshest CRL
		{1, 3, 6, 1, 5, 5, 7, 1, 1},        // authority information access
		{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}, // signed certificate timestamps (RFC 6962)
	}
}

// SameName reports whether two names in DER have the same attributes with the
// same texts, whichever string types carry them: an issuer may write a name
// its own way (RFC 5280 section 4.1.2.4), and OpenSSL does.
func SameName(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y [][]attribute
	if _, err := asn1.Unmarshal(a, &x); err != nil {
		return false
	}
	if _, err := asn1.Unmarshal(b, &y); err != nil {
		return false
	}
	return slices.EqualFunc(x, y, func(x, y []attribute) bool {
		return slices.EqualFunc(x, y, func(x, y attribute) bool {
			text, isText := x.Value.(string)
			other, bothText := y.Value.(string)
			return x.Type.Equal(y.Type) && isText && bothText && text == other
		})
	})
}

// attribute is AttributeTypeAndValue (RFC 5280 section 4.1.2.4).
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value any
}
