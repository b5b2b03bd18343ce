package profile

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/extension"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/name"
)

// MaxCSR is the longest certificate request taken, in bytes.
const MaxCSR = 32 << 10

// Request is what a certificate request asks for. ReadCSR makes it; a
// Profile's Draft judges it.
type Request struct {
	// Key is the public key, SPKI the same as the request has it, in DER.
	Key     *engine.PublicKey
	SPKI    []byte
	Subject Subject
	Names   Names // not yet checked: see Names.Normal

	rawSubject []byte // the subject in DER, nil where it is not as we would encode it
	isCA       bool
	usage      *x509.KeyUsage
	extended   []asn1.ObjectIdentifier
	others     []pkix.Extension // of the kinds that nobody here reads, and policies and name constraints
}

// malformed returns the error for a request that cannot be taken.
func malformed(format string, args ...any) error {
	return fault.Because(fault.InvalidArgument, fault.MalformedCSR, format, args...)
}

// ReadCSR reads a PKCS #10 request (RFC 2986) in DER: strictly, with its
// signature checked. Its errors have the reason MalformedCSR or, for keys that
// no profile takes, ProfileViolation.
func ReadCSR(der []byte) (*Request, error) {
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
	if err := checkAttributes(csr.RawTBSCertificateRequest); err != nil {
		return nil, err
	}
	r := &Request{SPKI: csr.RawSubjectPublicKeyInfo}
	if k, ok := csr.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() > MaxRSA { // before it costs a huge verification
		return nil, violation("an RSA key of %d bits: %d is the most", k.N.BitLen(), MaxRSA)
	}
	if r.Key, err = cert.CheckRequest(csr); err != nil {
		return nil, err
	}
	if r.Subject, err = name.ParseSubject(csr.RawSubject); err != nil {
		return nil, malformed("the certificate request's subject is %v", err)
	}
	if again, err := r.Subject.DER(); err == nil && sameButOrder(again, csr.RawSubject) {
		r.rawSubject = csr.RawSubject
	}
	return r, r.readExtensions(csr.Extensions)
}

// publicText returns what a caller may know of an error.
func publicText(err error) string {
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Public != "" {
		return e.Public
	}
	return "it is not in order"
}

