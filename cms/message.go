package cms

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

const (
	// maxSigners and maxCertificates bound the work that a stranger's message
	// makes.
	maxSigners      = 32
	maxCertificates = 64
)

func pkcs7(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, n} } // RFC 5652 section 4

func oidData() asn1.ObjectIdentifier       { return pkcs7(1) }
func oidSignedData() asn1.ObjectIdentifier { return pkcs7(2) }

// SignedData is a message with its signatures, or signatures alone of a
// content that is elsewhere.
type SignedData struct {
	// ContentType is the content's type, most often data (1.2.840.113549.1.7.1).
	ContentType asn1.ObjectIdentifier
	// Certificates are those in the message that can be read. Nothing is known
	// of them but that somebody put them there.
	Certificates []*x509.Certificate
	// Signers are what the message says of its signatures.
	Signers []*SignerInfo

	version    int
	digests    []algorithm
	content    []byte // nil: detached
	choices    [][]byte
	lists      []byte // the CRLs with their tag, which nobody looks at
	withChoice bool   // the field of the certificates is there
}

// SignerInfo is one signature. What it says is believed only once it was
// verified.
type SignerInfo struct {
	// Issuer (in DER) and Serial name the signer's certificate, or
	// SubjectKeyID does.
	Issuer       []byte
	Serial       *big.Int
	SubjectKeyID []byte

	version    int
	digest     algorithm
	attributes []byte // a SET, in DER
	algorithm  algorithm
	signature  []byte
	unsigned   []byte // with its tag, which nobody looks at
}

func tag(n uint8) der.Tag { return der.Tag(n).ContextSpecific() }

// Detached reports whether the content is elsewhere.
func (d *SignedData) Detached() bool { return d.content == nil }

// Parse reads a message in DER, BER or PEM.
func Parse(data []byte) (*SignedData, error) {
	if block, _ := pem.Decode(data); block != nil {
		if !slices.Contains([]string{"CMS", "PKCS7", "PKCS #7 SIGNED DATA"}, block.Type) {
			return nil, fmt.Errorf("reading CMS: the PEM block is a %s", block.Type)
		}
		data = block.Bytes
	}
	data, err := normalize(data)
	if err != nil {
		return nil, fmt.Errorf("reading CMS: %w", err)
	}
	d, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("reading CMS: %w", err)
	}
	return d, nil
}

var errCut = errors.New("an element is missing, or another one is in its place")

// parse reads ContentInfo and SignedData (RFC 5652 sections 3 and 5.1).
func parse(data []byte) (*SignedData, error) {
	in := cryptobyte.String(data)
	var info, explicit, body cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !in.ReadASN1(&info, der.SEQUENCE) || !in.Empty() || !info.ReadASN1ObjectIdentifier(&oid) {
		return nil, errCut
	}
	if !oid.Equal(oidSignedData()) {
		return nil, fmt.Errorf("its type is %s, and not signed data", oid)
	}
	if !info.ReadASN1(&explicit, tag(0).Constructed()) || !info.Empty() || !explicit.ReadASN1(&body, der.SEQUENCE) || !explicit.Empty() {
		return nil, errCut
	}
	d := &SignedData{}
	var set cryptobyte.String
	if !body.ReadASN1Integer(&d.version) || !body.ReadASN1(&set, der.SET) {
		return nil, errCut
	}
	for !set.Empty() {
		a, ok := readAlgorithm(&set)
		if !ok || len(d.digests) == maxSigners {
			return nil, errCut
		}
		d.digests = append(d.digests, a)
	}
	if err := d.readContent(&body); err != nil {
		return nil, err
	}
	if err := d.readCertificates(&body); err != nil {
		return nil, err
	}
	return d, d.readSigners(&body)
}

// readContent reads EncapsulatedContentInfo (section 5.2).
func (d *SignedData) readContent(body *cryptobyte.String) error {
	var encapsulated, explicit, content cryptobyte.String
	var present bool
	if !body.ReadASN1(&encapsulated, der.SEQUENCE) || !encapsulated.ReadASN1ObjectIdentifier(&d.ContentType) ||
		!encapsulated.ReadOptionalASN1(&explicit, &present, tag(0).Constructed()) || !encapsulated.Empty() {
		return errCut
	}
	if present {
		if !explicit.ReadASN1(&content, der.OCTET_STRING) || !explicit.Empty() {
			return errCut
		}
		d.content = append([]byte{}, content...) // not nil, also when empty
	}
	return nil
}

