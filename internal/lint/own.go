package lint

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"net/netip"
	"slices"
	"strings"
	"time"

	zx509 "github.com/zmap/zcrypto/x509"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// The lints of this file are for a private PKI: they compare a certificate
// with its issuer, with what was asked for and with the clock, which zlint's
// do not, or say more strictly what zlint leaves to the rules of public CAs.

// subject is a certificate under the lint, and what it is held against.
type subject struct {
	*zx509.Certificate
	now time.Time
	// template is what was asked for, nil for a certificate from elsewhere.
	template *x509.Certificate
	// issuer is nil for a certificate from elsewhere, and the template of a
	// self-signed one.
	issuer *x509.Certificate
	above  []*x509.Certificate // the issuer's issuers
	spki   []byte              // of the key that the certificate is for
	spec   alg.Spec            // of that key; NoSpec for sizes that the table lacks
}

// selfIssued reports whether the subject is the issuer by its name, as in a
// root and in a certificate that an authority issues for its next key.
func (s *subject) selfIssued() bool { return bytes.Equal(s.RawSubject, s.RawIssuer) }

// signedByOther reports whether there is an issuer to compare with.
func (s *subject) signedByOther() bool { return s.issuer != nil && s.issuer != s.template }

// ownLint is one of our lints: broken reports what it forbids.
type ownLint struct {
	name   string
	broken func(*subject) bool
}

// ownLints returns our lints for certificates. Each refuses, but for those
// whose names begin with "w_": they warn.
func ownLints() []ownLint {
	return []ownLint{
		{"e_holdfast_already_expired", func(s *subject) bool { return s.template != nil && !s.NotAfter.After(s.now) }},
		{"e_holdfast_no_validity", func(s *subject) bool { return !s.NotAfter.After(s.NotBefore) }},
		{"e_holdfast_not_before_far_off", func(s *subject) bool {
			return s.template != nil && s.NotBefore.After(s.now.Add(farOff))
		}},
		{"e_holdfast_not_after_past_issuers", func(s *subject) bool {
			return s.signedByOther() && s.NotAfter.After(s.issuer.NotAfter)
		}},
		{"e_holdfast_serial_number_foreseeable", func(s *subject) bool { return s.template != nil && !goodSerial(s.Certificate) }},
		{"e_holdfast_ca_without_cert_sign", func(s *subject) bool {
			return s.IsCA && s.KeyUsage&zx509.KeyUsageCertSign == 0
		}},
		{"e_holdfast_cert_sign_without_ca", func(s *subject) bool {
			return !s.IsCA && s.KeyUsage&zx509.KeyUsageCertSign != 0
		}},
		{"e_holdfast_ca_not_asked_for", func(s *subject) bool { return s.template != nil && s.IsCA != s.template.IsCA }},
		{"e_holdfast_other_key", func(s *subject) bool {
			return s.spki != nil && !bytes.Equal(s.RawSubjectPublicKeyInfo, s.spki)
		}},
		{"e_holdfast_issuer_is_no_ca", issuerIsNoCA},
		{"e_holdfast_issuer_name_differs", issuerNameDiffers},
		{"e_holdfast_path_length_not_below_issuers", pathLengthNotBelow},
		{"e_holdfast_extended_key_usage_beyond_issuers", extendedBeyondIssuer},
		{"e_holdfast_name_constraints_violated", namesViolateConstraints},
		{"e_holdfast_subject_empty_and_names_not_critical", emptySubject},
		{"e_holdfast_key_usage_not_for_key", keyUsageNotForKey},
		{"e_holdfast_no_subject_key_identifier", func(s *subject) bool { return s.template != nil && len(s.SubjectKeyId) == 0 }},
		{"e_holdfast_authority_key_identifier_not_issuers", func(s *subject) bool {
			return s.signedByOther() && (len(s.AuthorityKeyId) == 0 || !bytes.Equal(s.AuthorityKeyId, s.issuer.SubjectKeyId))
		}},
		{"w_holdfast_common_name_not_among_names", commonNameNotAmongNames},
		{"e_holdfast_control_character", hasControlCharacter},
		{"e_holdfast_duplicate_extension", duplicateExtension},
		{"e_holdfast_unknown_critical_extension", unknownCriticalExtension},
	}
}

// farOff is how far ahead a certificate's time may begin.
const farOff = 366 * 24 * time.Hour

// goodSerial reports whether a serial number is positive, of at most 20 bytes
// (RFC 5280 section 4.1.2.2), and long enough to hold the 64 random bits that
// keep an attacker on the hash from knowing what will be signed.
func goodSerial(c *zx509.Certificate) bool {
	return c.SerialNumber.Sign() > 0 && c.SerialNumber.BitLen() <= 8*20-1 && c.SerialNumber.BitLen() >= 64
}

func issuerIsNoCA(s *subject) bool {
	return s.signedByOther() &&
		(!s.issuer.BasicConstraintsValid || !s.issuer.IsCA || s.issuer.KeyUsage&x509.KeyUsageCertSign == 0)
}

// issuerNameDiffers compares the names byte for byte, as those who verify may.
func issuerNameDiffers(s *subject) bool {
	if s.signedByOther() {
		return !bytes.Equal(s.RawIssuer, s.issuer.RawSubject)
	}
	return s.issuer != nil && !s.selfIssued()
}

// pathLengthNotBelow is about authorities below a limited one (RFC 5280
// section 4.2.1.9). Self-issued certificates do not count there.
func pathLengthNotBelow(s *subject) bool {
	if !s.IsCA || !s.signedByOther() || s.selfIssued() {
		return false
	}
	limit := s.issuer.MaxPathLen
	if limit < 0 || limit == 0 && !s.issuer.MaxPathLenZero {
		return false
	}
	own := s.MaxPathLen
	if own < 0 || own == 0 && !s.MaxPathLenZero { // no limit of its own
		return true
	}
	return own >= limit
}