// sameButOrder reports whether two names have the same attributes, each in the
// same encoding, in whichever order. A request's own order is kept so; its
// outdated string types, and attributes that share a place, are not.
func sameButOrder(ours, theirs []byte) bool {
	if bytes.Equal(ours, theirs) {
		return true
	}
	a, b := places(ours), places(theirs)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// places returns the elements of an RDNSequence.
func places(der []byte) []string {
	input := cryptobyte.String(der)
	var list, element cryptobyte.String
	input.ReadASN1(&list, cbasn1.SEQUENCE)
	var out []string
	for list.ReadASN1Element(&element, cbasn1.SET) {
		out = append(out, string(element))
	}
	return out
}

// checkAttributes refuses a request (CertificationRequestInfo, RFC 2986
// section 4.1) that has an attribute twice, or with more than one value: two
// readers could choose differently.
func checkAttributes(tbs []byte) error {
	input := cryptobyte.String(tbs)
	var body, attributes cryptobyte.String
	var there bool
	ok := input.ReadASN1(&body, cbasn1.SEQUENCE) && body.SkipASN1(cbasn1.INTEGER) && body.SkipASN1(cbasn1.SEQUENCE) &&
		body.SkipASN1(cbasn1.SEQUENCE) && body.ReadOptionalASN1(&attributes, &there, cbasn1.Tag(0).ContextSpecific().Constructed())
	var seen []asn1.ObjectIdentifier
	for ok && !attributes.Empty() {
		var attribute, values, first cryptobyte.String
		var tag cbasn1.Tag
		var oid asn1.ObjectIdentifier
		if ok = attributes.ReadASN1(&attribute, cbasn1.SEQUENCE) && attribute.ReadASN1ObjectIdentifier(&oid) &&
			attribute.ReadASN1(&values, cbasn1.SET) && values.ReadAnyASN1(&first, &tag); !ok {
			break
		}
		if slices.ContainsFunc(seen, oid.Equal) || !values.Empty() {
			return malformed("the certificate request has the attribute %s twice", oid)
		}
		seen = append(seen, oid)
	}
	if !ok {
		return malformed("the certificate request's attributes cannot be read")
	}
	return nil
}

// readExtensions goes through the extensions asked for.
func (r *Request) readExtensions(list []pkix.Extension) error {
	for i, e := range list {
		if slices.ContainsFunc(list[:i], func(f pkix.Extension) bool { return f.Id.Equal(e.Id) }) {
			return malformed("the certificate request has the extension %s twice", e.Id)
		}
		if err := r.readExtension(e); err != nil {
			return err
		}
	}
	return nil
}

func (r *Request) readExtension(e pkix.Extension) (err error) {
	switch {
	case e.Id.Equal(extension.SubjectAltName):
		r.Names, err = name.Parse(e.Value)
		switch {
		case errors.Is(err, name.ErrTooMany):
			return fault.Because(fault.LimitExceeded, fault.MalformedCSR, "a certificate has at most %d names", name.Max)
		case errors.Is(err, name.ErrKind):
			return fault.Because(fault.Unsupported, fault.MalformedCSR, "the request has a subject alternative name of a kind that is not supported")
		case err != nil:
			return malformed("the request's subject alternative names cannot be read")
		}
	case e.Id.Equal(extension.BasicConstraints):
		var bc struct {
			IsCA    bool `asn1:"optional"`
			PathLen int  `asn1:"optional,default:-1"`
		}
		if rest, err := asn1.Unmarshal(e.Value, &bc); err != nil || len(rest) != 0 {
			return malformed("the certificate request's basic constraints cannot be read")
		}
		r.isCA = bc.IsCA
	case e.Id.Equal(extension.KeyUsage):
		var bits asn1.BitString
		if rest, err := asn1.Unmarshal(e.Value, &bits); err != nil || len(rest) != 0 {
			return malformed("the certificate request's key usage cannot be read")
		}
		var usage x509.KeyUsage
		for i := range 9 {
			usage |= x509.KeyUsage(bits.At(i) << i)
		}
		r.usage = &usage
	case e.Id.Equal(extension.ExtendedKeyUsage):
		if rest, err := asn1.Unmarshal(e.Value, &r.extended); err != nil || len(rest) != 0 {
			return malformed("the certificate request's extended key usage cannot be read")
		}
	case e.Id.Equal(extension.SubjectKeyID), e.Id.Equal(extension.AuthorityKeyID): // made here
	default:
		r.others = append(r.others, e)
	}
	return nil
}

// caUsages are the key usages that only authorities have.
const caUsages = x509.KeyUsageCertSign | x509.KeyUsageCRLSign

// judge refuses what a request asks for and cannot have, or returns what is
// passed over, as object identifiers in text.
func (p *Profile) judge(r *Request) (ignored []string, err error) {
	var refusal error
	object := func(oid asn1.ObjectIdentifier, err error) {
		ignored = append(ignored, oid.String())
		if refusal == nil {
			refusal = err
		}
	}
	if r.isCA && !p.CA {
		object(extension.BasicConstraints, violation("the request asks for a CA certificate, which profile %s does not make", p.Name))
	}
	if r.usage != nil && *r.usage&caUsages != 0 && !p.CA {
		object(extension.KeyUsage, violation("the request asks for a key usage that only authorities have"))
	}
	if p.usagesDefined() || !p.Passthrough.CSR {
		given := extension.UsageOIDs(p.Extended, p.ExtendedOIDs)
		for _, oid := range r.extended {
			if !slices.ContainsFunc(given, oid.Equal) {
				object(extension.ExtendedKeyUsage, violation("the request asks for the extended key usage %s, which profile %s does not give", oid, p.Name))
				break
			}
		}
	}
	for _, e := range r.others {
		switch {
		case p.Passthrough.CSR && !p.compiled.defines(e.Id) && p.passable(e) == nil:
		case e.Critical && p.Passthrough.CSR:
			object(e.Id, p.passable(e))
		case e.Critical:
			object(e.Id, fault.Because(fault.Unsupported, fault.MalformedCSR, "the request insists on the extension %s, which profile %s does not take from a request", e.Id, p.Name))
		default:
			ignored = append(ignored, e.Id.String())
		}
	}
	if p.Lenient {
		return ignored, nil
	}
	return ignored, refusal
}

// passable returns nil when a CSR's extension may pass through the profile.
func (p *Profile) passable(e pkix.Extension) error {
	switch {
	case e.Id.Equal(extension.Constraints) && !p.CA:
		return violation("the request asks for name constraints, which only authorities have")
	case !extension.IsValue(e.Value):
		return malformed("the request's extension %s is not one value in DER", e.Id)
	case p.compiled.defines(e.Id):
		return violation("the request asks for the extension %s, which profile %s defines", e.Id, p.Name)
	}
	return nil
}

func (p *Profile) usagesDefined() bool { return len(p.Extended)+len(p.ExtendedOIDs) > 0 }
