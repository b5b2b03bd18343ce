package acm

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/asn1"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/managed"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

func (f *front) describeCertificate(ctx context.Context, x *aws.Exchange, in *certificateRequest) error {
	id, err := in.id(x)
	if err != nil {
		return err
	}
	c, err := f.certificates.Describe(ctx, &x.Call, id)
	if err != nil {
		return err
	}
	var parsed *x509.Certificate
	if c.DER != nil {
		if parsed, err = c.X509(); err != nil {
			return err
		}
	}
	x.Out.Object("Certificate", func() {
		writeDetail(&x.Out, c, x.Call.Time)
		if parsed != nil {
			writeX509(&x.Out, c, parsed)
		}
	})
	return nil
}

// writeDetail adds what every certificate has.
func writeDetail(out *wire.Encoder, c *managed.Certificate, now time.Time) {
	out.Text("CertificateArn", arnOf(c))
	out.Text("DomainName", c.Domain)
	writeTexts(out, "SubjectAlternativeNames", c.Names)
	writeTimes(out, c)
	out.Text("Status", nameOf(states, c.State(now)))
	out.Text("KeyAlgorithm", wire.KeyAlgorithmName(c.Spec))
	writeTexts(out, "InUseBy", c.UsedBy)
	if c.Failure != managed.NoFailure {
		out.Text("FailureReason", nameOf(failures, c.Failure))
	}
	if !c.RevokedAt.IsZero() {
		out.Text("RevocationReason", nameOf(reasons, c.Reason))
	}
	out.Text("Type", nameOf(kinds, c.Kind))
	if c.Kind == managed.Private {
		writeValidation(out, c)
		out.Text("CertificateAuthorityArn", wire.AuthorityARN(c.Realm, c.Region, c.Authority))
	}
	out.Text("RenewalEligibility", eligibility(c, now))
	if r := c.Renewal; r != nil {
		out.Object("RenewalSummary", func() {
			out.Text("RenewalStatus", nameOf(outcomes, r.Outcome))
			out.Array("DomainValidationOptions", func() {})
			if r.Failure != managed.NoFailure {
				out.Text("RenewalStatusReason", nameOf(failures, r.Failure))
			}
			out.Time("UpdatedAt", r.At)
		})
	}
	out.Object("Options", func() {
		out.Text("CertificateTransparencyLoggingPreference", onOff(c.Logged))
		out.Text("Export", onOff(c.Exportable))
	})
}

// writeValidation adds that the names are validated: the authority's rules did
// that. Clients wait for it before they use a certificate.
func writeValidation(out *wire.Encoder, c *managed.Certificate) {
	status := "SUCCESS"
	if c.Failure != managed.NoFailure {
		status = "FAILED"
	}
	out.Array("DomainValidationOptions", func() {
		for _, name := range c.Names {
			out.Object("", func() {
				out.Text("DomainName", name)
				out.Text("ValidationStatus", status)
			})
		}
	})
}

// writeX509 adds what the certificate itself says.
func writeX509(out *wire.Encoder, c *managed.Certificate, parsed *x509.Certificate) {
	out.Text("Serial", colons(c.Serial))
	out.Text("Subject", parsed.Subject.String())
	issuer := parsed.Issuer.CommonName
	if len(parsed.Issuer.Organization) > 0 {
		issuer = parsed.Issuer.Organization[0]
	}
	out.Text("Issuer", cmp.Or(issuer, parsed.Issuer.String()))
	if name := signatureName(parsed); name != "" {
		out.Text("SignatureAlgorithm", name)
	}
	out.Array("KeyUsages", func() {
		for _, u := range usages {
			if parsed.KeyUsage&u.value != 0 {
				out.Object("", func() { out.Text("Name", u.name) })
			}
		}
	})
	out.Array("ExtendedKeyUsages", func() {
		for _, u := range extendedOf(parsed) {
			out.Object("", func() {
				out.Text("Name", u.name)
				out.Text("OID", u.oid)
			})
		}
	})
}

// writeTimes adds the times of a certificate's life.
func writeTimes(out *wire.Encoder, c *managed.Certificate) {
	for _, at := range []struct {
		name string
		time time.Time
	}{
		{"CreatedAt", c.CreatedAt},
		{"IssuedAt", c.IssuedAt},
		{"ImportedAt", c.ImportedAt},
		{"RevokedAt", c.RevokedAt},
		{"NotBefore", c.NotBefore},
		{"NotAfter", c.NotAfter},
	} {
		if !at.time.IsZero() {
			out.Time(at.name, at.time)
		}
	}
}

func writeTexts(out *wire.Encoder, name string, list []string) {
	out.Array(name, func() {
		for _, text := range list {
			out.Text("", text)
		}
	})
}

func eligibility(c *managed.Certificate, now time.Time) string {
	if c.Renewable(now) {
		return "ELIGIBLE"
	}
	return "INELIGIBLE"
}

func onOff(on bool) string {
	if on {
		return enabled
	}
	return disabled
}

// colons writes a serial number as AWS does: "0a:1b:2c".
func colons(serial string) string {
	var parts []string
	for i := 0; i+2 <= len(serial); i += 2 {
		parts = append(parts, serial[i:i+2])
	}
	return strings.Join(parts, ":")
}

// signatureName returns AWS's name of the algorithm with which a certificate
// is signed, "" for one that it has no name for.
func signatureName(c *x509.Certificate) string {
	var frame struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.Raw, &frame); err != nil {
		return ""
	}
	a, err := cert.AlgorithmOf(frame.Algorithm.FullBytes)
	if err != nil {
		return ""
	}
	return wire.CAAlgorithmName(a, 0)
}

// extendedUsage is an extended key usage with AWS's name and its number.
type extendedUsage struct{ name, oid string }

// extendedOf returns a certificate's extended key usages.
func extendedOf(c *x509.Certificate) []extendedUsage {
	var list []extendedUsage
	for _, u := range c.ExtKeyUsage {
		list = append(list, extendedUsage{cmp.Or(nameOf(extended, u), customUsage), u.OID().String()})
	}
	for _, oid := range c.UnknownExtKeyUsage {
		list = append(list, extendedUsage{customUsage, oid.String()})
	}
	return list
}