// extendedBeyondIssuer takes an authority's extended key usages as a limit on
// those below, as all who verify do. A delegated OCSP signer's right comes
// from its direct issuer alone (RFC 6960 section 4.2.2.2).
func extendedBeyondIssuer(s *subject) bool {
	if !s.signedByOther() {
		return false
	}
	own := extended(s.Certificate)
	for _, issuer := range append([]*x509.Certificate{s.issuer}, s.above...) {
		if len(issuer.ExtKeyUsage)+len(issuer.UnknownExtKeyUsage) == 0 || slices.Contains(issuer.ExtKeyUsage, x509.ExtKeyUsageAny) {
			continue
		}
		if len(own) == 0 && !s.IsCA {
			return true
		}
		for _, usage := range own {
			if !allows(issuer, usage) {
				return true
			}
		}
	}
	return false
}

// extended returns the extended key usages of a certificate.
func extended(c *zx509.Certificate) []asn1.ObjectIdentifier {
	var list []asn1.ObjectIdentifier
	for _, e := range c.Extensions {
		if is(e.Id, oidExtendedKeyUsage()) {
			_, _ = asn1.Unmarshal(e.Value, &list) // the parser has read it already
		}
	}
	return list
}

func allows(issuer *x509.Certificate, usage asn1.ObjectIdentifier) bool {
	if usage.Equal(oidOCSPSigning()) {
		return true
	}
	return slices.ContainsFunc(issuer.UnknownExtKeyUsage, usage.Equal) ||
		slices.ContainsFunc(issuer.ExtKeyUsage, func(u x509.ExtKeyUsage) bool { return u.OID().EqualASN1OID(usage) })
}

// emptySubject is RFC 5280 section 4.2.1.6: without a subject the alternative
// names are critical.
func emptySubject(s *subject) bool {
	if len(s.RawSubject) > 2 {
		return false
	}
	for _, e := range s.Extensions {
		if is(e.Id, oidSubjectAltName()) {
			return !e.Critical
		}
	}
	return true
}

// keyUsageNotForKey is about usages that the key cannot have: RFC 8813 for
// EC, RFC 8410 section 5 for Ed25519, RFC 9881 section 5 for ML-DSA, RFC 3279
// section 2.3.1 for RSA.
func keyUsageNotForKey(s *subject) bool {
	const encipher = zx509.KeyUsageKeyEncipherment | zx509.KeyUsageDataEncipherment
	const agree = zx509.KeyUsageKeyAgreement | zx509.KeyUsageEncipherOnly | zx509.KeyUsageDecipherOnly
	switch s.spec.Info().Family { //nolint:exhaustive // the others have no certificates
	case alg.EC:
		return s.KeyUsage&encipher != 0
	case alg.EdDSA, alg.MLDSA:
		return s.KeyUsage&(encipher|agree) != 0
	case alg.RSA:
		return s.KeyUsage&agree != 0
	}
	return false
}

// commonNameNotAmongNames is about servers: some clients still read the
// common name, and what it names should have passed the same checks. It warns,
// because there are profiles of other people's (AWS's templates) under which a
// common name stands alone; all of ours demand it before there is a
// certificate to lint.
func commonNameNotAmongNames(s *subject) bool {
	if !slices.Contains(s.ExtKeyUsage, zx509.ExtKeyUsageServerAuth) {
		return false
	}
	for _, name := range s.Subject.CommonNames {
		if !covered(s.Certificate, name) {
			return true
		}
	}
	return false
}

// covered reports whether a common name names no host, or one of the
// alternative names.
func covered(c *zx509.Certificate, name string) bool {
	if ip, err := netip.ParseAddr(name); err == nil {
		for _, have := range c.IPAddresses {
			if a, ok := netip.AddrFromSlice(have); ok && a.Unmap() == ip.Unmap() {
				return true
			}
		}
		return false
	}
	name = strings.TrimSuffix(name, ".")
	if !strings.Contains(name, ".") || strings.ContainsAny(name, " /@:,") {
		return true
	}
	return slices.ContainsFunc(c.DNSNames, func(have string) bool { return strings.EqualFold(have, name) })
}

func duplicateExtension(s *subject) bool {
	for i, e := range s.Extensions {
		for _, other := range s.Extensions[:i] {
			if e.Id.Equal(other.Id) {
				return true
			}
		}
	}
	return false
}

// unknownCriticalExtension is about what nobody could verify and nobody asked
// for: critical extensions that neither RFC 5280 section 4.2 has nor the
// template.
func unknownCriticalExtension(s *subject) bool {
	for _, e := range s.Extensions {
		if !e.Critical || len(e.Id) == 4 && is(e.Id[:3], idCE()) && mayBeCritical(e.Id[3]) {
			continue
		}
		asked := s.template != nil && slices.ContainsFunc(s.template.ExtraExtensions, func(x pkixExtension) bool {
			return x.Critical && is(e.Id, x.Id)
		})
		if !asked {
			return true
		}
	}
	return false
}

// mayBeCritical reports whether the extension of id-ce with a number is one
// that RFC 5280 section 4.2 lets be critical.
func mayBeCritical(n int) bool {
	switch n {
	case 15, 17, 18, 19, 30, 32, 33, 36, 37, 54: // key usage, names, basic and name constraints, policies and their mappings and constraints, extended key usage, any-policy
		return true
	}
	return false
}
