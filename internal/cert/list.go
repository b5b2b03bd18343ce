package cert

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// List says what a certificate revocation list (RFC 5280 section 5) is, but
// for its entries.
type List struct {
	// Number grows with each list of the issuer and scope (section 5.2.3).
	Number *big.Int
	// Base, of a delta list, is the number of the complete list that it
	// continues (section 5.2.4); nil for a complete list.
	Base                   *big.Int
	ThisUpdate, NextUpdate time.Time
	// Scope is nil for a list of all that the issuer issued.
	Scope *Scope
	// Freshest, in a complete list, are the URLs of the delta list (section
	// 5.2.6).
	Freshest []string
	// Extensions are more extensions of the list.
	Extensions []pkix.Extension
}

// Scope is the issuing distribution point (RFC 5280 section 5.2.5): the list
// has only the revocations of certificates that name one of the URLs.
type Scope struct {
	URLs []string
	// Users or authorities alone, when one is set.
	UsersOnly, AuthoritiesOnly bool
}

// Entry is a revoked certificate.
type Entry struct {
	// Serial is the serial number, big-endian.
	Serial    []byte
	RevokedAt time.Time
	// Reason is a CRLReason (RFC 5280 section 5.3.1); 0, unspecified, is left
	// out as that section asks.
	Reason int
	// InvalidAt is when the key is thought to have been lost (section 5.3.2),
	// or zero.
	InvalidAt time.Time
}

// removeFromCRL is the reason that only delta lists have.
const removeFromCRL = 8

// Object identifiers of extensions (RFC 5280 sections 4.2.1.1 and 5.2), as the
// last number after id-ce.
const (
	ceCRLNumber = 20
	ceDelta     = 27
	ceScope     = 28
	ceAuthority = 35
	ceFreshest  = 46
)

// tagged0 is the tag of an element that is constructed and context-specific
// with the number 0.
const tagged0 = cbasn1.Tag(0xa0)

// head writes what comes before the entries: version, algorithm, issuer, times.
func (l *List) head(identifier, issuer []byte) ([]byte, error) {
	if !l.NextUpdate.After(l.ThisUpdate) {
		return nil, fault.New(fault.InvalidArgument, "a revocation list's next update is after this one")
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1Int64(1) // v2
	b.AddBytes(identifier)
	b.AddBytes(issuer)
	b.AddBytes(appendTime(nil, l.ThisUpdate))
	b.AddBytes(appendTime(nil, l.NextUpdate))
	return b.Bytes()
}

// tail writes what comes after the entries: the extensions.
func (l *List) tail(issuer *x509.Certificate) ([]byte, error) {
	if l.Number == nil || l.Number.Sign() < 0 || l.Base != nil && l.Base.Cmp(l.Number) >= 0 {
		return nil, fault.New(fault.InvalidArgument, "a revocation list has a number, and a delta list's base is below it")
	}
	if len(issuer.SubjectKeyId) == 0 {
		return nil, fault.New(fault.InvalidArgument, "the issuer's certificate has no subject key identifier")
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(tagged0, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addExtension(b, ceAuthority, false, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(issuer.SubjectKeyId) })
				})
			})
			addExtension(b, ceCRLNumber, false, func(b *cryptobyte.Builder) { b.AddASN1BigInt(l.Number) })
			if l.Base != nil {
				addExtension(b, ceDelta, true, func(b *cryptobyte.Builder) { b.AddASN1BigInt(l.Base) })
			}
			if l.Scope != nil {
				addExtension(b, ceScope, true, l.Scope.add)
			}
			if len(l.Freshest) > 0 {
				addExtension(b, ceFreshest, false, l.addFreshest)
			}
			for _, e := range l.Extensions {
				b.MarshalASN1(e)
			}
		})
	})
	return b.Bytes()
}

