package pca

import (
	"crypto/x509"
	"crypto/x509/pkix"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/name"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// statuses are AWS's words for an authority's state. AWS does not know an
// authority whose own certificate is revoked: like a disabled one, it issues
// nothing.
var statuses = map[ca.State]string{
	ca.Creating: "CREATING", ca.Pending: "PENDING_CERTIFICATE", ca.Active: statusActive, ca.Disabled: statusDisabled,
	ca.Expired: "EXPIRED", ca.Revoked: statusDisabled, ca.Deleted: "DELETED", ca.Failed: "FAILED",
}

// writeAuthority adds the members of a CertificateAuthority.
func writeAuthority(out *wire.Encoder, a *ca.Authority) {
	out.Text("Arn", arnOf(a))
	out.Text("OwnerAccount", string(a.Realm))
	out.Time("CreatedAt", a.CreatedAt)
	out.Time("LastStateChangeAt", a.StateChangedAt)
	if a.Type == ca.Root {
		out.Text("Type", typeRoot)
	} else {
		out.Text("Type", typeSubordinate)
	}
	if own := a.X509(); own != nil {
		out.Text("Serial", own.SerialNumber.String()) // decimal, as in AWS's examples
		out.Time("NotBefore", a.NotBefore)
		out.Time("NotAfter", a.NotAfter)
	}
	out.Text("Status", statuses[a.State])
	if a.State == ca.Failed {
		out.Text("FailureReason", "OTHER")
	}
	out.Object("CertificateAuthorityConfiguration", func() { writeConfiguration(out, a) })
	out.Object("RevocationConfiguration", func() { writeRevocation(out, &a.Revocation) })
	if !a.DeleteAt.IsZero() {
		out.Time("RestorableUntil", a.DeleteAt)
	}
	if a.KeyStandard != "" {
		out.Text("KeyStorageSecurityStandard", a.KeyStandard)
	}
	if a.Mode == ca.ShortLived {
		out.Text("UsageMode", shortLived)
	} else {
		out.Text("UsageMode", generalPurpose)
	}
}

// writeConfiguration adds the members of a CertificateAuthorityConfiguration.
func writeConfiguration(out *wire.Encoder, a *ca.Authority) {
	out.Text("KeyAlgorithm", wire.KeyAlgorithmName(a.Spec))
	out.Text("SigningAlgorithm", wire.CAAlgorithmName(a.Algorithm, a.Spec))
	rawSubject, asked := requestOf(a)
	if subject, err := name.ParseSubject(rawSubject); err == nil { // else it is text of a kind that AWS has no member for
		out.Object("Subject", func() { writeSubject(out, &subject) })
	}
	writeCSRExtensions(out, asked)
}

// requestOf returns the subject that the authority was made with, and the
// extensions that its request asks for.
func requestOf(a *ca.Authority) (rawSubject []byte, asked []pkix.Extension) {
	if a.CSR != nil {
		if csr, err := x509.ParseCertificateRequest(a.CSR); err == nil {
			return csr.RawSubject, csr.Extensions
		}
	}
	if own := a.X509(); own != nil {
		return own.RawSubject, nil
	}
	return nil, nil
}
