package object

import (
	"crypto/x509"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Certificate is an X.509 certificate as attributes show it.
type Certificate struct {
	DER                     []byte
	subject, issuer, serial []byte // in DER
	spki                    []byte
}

// ParseCertificate reads a certificate in DER; what is none is
// pkcs11.RVAttributeValueInvalid.
func ParseCertificate(der []byte) (*Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, pkcs11.RVAttributeValueInvalid
	}
	var serial cryptobyte.Builder
	serial.AddASN1BigInt(c.SerialNumber)
	return &Certificate{
		DER: der, subject: c.RawSubject, issuer: c.RawIssuer, serial: serial.BytesOrPanic(), spki: c.RawSubjectPublicKeyInfo,
	}, nil
}

func (c *Certificate) attribute(t pkcs11.AttributeType) []byte {
	switch t { //nolint:exhaustive // the others are not of certificates
	case pkcs11.AttrCertificateType:
		return number(pkcs11.CertificateX509)
	case pkcs11.AttrValue:
		return c.DER
	case pkcs11.AttrSubject:
		return c.subject
	case pkcs11.AttrIssuer:
		return c.issuer
	case pkcs11.AttrSerialNumber:
		return c.serial
	case pkcs11.AttrPublicKeyInfo:
		return c.spki
	case pkcs11.AttrTrusted:
		return boolean(false)
	case pkcs11.AttrCertificateCategory:
		return number(0) // CK_CERTIFICATE_CATEGORY_UNSPECIFIED
	case pkcs11.AttrJavaMIDPSecurityDomain:
		return number(0) // CK_SECURITY_DOMAIN_UNSPECIFIED
	case pkcs11.AttrStartDate, pkcs11.AttrEndDate, pkcs11.AttrURL:
		return []byte{}
	}
	return nil
}

// element returns the contents of a DER element that is all of b.
func element(b []byte, tag asn1.Tag) ([]byte, bool) {
	var inner cryptobyte.String
	in := cryptobyte.String(b)
	return inner, in.ReadASN1(&inner, tag) && in.Empty()
}
