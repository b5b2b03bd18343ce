package ocsp

import (
	"crypto"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Status is what an answer says of a certificate (RFC 6960 section 2.2).
type Status uint8

// The statuses. Their numbers are the tags of CertStatus.
const (
	Good    Status = 0 // issued, and not revoked
	Revoked Status = 1
	Unknown Status = 2 // not issued by this issuer, or of another issuer
)

// String returns the status's name in RFC 6960.
func (s Status) String() string {
	switch s {
	case Good:
		return "good"
	case Revoked:
		return "revoked"
	case Unknown:
		return "unknown"
	}
	return fmt.Sprintf("status %d", uint8(s))
}

// Single is the answer about one certificate.
type Single struct {
	ID     CertID
	Status Status
	// RevokedAt and Reason, a number of RFC 5280 section 5.3.1, are of a
	// revoked certificate. The reason 0 (unspecified) is left out.
	RevokedAt time.Time
	Reason    int
	// ThisUpdate is when the status was known to be so, NextUpdate when there
	// will be news at the latest; zero leaves it out.
	ThisUpdate, NextUpdate time.Time
}

// Response is what a responder says and signs (section 4.2.1).
type Response struct {
	// Responder is KeyHash of who signs: the byKey form, which needs no name.
	Responder  []byte
	ProducedAt time.Time
	Singles    []Single
	Nonce      []byte // nil for none
}

// ResponderKeyHash returns the SHA-1 hash of the bits of a responder's public
// key, by which it is named (section 4.2.1).
func ResponderKeyHash(spki []byte) ([]byte, error) {
	bits, err := KeyBits(spki)
	if err != nil {
		return nil, err
	}
	return Digest(crypto.SHA1, bits), nil
}

// Encode returns the ResponseData in DER: the bytes to be signed. Times have
// whole seconds (RFC 5019 section 2.2.4).
func (r *Response) Encode() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(explicit(2), func(b *cryptobyte.Builder) { b.AddASN1OctetString(r.Responder) })
		b.AddASN1GeneralizedTime(r.ProducedAt.UTC())
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for i := range r.Singles {
				r.Singles[i].add(b)
			}
		})
		if r.Nonce != nil {
			b.AddASN1(explicit(1), func(b *cryptobyte.Builder) { addNonce(b, r.Nonce) })
		}
	})
	der, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding an OCSP response: %w", err)
	}
	return der, nil
}

// add adds a SingleResponse.
func (s *Single) add(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(s.ID.Raw)
		switch s.Status {
		case Good, Unknown: // IMPLICIT NULL
			b.AddASN1(cbasn1.Tag(s.Status).ContextSpecific(), func(*cryptobyte.Builder) {})
		case Revoked:
			b.AddASN1(explicit(1), s.addRevoked)
		default:
			b.SetError(errors.New("no such status"))
		}
		b.AddASN1GeneralizedTime(s.ThisUpdate.UTC())
		if !s.NextUpdate.IsZero() {
			b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1GeneralizedTime(s.NextUpdate.UTC()) })
		}
	})
}

// addRevoked adds the content of a RevokedInfo.
func (s *Single) addRevoked(b *cryptobyte.Builder) {
	b.AddASN1GeneralizedTime(s.RevokedAt.UTC())
	if s.Reason != 0 {
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(s.Reason)) })
	}
}

// Assemble returns the OCSPResponse of signed ResponseData: algorithm is the
// AlgorithmIdentifier of the signature in DER, certs what a client needs to
// check it, the responder's own first.
func Assemble(tbs, algorithm, signature []byte, certs ...[]byte) ([]byte, error) {
	var basic cryptobyte.Builder
	basic.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(algorithm)
		b.AddASN1BitString(signature)
		if len(certs) == 0 {
			return
		}
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, c := range certs {
					b.AddBytes(c)
				}
			})
		})
	})
	content, err := basic.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding an OCSP response: %w", err)
	}
	return Envelop(content)
}

// Envelop returns the OCSPResponse of a BasicOCSPResponse in DER.
func Envelop(basic []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Enum(0) // successful
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(oidBasic)) })
				b.AddASN1OctetString(basic)
			})
		})
	})
	return b.Bytes()
}

// Failure is why there is no answer: the OCSPResponseStatus of an unsigned
// response (section 4.2.1).
type Failure uint8

// The failures.
const (
	MalformedRequest Failure = 1
	InternalError    Failure = 2
	TryLater         Failure = 3
	SignatureNeeded  Failure = 5 // sigRequired
	// Unauthorized is also what RFC 5019 section 2.2.3 has a responder say
	// that is not the one to ask about these certificates.
	Unauthorized Failure = 6
)

// Failures returns every failure.
func Failures() []Failure {
	return []Failure{MalformedRequest, InternalError, TryLater, SignatureNeeded, Unauthorized}
}

// String returns the failure's name in RFC 6960.
func (f Failure) String() string {
	switch f {
	case MalformedRequest:
		return "malformedRequest"
	case InternalError:
		return "internalError"
	case TryLater:
		return "tryLater"
	case SignatureNeeded:
		return "sigRequired"
	case Unauthorized:
		return "unauthorized"
	}
	return fmt.Sprintf("failure %d", uint8(f))
}

// Encode returns the OCSPResponse that says so.
func (f Failure) Encode() []byte {
	return []byte{0x30, 0x03, 0x0a, 0x01, byte(f)}
}
