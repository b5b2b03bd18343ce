// Package extension has the extensions of certificates (RFC 5280 section 4.2)
// as values, checked and encoded: what crypto/x509 writes only in part, or not
// with the criticality that is asked for. Which extensions a certificate has
// is package profile's affair.
//
// The package is internal and may change with any release.
package extension

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/name"
)

// The extensions that are made here (RFC 5280 section 4.2).
var (
	SubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	KeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	SubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	BasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	Constraints      = asn1.ObjectIdentifier{2, 5, 29, 30}
	Policies         = asn1.ObjectIdentifier{2, 5, 29, 32}
	AuthorityKeyID   = asn1.ObjectIdentifier{2, 5, 29, 35}
	ExtendedKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
	// OCSPNoCheck is id-pkix-ocsp-nocheck (RFC 6960 section 4.2.2.2.1).
	OCSPNoCheck = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
)

// made reports whether an extension is one that is always made here: nobody
// passes its bytes through.
func made(oid asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc([]asn1.ObjectIdentifier{
		SubjectKeyID, AuthorityKeyID, KeyUsage, SubjectAltName, BasicConstraints, Constraints, Policies, ExtendedKeyUsage,
	}, oid.Equal)
}

// refuse returns the error for what no certificate should have.
func refuse(format string, args ...any) error {
	return fault.Because(fault.InvalidArgument, fault.ProfileViolation, format, args...)
}

// Limits of extensions.
const (
	MaxCount    = 50       // extensions of a certificate
	maxValue    = 16 << 10 // bytes of one's value
	maxPolicies = 20
	maxUsages   = 50
	maxCPS      = 256 // bytes
	maxNotice   = 200 // characters, RFC 5280 section 4.2.1.4
)

// Policy is a certificate policy (RFC 5280 section 4.2.1.4) with
// where its practice statement is (URIs), and a text to be shown.
type Policy struct {
	OID    asn1.ObjectIdentifier
	CPS    []string
	Notice string
}

// Check refuses extensions that are made here, come twice, or are too many or
// too large.
func Check(list []pkix.Extension) error {
	if len(list) > MaxCount {
		return fault.New(fault.LimitExceeded, "there are at most %d extensions", MaxCount)
	}
	for i, e := range list {
		switch {
		case made(e.Id):
			return refuse("the extension %s is not given as bytes", e.Id)
		case len(e.Id) < 2 || !encodable(e.Id):
			return refuse("%q is no object identifier of an extension", e.Id.String())
		case len(e.Value) > maxValue:
			return fault.New(fault.LimitExceeded, "an extension's value has at most %d bytes", maxValue)
		case !IsValue(e.Value):
			return refuse("the value of the extension %s is not one value in DER", e.Id)
		case slices.ContainsFunc(list[:i], func(f pkix.Extension) bool { return f.Id.Equal(e.Id) }):
			return refuse("the extension %s is there twice", e.Id)
		}
	}
	return nil
}

func encodable(oid asn1.ObjectIdentifier) bool {
	_, err := asn1.Marshal(oid)
	return err == nil
}

// IsValue reports whether bytes can be an extension's value: one value in DER,
// and not too long.
func IsValue(b []byte) bool {
	if len(b) > maxValue {
		return false
	}
	var raw asn1.RawValue
	rest, err := asn1.Unmarshal(b, &raw)
	return err == nil && len(rest) == 0
}

// CheckUsages refuses what are no extended key usages, or too many.
func CheckUsages(known []x509.ExtKeyUsage, oids []asn1.ObjectIdentifier) error {
	if len(known)+len(oids) > maxUsages {
		return fault.New(fault.LimitExceeded, "there are at most %d extended key usages", maxUsages)
	}
	for _, u := range known {
		if !slices.Contains(Usages(), u) {
			return refuse("%d is no extended key usage", u)
		}
	}
	for _, oid := range oids {
		if !encodable(oid) {
			return refuse("%q is no extended key usage", oid.String())
		}
	}
	return nil
}

