// Package bundle reads certificates in whatever form people have them: DER,
// PEM, or PKCS #7. Start with Read.
package bundle

import (
	"bytes"
	"encoding/asn1"
	"encoding/pem"

	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Read returns the certificates in DER that data has, in their
// order: one or several in DER, in PEM, or in a PKCS #7 bundle in either form.
// PEM blocks of other types are passed over. Data without a certificate is a
// MalformedCertificate error.
func Read(data []byte) ([][]byte, error) {
	var list [][]byte
	if block, _ := pem.Decode(data); block == nil {
		list = fromDER(data)
	} else {
		for rest := data; ; {
			if block, rest = pem.Decode(rest); block == nil {
				break
			}
			switch block.Type {
			case "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE":
				list = append(list, firstElement(block.Bytes))
			case "PKCS7", "CMS":
				list = append(list, fromPKCS7(block.Bytes)...)
			}
		}
	}
	for _, der := range list {
		if der == nil {
			list = nil
			break
		}
	}
	if len(list) == 0 {
		return nil, fault.Because(fault.InvalidArgument, fault.MalformedCertificate,
			"no certificate in DER, PEM or a PKCS #7 bundle of certificates")
	}
	return list, nil
}

// firstElement returns the first ASN.1 element: OpenSSL's TRUSTED CERTIFICATE
// has its own notes behind the certificate.
func firstElement(der []byte) []byte {
	input := cryptobyte.String(der)
	var element cryptobyte.String
	if !input.ReadASN1Element(&element, tags.SEQUENCE) {
		return nil
	}
	return bytes.Clone(element)
}

// fromDER returns the certificates of a PKCS #7 bundle, or those that stand
// one behind the other.
func fromDER(data []byte) [][]byte {
	if list := fromPKCS7(data); list != nil {
		return list
	}
	var list [][]byte
	for input := cryptobyte.String(data); !input.Empty(); {
		var element cryptobyte.String
		if !input.ReadASN1Element(&element, tags.SEQUENCE) {
			return nil
		}
		list = append(list, bytes.Clone(element))
	}
	return list
}

// oidSignedData is the content type of a bundle (RFC 2315 section 14).
var oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}

// fromPKCS7 returns the certificates of a SignedData (RFC 2315 section 9.1,
// RFC 5652 section 5.1), nil for what is none. Signatures in it are not looked
// at: a bundle proves nothing.
func fromPKCS7(data []byte) [][]byte {
	input := cryptobyte.String(data)
	var content, wrapped, signed, certificates cryptobyte.String
	var kind asn1.ObjectIdentifier
	zero := tags.Tag(0).ContextSpecific().Constructed()
	var has bool
	if !input.ReadASN1(&content, tags.SEQUENCE) || !content.ReadASN1ObjectIdentifier(&kind) || !kind.Equal(oidSignedData) ||
		!content.ReadASN1(&wrapped, zero) || !wrapped.ReadASN1(&signed, tags.SEQUENCE) ||
		!signed.SkipASN1(tags.INTEGER) || !signed.SkipASN1(tags.SET) || !signed.SkipASN1(tags.SEQUENCE) ||
		!signed.ReadOptionalASN1(&certificates, &has, zero) {
		return nil
	}
	var list [][]byte
	for !certificates.Empty() {
		var element cryptobyte.String
		var tag tags.Tag
		if !certificates.ReadAnyASN1Element(&element, &tag) {
			return nil
		}
		if tag == tags.SEQUENCE { // the other choices are attribute certificates and the like
			list = append(list, bytes.Clone(element))
		}
	}
	return list
}
