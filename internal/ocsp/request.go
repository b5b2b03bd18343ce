package ocsp

import (
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Request is a question (RFC 6960 section 4.1).
type Request struct {
	// IDs are the certificates asked about, at least one.
	IDs []CertID
	// Nonce is what the answer has to repeat (RFC 9654), nil for none.
	Nonce []byte
	// Signed says that the request carries a signature. It is read for its
	// form and not checked: answers are for everybody, and RFC 6960 section
	// 4.1.2 leaves it to the responder whether a signature means anything.
	Signed bool
}

// ParseRequest reads an OCSPRequest in DER. Extensions that it does not know
// are skipped, critical ones refused (section 4.4). Every error is an
// InvalidArgument, which OCSP answers with malformedRequest.
func ParseRequest(der []byte) (*Request, error) {
	if len(der) > MaxRequest {
		return nil, malformed("it is too long")
	}
	in := cryptobyte.String(der)
	var outer, tbs, signature cryptobyte.String
	r := &Request{}
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !in.Empty() || !outer.ReadASN1(&tbs, cbasn1.SEQUENCE) ||
		!outer.ReadOptionalASN1(&signature, &r.Signed, explicit(0)) || !outer.Empty() {
		return nil, malformed("it is no OCSPRequest")
	}
	if r.Signed && !checkSignature(signature) {
		return nil, malformed("its signature cannot be read")
	}
	return r, r.readBody(tbs)
}

// explicit returns the tag [n] EXPLICIT.
func explicit(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }

// checkSignature reports whether in is a Signature (section 4.1.1).
func checkSignature(in cryptobyte.String) bool {
	var body, bits, certs, list cryptobyte.String
	var present bool
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.SkipASN1(cbasn1.SEQUENCE) ||
		!body.ReadASN1(&bits, cbasn1.BIT_STRING) || len(bits) < 1 || bits[0] > 7 ||
		!body.ReadOptionalASN1(&certs, &present, explicit(0)) || !body.Empty() {
		return false
	}
	if !present {
		return true
	}
	if !certs.ReadASN1(&list, cbasn1.SEQUENCE) || !certs.Empty() {
		return false
	}
	for !list.Empty() {
		if !list.SkipASN1(cbasn1.SEQUENCE) {
			return false
		}
	}
	return true
}

// readBody reads the content of a TBSRequest.
func (r *Request) readBody(tbs cryptobyte.String) error {
	var name, list, wrapped cryptobyte.String
	var named, extended bool
	// The version is v1, the DEFAULT, which DER leaves out.
	if !tbs.ReadOptionalASN1(&name, &named, explicit(1)) || named && !oneElement(name) ||
		!tbs.ReadASN1(&list, cbasn1.SEQUENCE) || list.Empty() ||
		!tbs.ReadOptionalASN1(&wrapped, &extended, explicit(2)) || !tbs.Empty() {
		return malformed("its body cannot be read")
	}
	for !list.Empty() {
		if len(r.IDs) == MaxSingles {
			return malformed("it asks about too many certificates")
		}
		id, err := readSingleRequest(&list)
		if err != nil {
			return err
		}
		r.IDs = append(r.IDs, id)
	}
	if !extended {
		return nil
	}
	var err error
	r.Nonce, err = readExtensions(wrapped, true)
	return err
}

// oneElement reports whether in is exactly one element of any kind.
func oneElement(in cryptobyte.String) bool {
	var content cryptobyte.String
	var tag cbasn1.Tag
	return in.ReadAnyASN1(&content, &tag) && in.Empty()
}

// readSingleRequest reads a Request of the requestList.
func readSingleRequest(list *cryptobyte.String) (CertID, error) {
	var single, wrapped cryptobyte.String
	var extended bool
	if !list.ReadASN1(&single, cbasn1.SEQUENCE) {
		return CertID{}, malformed("its list cannot be read")
	}
	id, err := readCertID(&single)
	if err != nil {
		return id, err
	}
	if !single.ReadOptionalASN1(&wrapped, &extended, explicit(0)) || !single.Empty() {
		return id, malformed("its list cannot be read")
	}
	if extended {
		_, err = readExtensions(wrapped, false)
	}
	return id, err
}

// readExtensions reads Extensions and returns the nonce among them, where one
// may be. An unknown critical extension is refused, and one that comes twice.
func readExtensions(wrapped cryptobyte.String, nonceHere bool) (nonce []byte, err error) {
	var list cryptobyte.String
	if !wrapped.ReadASN1(&list, cbasn1.SEQUENCE) || !wrapped.Empty() || list.Empty() {
		return nil, malformed("its extensions cannot be read")
	}
	seen := map[string]bool{}
	for !list.Empty() {
		var e, oid, value cryptobyte.String
		var critical bool
		if !list.ReadASN1(&e, cbasn1.SEQUENCE) || !e.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) || !validOID(oid) ||
			!readCritical(&e, &critical) || !e.ReadASN1(&value, cbasn1.OCTET_STRING) || !e.Empty() {
			return nil, malformed("its extensions cannot be read")
		}
		if seen[string(oid)] {
			return nil, malformed("an extension comes twice")
		}
		seen[string(oid)] = true
		switch {
		case nonceHere && string(oid) == oidNonce:
			if !value.ReadASN1Bytes(&nonce, cbasn1.OCTET_STRING) || !value.Empty() || len(nonce) == 0 || len(nonce) > MaxNonce {
				return nil, malformed("its nonce has not 1 to 128 bytes")
			}
		case critical:
			return nil, malformed("the critical extension " + oidText(oid) + " is not known")
		}
	}
	return nonce, nil
}

// readCritical reads BOOLEAN DEFAULT FALSE, which in DER is TRUE or absent.
func readCritical(e *cryptobyte.String, critical *bool) bool {
	if !e.PeekASN1Tag(cbasn1.BOOLEAN) {
		return true
	}
	return e.ReadASN1Boolean(critical) && *critical
}

// Encode returns the request in DER: what a client sends. A signature is not
// made.
func (r *Request) Encode() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, id := range r.IDs {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(id.Raw) })
				}
			})
			if r.Nonce != nil {
				b.AddASN1(explicit(2), func(b *cryptobyte.Builder) { addNonce(b, r.Nonce) })
			}
		})
	})
	return b.Bytes()
}

// addNonce adds Extensions with the nonce alone.
func addNonce(b *cryptobyte.Builder, nonce []byte) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(oidNonce)) })
			b.AddASN1(cbasn1.OCTET_STRING, func(b *cryptobyte.Builder) { b.AddASN1OctetString(nonce) })
		})
	})
}
