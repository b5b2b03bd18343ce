package profile

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

// Extensions of certificates and requests (RFC 5280 section 4.2).
var (
	oidSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidNameConstraints  = asn1.ObjectIdentifier{2, 5, 29, 30}
	oidPolicies         = asn1.ObjectIdentifier{2, 5, 29, 32}
	oidAuthorityKeyID   = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidExtendedKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidOCSPNoCheck      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5} // RFC 6960 section 4.2.2.2.1
)

// ours reports whether an extension is one that is always made here: nobody
// passes its bytes through.
func ours(oid asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc([]asn1.ObjectIdentifier{
		oidSubjectKeyID, oidAuthorityKeyID, oidKeyUsage, oidSubjectAltName, oidBasicConstraints,
		oidNameConstraints, oidPolicies, oidExtendedKeyUsage,
	}, oid.Equal)
}

// Limits of extensions.
const (
	maxExtensions = 50
	maxExtension  = 16 << 10 // bytes of one's value
	maxPolicies   = 20
	maxUsages     = 50
	maxCPS        = 256 // bytes
	maxNotice     = 200 // characters, RFC 5280 section 4.2.1.4
)

// Extensions are what a request passes through beside its names. A zero field
// passes nothing.
type Extensions struct {
	KeyUsage     *x509.KeyUsage
	Extended     []x509.ExtKeyUsage
	ExtendedOIDs []asn1.ObjectIdentifier
	Policies     []PolicyInformation
	// Names stand in the place of a CSR's.
	Names       *Names
	Constraints *NameConstraints
	// Custom are extensions of other kinds, as they are.
	Custom []pkix.Extension
}

// IsZero reports whether nothing is passed through.
func (e *Extensions) IsZero() bool {
	return e.KeyUsage == nil && len(e.Extended)+len(e.ExtendedOIDs)+len(e.Policies)+len(e.Custom) == 0 &&
		e.Names == nil && e.Constraints == nil
}

// PolicyInformation is a certificate policy (RFC 5280 section 4.2.1.4) with
// where its practice statement is (URIs), and a text to be shown.
type PolicyInformation struct {
	OID    asn1.ObjectIdentifier
	CPS    []string
	Notice string
}

// readExtensions checks and encodes what every certificate of the profile has.
func (c *compiled) readExtensions(p *Profile) error {
	c.defined = []asn1.ObjectIdentifier{oidBasicConstraints}
	if len(p.Policies) > 0 {
		value, err := encodePolicies(p.Policies)
		if err != nil {
			return err
		}
		c.extra = append(c.extra, pkix.Extension{Id: oidPolicies, Value: value})
	}
	if p.Constraints != nil {
		value, err := p.Constraints.encode()
		if err != nil {
			return err
		}
		c.extra = append(c.extra, pkix.Extension{Id: oidNameConstraints, Critical: p.Constraints.Critical, Value: value})
	}
	if p.PlainBasicConstraints {
		value, err := encodeBasicConstraints(p)
		if err != nil {
			return err
		}
		c.extra = append(c.extra, pkix.Extension{Id: oidBasicConstraints, Value: value})
	}
	if len(p.Extended)+len(p.ExtendedOIDs) > 0 && p.CriticalExtended {
		value, err := encodeExtended(p.Extended, p.ExtendedOIDs)
		if err != nil {
			return err
		}
		c.extra = append(c.extra, pkix.Extension{Id: oidExtendedKeyUsage, Critical: true, Value: value})
	}
	if err := checkExtended(p.Extended, p.ExtendedOIDs); err != nil {
		return err
	}
	if err := checkCustom(p.Extra); err != nil {
		return err
	}
	c.extra = append(c.extra, p.Extra...)
	for _, e := range c.extra {
		c.defined = append(c.defined, e.Id)
	}
	return nil
}

// defines reports whether the profile has the extension itself.
func (c *compiled) defines(oid asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc(c.defined, oid.Equal)
}