// readCertificates reads the certificates and revocation lists.
func (d *SignedData) readCertificates(body *cryptobyte.String) error {
	var set cryptobyte.String
	if !body.ReadOptionalASN1(&set, &d.withChoice, tag(0).Constructed()) {
		return errCut
	}
	for !set.Empty() {
		var choice cryptobyte.String
		var t der.Tag
		if !set.ReadAnyASN1Element(&choice, &t) || len(d.choices) == maxCertificates {
			return fmt.Errorf("more than %d certificates, or one is cut", maxCertificates)
		}
		d.choices = append(d.choices, choice)
		// Attribute certificates and the like, and keys that are not known
		// here, are nobody's who signs here.
		if c, err := x509.ParseCertificate(choice); err == nil && t == der.SEQUENCE {
			d.Certificates = append(d.Certificates, c)
		}
	}
	if body.PeekASN1Tag(tag(1).Constructed()) && !body.ReadASN1Element((*cryptobyte.String)(&d.lists), tag(1).Constructed()) {
		return errCut
	}
	return nil
}

func (d *SignedData) readSigners(body *cryptobyte.String) error {
	var set cryptobyte.String
	if !body.ReadASN1(&set, der.SET) || !body.Empty() {
		return errCut
	}
	for !set.Empty() {
		s, err := readSigner(&set)
		if err != nil {
			return err
		}
		if d.Signers = append(d.Signers, s); len(d.Signers) > maxSigners {
			return fmt.Errorf("more than %d signatures", maxSigners)
		}
	}
	return nil
}

// readSigner reads SignerInfo (section 5.3).
func readSigner(set *cryptobyte.String) (*SignerInfo, error) {
	s := &SignerInfo{}
	var body, name, issuer, keyID cryptobyte.String
	if !set.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1Integer(&s.version) {
		return nil, errCut
	}
	if body.PeekASN1Tag(tag(0)) {
		if !body.ReadASN1(&keyID, tag(0)) {
			return nil, errCut
		}
		s.SubjectKeyID = append([]byte{}, keyID...)
	} else {
		s.Serial = new(big.Int)
		if !body.ReadASN1(&name, der.SEQUENCE) || !name.ReadASN1Element(&issuer, der.SEQUENCE) || !name.ReadASN1Integer(s.Serial) || !name.Empty() {
			return nil, errCut
		}
		s.Issuer = issuer
	}
	var attributes cryptobyte.String
	var present, ok bool
	if s.digest, ok = readAlgorithm(&body); !ok || !body.ReadOptionalASN1(&attributes, &present, tag(0).Constructed()) {
		return nil, errCut
	}
	if present {
		// They are signed as the SET that they are, whatever the tag (section 5.4).
		s.attributes = wrap(byte(der.SET), attributes)
	}
	if s.algorithm, ok = readAlgorithm(&body); !ok || !body.ReadASN1Bytes(&s.signature, der.OCTET_STRING) {
		return nil, errCut
	}
	if body.PeekASN1Tag(tag(1).Constructed()) && !body.ReadASN1Element((*cryptobyte.String)(&s.unsigned), tag(1).Constructed()) {
		return nil, errCut
	}
	if !body.Empty() {
		return nil, errCut
	}
	return s, nil
}

// Marshal returns the message in DER.
func (d *SignedData) Marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSignedData())
		b.AddASN1(tag(0).Constructed(), func(b *cryptobyte.Builder) { b.AddASN1(der.SEQUENCE, d.add) })
	})
	return b.Bytes()
}

func (d *SignedData) add(b *cryptobyte.Builder) {
	b.AddASN1Int64(int64(d.version))
	b.AddASN1(der.SET, func(b *cryptobyte.Builder) {
		for _, a := range d.digests {
			a.add(b)
		}
	})
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(d.ContentType)
		if d.content != nil {
			b.AddASN1(tag(0).Constructed(), func(b *cryptobyte.Builder) { b.AddASN1OctetString(d.content) })
		}
	})
	if d.withChoice {
		b.AddASN1(tag(0).Constructed(), func(b *cryptobyte.Builder) { b.AddBytes(bytes.Join(d.choices, nil)) })
	}
	b.AddBytes(d.lists)
	b.AddASN1(der.SET, func(b *cryptobyte.Builder) {
		for _, s := range d.Signers {
			b.AddASN1(der.SEQUENCE, s.add)
		}
	})
}

func (s *SignerInfo) add(b *cryptobyte.Builder) {
	b.AddASN1Int64(int64(s.version))
	if s.SubjectKeyID != nil {
		b.AddASN1(tag(0), func(b *cryptobyte.Builder) { b.AddBytes(s.SubjectKeyID) })
	} else {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(s.Issuer)
			b.AddASN1BigInt(s.Serial)
		})
	}
	s.digest.add(b)
	if s.attributes != nil {
		b.AddBytes(retag(s.attributes, byte(tag(0).Constructed())))
	}
	s.algorithm.add(b)
	b.AddASN1OctetString(s.signature)
	b.AddBytes(s.unsigned)
}

// retag returns an element with another tag.
func retag(element []byte, tag byte) []byte {
	return append([]byte{tag}, element[1:]...)
}