// Usages returns the extended key usages with a name of their own.
func Usages() []x509.ExtKeyUsage {
	var list []x509.ExtKeyUsage
	for u := x509.ExtKeyUsageAny; u <= x509.ExtKeyUsageMicrosoftKernelCodeSigning; u++ {
		list = append(list, u)
	}
	return list
}

// EncodeUsages returns the value of the extended key usage extension.
func EncodeUsages(known []x509.ExtKeyUsage, oids []asn1.ObjectIdentifier) ([]byte, error) {
	if err := CheckUsages(known, oids); err != nil {
		return nil, err
	}
	return asn1.Marshal(UsageOIDs(known, oids))
}

// UsageOIDs returns extended key usages as object identifiers.
func UsageOIDs(known []x509.ExtKeyUsage, oids []asn1.ObjectIdentifier) []asn1.ObjectIdentifier {
	var list []asn1.ObjectIdentifier
	for _, u := range known {
		list = append(list, UsageOID(u))
	}
	return append(list, oids...)
}

// UsageOID returns the object identifier of an extended key usage.
func UsageOID(u x509.ExtKeyUsage) asn1.ObjectIdentifier {
	oid, _ := name.ParseOID(u.OID().String())
	return oid
}

// EncodeBasicConstraints returns the value of the basic constraints; a
// negative path length is none.
func EncodeBasicConstraints(ca bool, pathLen int) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if ca {
			b.AddASN1Boolean(true)
			if pathLen >= 0 {
				b.AddASN1Int64(int64(pathLen))
			}
		}
	})
	return b.Bytes()
}

// Qualifiers of policies (RFC 5280 section 4.2.1.4).
var (
	oidCPS    = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 2, 1}
	oidNotice = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 2, 2}
)

// EncodePolicies returns the value of the certificate policies.
func EncodePolicies(list []Policy) ([]byte, error) {
	if len(list) > maxPolicies {
		return nil, fault.New(fault.LimitExceeded, "there are at most %d policies", maxPolicies)
	}
	for i := range list {
		if err := list[i].check(); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(list[:i], func(other Policy) bool { return other.OID.Equal(list[i].OID) }) {
			return nil, refuse("the policy %s is there twice", list[i].OID)
		}
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for i := range list {
			list[i].put(b)
		}
	})
	return b.Bytes()
}

func (i *Policy) check() error {
	if !encodable(i.OID) {
		return refuse("%q is no certificate policy", i.OID.String())
	}
	for _, uri := range i.CPS {
		if uri == "" || len(uri) > maxCPS || slices.ContainsFunc([]byte(uri), func(c byte) bool { return c <= ' ' || c > '~' }) {
			return refuse("a practice statement's URI has 1 to %d printable ASCII characters", maxCPS)
		}
	}
	if !name.Printable(i.Notice, maxNotice) {
		return refuse("a policy's notice has at most %d printable characters", maxNotice)
	}
	return nil
}

func (i *Policy) put(b *cryptobyte.Builder) {
	sequence := func(b *cryptobyte.Builder, f cryptobyte.BuilderContinuation) { b.AddASN1(cbasn1.SEQUENCE, f) }
	qualifier := func(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, f cryptobyte.BuilderContinuation) {
		sequence(b, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oid)
			f(b)
		})
	}
	sequence(b, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(i.OID)
		if len(i.CPS) == 0 && i.Notice == "" {
			return
		}
		sequence(b, func(b *cryptobyte.Builder) {
			for _, uri := range i.CPS {
				qualifier(b, oidCPS, func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.IA5String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(uri)) })
				})
			}
			if i.Notice != "" {
				qualifier(b, oidNotice, func(b *cryptobyte.Builder) {
					sequence(b, func(b *cryptobyte.Builder) {
						b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(i.Notice)) })
					})
				})
			}
		})
	})
}
