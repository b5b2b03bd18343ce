package ceremony

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/profile"
)

// certify has the root under which the transcript is signed certify the key
// that signs the installation's audit log, and returns both certificates.
func (c *conduct) certify(ctx context.Context) (root, signer []byte, err error) {
	authority, err := c.installation.Authorities.Authority(ctx, c.call("Lock"), c.script.SignedBy)
	if err != nil {
		return nil, nil, err
	}
	if authority.Parent != "" || len(authority.Chain) > 0 {
		return nil, nil, fault.New(fault.InvalidArgument, "signed_by: %s is no root", c.script.SignedBy)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "Transcript of the ceremony " + c.script.Ceremony},
	}, c.installation.AuditKey())
	if err != nil {
		return nil, nil, err
	}
	issued, err := c.installation.Authorities.Issue(ctx, c.call("Lock"), &ca.IssueRequest{
		Authority: c.script.SignedBy, CSR: csr,
		Inline: &profile.Profile{
			Name: "ceremony-transcript", Usage: x509.KeyUsageDigitalSignature, ExtendedOIDs: []asn1.ObjectIdentifier{documentSigning()},
			Keys: profile.KeyRules{Ed25519: true}, Default: profile.Days(signerDays), Backdate: backdate,
			Subject: profile.SubjectRules{FreeName: true},
		},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("certifying the transcript's signer: %w", err)
	}
	return authority.Certificate, issued.DER, nil
}

// lock ends the ceremony: the data directory is closed and the transcript
// signed.
func (c *conduct) lock(ctx context.Context) error {
	facts := []Fact{{"lock", c.data()}, {"transcript signed under", c.script.SignedBy}}
	if err := c.present("The lock", facts); err != nil {
		return err
	}
	if err := c.confirm(); err != nil {
		return err
	}
	root, signer, err := c.certify(ctx)
	if err != nil {
		return err
	}
	key := c.installation.AuditKey()
	installation := c.installation
	c.installation = nil
	head, err := installation.Close()
	if err != nil {
		return fmt.Errorf("closing the data directory: %w", err)
	}
	err = c.log.add(&Event{Event: eventLock, Facts: []Fact{
		{"confirmed by", c.confirmer()},
		{factCertificate, hexDigest(root)},
		{factSigner, hexDigest(signer)},
		{"audit log", head.Log},
		{"audit log position", fmt.Sprint(head.Position)},
		{"audit log hash", head.Hash.String()},
	}})
	if err != nil {
		return err
	}
	return c.log.sign(key, signer)
}