// addExtension writes an Extension (RFC 5280 section 4.1) of id-ce.
func addExtension(b *cryptobyte.Builder, id int, critical bool, value cryptobyte.BuilderContinuation) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{2, 5, 29, id})
		if critical {
			b.AddASN1Boolean(true)
		}
		b.AddASN1(cbasn1.OCTET_STRING, value)
	})
}

// add writes an IssuingDistributionPoint.
func (s *Scope) add(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if len(s.URLs) > 0 {
			addPoint(b, s.URLs)
		}
		for tag, set := range []bool{1: s.UsersOnly, 2: s.AuthoritiesOnly} {
			if set {
				b.AddASN1(cbasn1.Tag(tag).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddUint8(0xff) })
			}
		}
	})
}

// addFreshest writes CRLDistributionPoints with one point.
func (l *List) addFreshest(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { addPoint(b, l.Freshest) })
	})
}

// addPoint writes a distributionPoint with the URLs as its full name.
func addPoint(b *cryptobyte.Builder, urls []string) {
	b.AddASN1(tagged0, func(b *cryptobyte.Builder) {
		b.AddASN1(tagged0, func(b *cryptobyte.Builder) {
			for _, url := range urls {
				b.AddASN1(cbasn1.Tag(6).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(url)) })
			}
		})
	})
}

// appendTime appends a Time: UTCTime until 2049, GeneralizedTime from 2050 on
// (RFC 5280 section 4.1.2.5).
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	if y := t.Year(); y >= 1950 && y < 2050 {
		return t.AppendFormat(append(dst, byte(cbasn1.UTCTime), 13), "060102150405Z")
	}
	return appendGeneralized(dst, t)
}

func appendGeneralized(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(append(dst, byte(cbasn1.GeneralizedTime), 15), "20060102150405Z")
}

// append appends the entry in DER. No part of it is longer than 127 bytes, so
// each length is one byte: there may be a million entries.
func (e *Entry) append(dst []byte, delta bool) ([]byte, error) {
	serial := e.Serial
	for len(serial) > 0 && serial[0] == 0 {
		serial = serial[1:]
	}
	if len(serial) == 0 || len(serial) > 20 {
		return nil, fault.New(fault.InvalidArgument, "a serial number has 1 to 20 bytes and is not 0")
	}
	if e.Reason < 0 || e.Reason > 10 || e.Reason == 7 || e.Reason == removeFromCRL && !delta {
		return nil, fault.New(fault.InvalidArgument, "%d is no reason for a revocation in this list", e.Reason)
	}
	start := len(dst)
	dst = append(dst, 0x30, 0)
	if serial[0] >= 0x80 {
		dst = append(dst, 0x02, byte(len(serial)+1), 0) //nolint:gosec // at most 21
	} else {
		dst = append(dst, 0x02, byte(len(serial))) //nolint:gosec // at most 20
	}
	dst = appendTime(append(dst, serial...), e.RevokedAt)
	dst = e.appendExtensions(dst)
	dst[start+1] = byte(len(dst) - start - 2) //nolint:gosec // at most 83
	return dst, nil
}

func (e *Entry) appendExtensions(dst []byte) []byte {
	if e.Reason == 0 && e.InvalidAt.IsZero() {
		return dst
	}
	start := len(dst)
	dst = append(dst, 0x30, 0)
	if e.Reason != 0 {
		dst = append(dst, 0x30, 10, 0x06, 3, 0x55, 0x1d, 21, 0x04, 3, 0x0a, 1, byte(e.Reason)) //nolint:gosec // id-ce-cRLReasons; a reason is at most 10
	}
	if !e.InvalidAt.IsZero() {
		dst = append(dst, 0x30, 24, 0x06, 3, 0x55, 0x1d, 24, 0x04, 17) // id-ce-invalidityDate
		dst = appendGeneralized(dst, e.InvalidAt)
	}
	dst[start+1] = byte(len(dst) - start - 2) //nolint:gosec // at most 38
	return dst
}