// checkCustom refuses extensions that are made here, come twice, or are too
// many or too large.
func checkCustom(list []pkix.Extension) error {
	if len(list) > maxExtensions {
		return fault.New(fault.LimitExceeded, "there are at most %d extensions", maxExtensions)
	}
	for i, e := range list {
		switch {
		case ours(e.Id):
			return violation("the extension %s is not given as bytes", e.Id)
		case len(e.Id) < 2 || !encodable(e.Id):
			return violation("%q is no object identifier of an extension", e.Id.String())
		case len(e.Value) > maxExtension:
			return fault.New(fault.LimitExceeded, "an extension's value has at most %d bytes", maxExtension)
		case !isDER(e.Value):
			return violation("the value of the extension %s is not one value in DER", e.Id)
		case slices.ContainsFunc(list[:i], func(f pkix.Extension) bool { return f.Id.Equal(e.Id) }):
			return violation("the extension %s is there twice", e.Id)
		}
	}
	return nil
}

func encodable(oid asn1.ObjectIdentifier) bool {
	_, err := asn1.Marshal(oid)
	return err == nil
}

func isDER(b []byte) bool {
	var raw asn1.RawValue
	rest, err := asn1.Unmarshal(b, &raw)
	return err == nil && len(rest) == 0
}

func checkExtended(known []x509.ExtKeyUsage, oids []asn1.ObjectIdentifier) error {
	if len(known)+len(oids) > maxUsages {
		return fault.New(fault.LimitExceeded, "there are at most %d extended key usages", maxUsages)
	}
	for _, u := range known {
		if !slices.Contains(knownUsages(), u) {
			return unfit("%d is no extended key usage", u)
		}
	}
	for _, oid := range oids {
		if !encodable(oid) {
			return unfit("%q is no extended key usage", oid.String())
		}
	}
	return nil
}

// knownUsages are the extended key usages with a name of their own.
func knownUsages() []x509.ExtKeyUsage {
	var list []x509.ExtKeyUsage
	for u := x509.ExtKeyUsageAny; u <= x509.ExtKeyUsageMicrosoftKernelCodeSigning; u++ {
		list = append(list, u)
	}
	return list
}

func encodeExtended(known []x509.ExtKeyUsage, oids []asn1.ObjectIdentifier) ([]byte, error) {
	if err := checkExtended(known, oids); err != nil {
		return nil, err
	}
	return asn1.Marshal(extendedOIDs(known, oids))
}

// extendedOIDs returns extended key usages as object identifiers.
func extendedOIDs(known []x509.ExtKeyUsage, oids []asn1.ObjectIdentifier) []asn1.ObjectIdentifier {
	var list []asn1.ObjectIdentifier
	for _, u := range known {
		list = append(list, usageOID(u))
	}
	return append(list, oids...)
}

func usageOID(u x509.ExtKeyUsage) asn1.ObjectIdentifier {
	oid, _ := name.ParseOID(u.OID().String())
	return oid
}

func encodeBasicConstraints(p *Profile) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if p.CA {
			b.AddASN1Boolean(true)
			if p.PathLen != NoPathLimit {
				b.AddASN1Int64(int64(p.PathLen))
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

func encodePolicies(list []PolicyInformation) ([]byte, error) {
	if len(list) > maxPolicies {
		return nil, fault.New(fault.LimitExceeded, "there are at most %d policies", maxPolicies)
	}
	for i := range list {
		if err := list[i].check(); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(list[:i], func(other PolicyInformation) bool { return other.OID.Equal(list[i].OID) }) {
			return nil, violation("the policy %s is there twice", list[i].OID)
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

func (i *PolicyInformation) check() error {
	if !encodable(i.OID) {
		return violation("%q is no certificate policy", i.OID.String())
	}
	for _, uri := range i.CPS {
		if uri == "" || len(uri) > maxCPS || slices.ContainsFunc([]byte(uri), func(c byte) bool { return c <= ' ' || c > '~' }) {
			return violation("a practice statement's URI has 1 to %d printable ASCII characters", maxCPS)
		}
	}
	if !name.Printable(i.Notice, maxNotice) {
		return violation("a policy's notice has at most %d printable characters", maxNotice)
	}
	return nil
}

func (i *PolicyInformation) put(b *cryptobyte.Builder) {
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
