package ocsp

import (
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Answer is an OCSPResponse that was read: what a client sees.
type Answer struct {
	// Failure is why there is no answer, 0 for none; with it, nothing else is
	// set.
	Failure Failure
	// Response is what the responder says. It is named by its key: answers of
	// responders that give their name instead are not read.
	Response Response
	// TBS are the signed bytes, Algorithm the AlgorithmIdentifier and
	// Signature the signature over them. Nothing here checks it.
	TBS, Algorithm, Signature []byte
	// Certificates are what came along, in DER.
	Certificates [][]byte
}

// ParseAnswer reads an OCSPResponse of the kind that this package writes.
// Other extensions than the nonce are refused.
func ParseAnswer(der []byte) (*Answer, error) {
	in := cryptobyte.String(der)
	var outer, wrapped, bytes, oid, content cryptobyte.String
	var status int
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !in.Empty() || !outer.ReadASN1Enum(&status) {
		return nil, malformed("it is no OCSPResponse")
	}
	if status != 0 {
		for _, f := range Failures() {
			if int(f) == status && outer.Empty() {
				return &Answer{Failure: f}, nil
			}
		}
		return nil, malformed("its status is none")
	}
	if !outer.ReadASN1(&wrapped, explicit(0)) || !outer.Empty() ||
		!wrapped.ReadASN1(&bytes, cbasn1.SEQUENCE) || !wrapped.Empty() ||
		!bytes.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) || string(oid) != oidBasic ||
		!bytes.ReadASN1(&content, cbasn1.OCTET_STRING) || !bytes.Empty() {
		return nil, malformed("it is no basic response")
	}
	a := &Answer{}
	return a, a.readBasic(content)
}

// readBasic reads a BasicOCSPResponse.
func (a *Answer) readBasic(content cryptobyte.String) error {
	var basic, tbs, algorithm, wrapped, list cryptobyte.String
	var certs bool
	if !content.ReadASN1(&basic, cbasn1.SEQUENCE) || !content.Empty() ||
		!basic.ReadASN1Element(&tbs, cbasn1.SEQUENCE) || !basic.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) ||
		!basic.ReadASN1BitStringAsBytes(&a.Signature) ||
		!basic.ReadOptionalASN1(&wrapped, &certs, explicit(0)) || !basic.Empty() {
		return malformed("its basic response cannot be read")
	}
	a.TBS, a.Algorithm = tbs, algorithm
	if certs {
		if !wrapped.ReadASN1(&list, cbasn1.SEQUENCE) || !wrapped.Empty() || list.Empty() {
			return malformed("its certificates cannot be read")
		}
		for !list.Empty() {
			var c cryptobyte.String
			if !list.ReadASN1Element(&c, cbasn1.SEQUENCE) {
				return malformed("its certificates cannot be read")
			}
			a.Certificates = append(a.Certificates, c)
		}
	}
	return a.Response.read(tbs)
}

// read reads ResponseData.
func (r *Response) read(tbs cryptobyte.String) error {
	var body, responder, list, wrapped cryptobyte.String
	var extended bool
	if !tbs.ReadASN1(&body, cbasn1.SEQUENCE) ||
		!body.ReadASN1(&responder, explicit(2)) || !responder.ReadASN1Bytes(&r.Responder, cbasn1.OCTET_STRING) || !responder.Empty() ||
		!readTime(&body, &r.ProducedAt) || !body.ReadASN1(&list, cbasn1.SEQUENCE) ||
		!body.ReadOptionalASN1(&wrapped, &extended, explicit(1)) || !body.Empty() {
		return malformed("its data cannot be read")
	}
	for !list.Empty() {
		var s Single
		if err := s.read(&list); err != nil {
			return err
		}
		r.Singles = append(r.Singles, s)
	}
	if !extended {
		return nil
	}
	var want cryptobyte.Builder
	raw := []byte(wrapped)
	nonce, err := readExtensions(wrapped, true)
	if err != nil {
		return err
	}
	if addNonce(&want, nonce); string(want.BytesOrPanic()) != string(raw) {
		return malformed("it has other extensions than a nonce")
	}
	r.Nonce = nonce
	return nil
}

// read reads a SingleResponse from the front of the list.
func (s *Single) read(list *cryptobyte.String) error {
	var body, status, wrapped cryptobyte.String
	var tag cbasn1.Tag
	var next bool
	if !list.ReadASN1(&body, cbasn1.SEQUENCE) {
		return malformed("a single response cannot be read")
	}
	var err error
	if s.ID, err = readCertID(&body); err != nil {
		return err
	}
	ok := body.ReadAnyASN1(&status, &tag)
	switch {
	case ok && tag == cbasn1.Tag(Good).ContextSpecific() && status.Empty():
		s.Status = Good
	case ok && tag == cbasn1.Tag(Unknown).ContextSpecific() && status.Empty():
		s.Status = Unknown
	case ok && tag == explicit(1):
		s.Status, ok = Revoked, s.readRevoked(status)
	default:
		ok = false
	}
	if !ok || !readTime(&body, &s.ThisUpdate) || !body.ReadOptionalASN1(&wrapped, &next, explicit(0)) || !body.Empty() ||
		next && (!readTime(&wrapped, &s.NextUpdate) || !wrapped.Empty() || s.NextUpdate.IsZero()) {
		return malformed("a single response cannot be read")
	}
	return nil
}

// readRevoked reads the content of a RevokedInfo.
func (s *Single) readRevoked(in cryptobyte.String) bool {
	var wrapped cryptobyte.String
	var given bool
	if !readTime(&in, &s.RevokedAt) || !in.ReadOptionalASN1(&wrapped, &given, explicit(0)) || !in.Empty() {
		return false
	}
	return !given || wrapped.ReadASN1Enum(&s.Reason) && wrapped.Empty() && s.Reason > 0 && s.Reason <= 10
}

// readTime reads a GeneralizedTime in the one form that RFC 5280 section
// 4.1.2.5.2 has: to the second, in UTC.
func readTime(in *cryptobyte.String, t *time.Time) bool {
	var peek cryptobyte.String
	look := *in
	if !look.ReadASN1(&peek, cbasn1.GeneralizedTime) || len(peek) != len("20060102150405Z") {
		return false
	}
	return in.ReadASN1GeneralizedTime(t) && t.Location() == time.UTC
}
