package profile

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// MaxCSR is the longest certificate request taken, in bytes.
const MaxCSR = 32 << 10

// Extensions that a request may ask for (RFC 5280 section 4.2).
var (
	oidSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidExtendedKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
)

// Kinds of names (RFC 5280 section 4.2.1.6), as tags.
const (
	tagEmail = 0x80 | 1
	tagDNS   = 0x80 | 2
	tagURI   = 0x80 | 6
	tagIP    = 0x80 | 7
)

// Request is what a certificate request asks for. ReadCSR makes it.
type Request struct {
	// Key is the public key, SPKI the same as the request has it, in DER.
	Key  crypto.PublicKey
	SPKI []byte
	// Subject is the one that the caller gave, else the request's.
	Subject Subject
	Names   Names // not yet checked: see Names.Normal
	// Ignored are the extensions that were asked for without insisting and
	// are not honoured, as object identifiers in text.
	Ignored  []string
	extended []asn1.ObjectIdentifier // the extended key usages
}

// malformed returns the error for a request that cannot be taken.
func malformed(format string, args ...any) error {
	return fault.Because(fault.InvalidArgument, fault.MalformedCSR, format, args...)
}

// ReadCSR reads a PKCS #10 request (RFC 2986) in DER: strictly, with its
// signature checked, and with nothing in it that would have to be overlooked.
// subject is the one that the caller gives instead of the request's, or empty.
// Its errors have the reason MalformedCSR or, for what only authorities may
// have and for keys that no profile takes, ProfileViolation.
func ReadCSR(der []byte, subject Subject) (*Request, error) {
	if len(der) > MaxCSR {
		return nil, fault.Because(fault.LimitExceeded, fault.MalformedCSR,
			"a certificate request is at most %d bytes", MaxCSR)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, malformed("the certificate request cannot be read: %v", err)
	}
	if csr.Version != 0 {
		return nil, malformed("the certificate request is not of version 1")
	}
	if csr.PublicKeyAlgorithm == x509.UnknownPublicKeyAlgorithm {
		return nil, fault.Because(fault.Unsupported, fault.MalformedCSR,
			"the request's key is of a kind for which no certificates are issued")
	}
	if err := checkProof(csr); err != nil {
		return nil, err
	}
	r := &Request{Key: csr.PublicKey, SPKI: csr.RawSubjectPublicKeyInfo, Subject: subject}
	if subject == (Subject{}) {
		if r.Subject, err = subjectOf(csr.Subject); err != nil {
			return nil, err
		}
	}
	if err := r.readExtensions(csr.Extensions); err != nil {
		return nil, err
	}
	if r.Names, err = namesOf(csr); err != nil {
		return nil, err
	}
	return r, nil
}

// checkProof checks that whoever made the request has its private key.
func checkProof(csr *x509.CertificateRequest) error {
	if rules := Builtin()[0].Keys; rules.Check(csr.PublicKey) != nil {
		return rules.Check(csr.PublicKey) // before a huge key costs a huge verification
	}
	switch csr.SignatureAlgorithm { //nolint:exhaustive // only the broken ones are of interest
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.MD5WithRSA, x509.MD2WithRSA:
		return malformed("the certificate request is signed by %s, which is broken", csr.SignatureAlgorithm)
	}
	if err := csr.CheckSignature(); err != nil {
		return malformed("the certificate request's own signature does not verify")
	}
	return nil
}

// readExtensions goes through the extensions asked for. What only an
// authority may have, and what is critical and unknown, is refused; key usage
// is the profile's affair.
func (r *Request) readExtensions(list []pkix.Extension) error {
	seen := map[string]bool{}
	for _, e := range list {
		id := e.Id.String()
		if seen[id] {
			return malformed("the certificate request has the extension %s twice", id)
		}
		seen[id] = true
		if err := r.readExtension(e); err != nil {
			return err
		}
	}
	return nil
}

func (r *Request) readExtension(e pkix.Extension) error {
	switch {
	case e.Id.Equal(oidSubjectAltName):
		return checkNameKinds(e.Value)
	case e.Id.Equal(oidBasicConstraints):
		var bc struct {
			IsCA    bool `asn1:"optional"`
			PathLen int  `asn1:"optional,default:-1"`
		}
		if rest, err := asn1.Unmarshal(e.Value, &bc); err != nil || len(rest) != 0 {
			return malformed("the certificate request's basic constraints cannot be read")
		}
		if bc.IsCA {
			return violation("the request asks for a CA certificate: authorities are made by creating one")
		}
	case e.Id.Equal(oidKeyUsage):
		var bits asn1.BitString
		if rest, err := asn1.Unmarshal(e.Value, &bits); err != nil || len(rest) != 0 {
			return malformed("the certificate request's key usage cannot be read")
		}
		if bits.At(5) != 0 || bits.At(6) != 0 { // keyCertSign, cRLSign
			return violation("the request asks for a key usage that only authorities have")
		}
	case e.Id.Equal(oidExtendedKeyUsage):
		if rest, err := asn1.Unmarshal(e.Value, &r.extended); err != nil || len(rest) != 0 {
			return malformed("the certificate request's extended key usage cannot be read")
		}
	case e.Id.Equal(oidSubjectKeyID): // computed here
	case e.Critical:
		return fault.Because(fault.Unsupported, fault.MalformedCSR, "the request insists on the extension %s, which is not supported", e.Id)
	default:
		r.Ignored = append(r.Ignored, e.Id.String())
	}
	return nil
}

// checkNameKinds refuses names of kinds that Names does not have (crypto/x509
// passes over them in silence), and too many of them.
func checkNameKinds(der []byte) error {
	input := cryptobyte.String(der)
	var list cryptobyte.String
	if !input.ReadASN1(&list, cbasn1.SEQUENCE) || !input.Empty() {
		return malformed("the request's subject alternative names cannot be read")
	}
	for count := 0; !list.Empty(); count++ {
		var name cryptobyte.String
		var tag cbasn1.Tag
		if !list.ReadAnyASN1(&name, &tag) {
			return malformed("the request's subject alternative names cannot be read")
		}
		if count >= MaxNames {
			return fault.New(fault.LimitExceeded, "a certificate has at most %d names", MaxNames)
		}
		switch tag {
		case tagEmail, tagDNS, tagURI, tagIP:
		default:
			return fault.Because(fault.Unsupported, fault.MalformedCSR,
				"the request has a subject alternative name that is no DNS name, IP address, URI or e-mail address")
		}
	}
	return nil
}

// CheckRequest refuses a request for an extended key usage that the profile
// does not give (ProfileViolation): better than a certificate that its owner
// did not expect.
func (p *Profile) CheckRequest(r *Request) error {
	for _, oid := range r.extended {
		if !slices.ContainsFunc(p.Extended, func(u x509.ExtKeyUsage) bool { return u.OID().EqualASN1OID(oid) }) {
			return violation("the request asks for the extended key usage %s, which profile %s does not give", oid, p.Name)
		}
	}
	return nil
}
