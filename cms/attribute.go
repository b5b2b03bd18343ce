package cms

import (
	"bytes"
	"crypto"
	"crypto/subtle"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

func pkcs9(n ...int) asn1.ObjectIdentifier {
	return append(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9}, n...)
}

// The attributes (RFC 5652 section 11, RFC 5035 section 3).
func oidContentType() asn1.ObjectIdentifier        { return pkcs9(3) }
func oidMessageDigest() asn1.ObjectIdentifier      { return pkcs9(4) }
func oidSigningTime() asn1.ObjectIdentifier        { return pkcs9(5) }
func oidSigningCertificate() asn1.ObjectIdentifier { return pkcs9(16, 2, 47) }

// claims is what the signed attributes say that is understood here.
type claims struct {
	contentType asn1.ObjectIdentifier
	digest      []byte
	time        time.Time // zero: nothing is said
	certificate []byte    // SHA-256 of the signer's certificate; nil: nothing is said
}

// marshal returns the attributes as a SET in DER, in whose order they are.
func (c *claims) marshal() []byte {
	attributes := [][]byte{
		attribute(oidContentType(), func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(c.contentType) }),
		attribute(oidMessageDigest(), func(b *cryptobyte.Builder) { b.AddASN1OctetString(c.digest) }),
		attribute(oidSigningCertificate(), func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { // SigningCertificateV2
				b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { // certs
					b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1OctetString(c.certificate) }) // ESSCertIDv2, whose default is SHA-256
				})
			})
		}),
	}
	if !c.time.IsZero() {
		attributes = append(attributes, attribute(oidSigningTime(), func(b *cryptobyte.Builder) {
			if c.time.Year() < 2050 { // section 11.3
				b.AddASN1UTCTime(c.time.UTC())
			} else {
				b.AddASN1GeneralizedTime(c.time.UTC())
			}
		}))
	}
	slices.SortFunc(attributes, bytes.Compare)
	return wrap(byte(der.SET), bytes.Join(attributes, nil))
}

func attribute(oid asn1.ObjectIdentifier, value cryptobyte.BuilderContinuation) []byte {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(der.SET, value)
	})
	return b.BytesOrPanic()
}

// parseClaims reads signed attributes. Each is there once, with one value.
func parseClaims(set []byte) (*claims, error) {
	in := cryptobyte.String(set)
	var all cryptobyte.String
	if !in.ReadASN1(&all, der.SET) {
		return nil, errCut
	}
	c := &claims{}
	seen := map[string]bool{}
	for !all.Empty() {
		var body, values cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !all.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1ObjectIdentifier(&oid) || !body.ReadASN1(&values, der.SET) || !body.Empty() {
			return nil, errCut
		}
		if seen[oid.String()] {
			return nil, fmt.Errorf("the signed attribute %s is there twice", oid)
		}
		seen[oid.String()] = true
		if err := c.read(oid, values); err != nil {
			return nil, err
		}
	}
	if c.contentType == nil || c.digest == nil {
		return nil, errors.New("the signed attributes lack the content's type or its digest")
	}
	return c, nil
}

// read reads the value of one attribute. Those that are unknown say nothing
// here.
func (c *claims) read(oid asn1.ObjectIdentifier, values cryptobyte.String) error {
	ok := true
	switch {
	case oid.Equal(oidContentType()):
		ok = values.ReadASN1ObjectIdentifier(&c.contentType) && values.Empty()
	case oid.Equal(oidMessageDigest()):
		ok = values.ReadASN1Bytes(&c.digest, der.OCTET_STRING) && values.Empty()
	case oid.Equal(oidSigningTime()):
		if values.PeekASN1Tag(der.UTCTime) {
			ok = values.ReadASN1UTCTime(&c.time) && values.Empty()
		} else {
			ok = values.ReadASN1GeneralizedTime(&c.time) && values.Empty()
		}
	case oid.Equal(oidSigningCertificate()):
		return c.readCertificate(values)
	}
	if !ok {
		return fmt.Errorf("the signed attribute %s has no or another value", oid)
	}
	return nil
}

// readCertificate reads SigningCertificateV2, whose first entry is the
// signer's own (RFC 5035 section 5.4).
func (c *claims) readCertificate(values cryptobyte.String) error {
	var body, certs, first cryptobyte.String
	if !values.ReadASN1(&body, der.SEQUENCE) || !values.Empty() || !body.ReadASN1(&certs, der.SEQUENCE) || !certs.ReadASN1(&first, der.SEQUENCE) {
		return errors.New("the signed attribute of the certificate is malformed")
	}
	hash := algorithm{oid: digests()[0].oid}
	if first.PeekASN1Tag(der.SEQUENCE) {
		hash, _ = readAlgorithm(&first)
	}
	d, err := hash.digest()
	if err != nil {
		return err
	}
	if d.hash != crypto.SHA256 {
		return fmt.Errorf("the signed attribute of the certificate has the hash %s, and not SHA-256", d.hash)
	}
	if !first.ReadASN1Bytes(&c.certificate, der.OCTET_STRING) {
		return errors.New("the signed attribute of the certificate is malformed")
	}
	return nil
}

// check compares what is claimed with what is.
func (c *claims) check(contentType asn1.ObjectIdentifier, digest []byte, signer *x509.Certificate) error {
	switch {
	case !c.contentType.Equal(contentType):
		return errors.New("the signed attributes are of another type of content")
	case subtle.ConstantTimeCompare(c.digest, digest) != 1:
		return errors.New("the content is not what was signed")
	case c.certificate != nil && !bytes.Equal(c.certificate, sum(crypto.SHA256, signer.Raw)):
		return errors.New("the signed attributes name another certificate")
	}
	return nil
}
