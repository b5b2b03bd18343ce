package certificates

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/keystore"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

func (a *app) revoke() *cobra.Command {
	var s serialArgument
	var reason, keyFile string
	var yes bool
	cmd := s.add(a, &cobra.Command{
		Use: "revoke", Short: "Revoke a certificate, for good or until it is released",
		Long: "Revoke a certificate: for good, or with --reason certificateHold until \"cert release\".\n" +
			"Whoever has the certificate's private key needs no permission: --with-key proves it. The\n" +
			"key is used here, and does not leave.",
		Example: "  holdfast cert revoke --ca issuing 0195… --reason keyCompromise\n" +
			"  holdfast cert revoke --ca issuing 0195… --with-key found.key --reason keyCompromise",
	})
	cmd.Flags().StringVar(&reason, "reason", "unspecified", "why, as RFC 5280 section 5.3.1 names it")
	cmd.Flags().StringVar(&keyFile, "with-key", "", "a file with the certificate's private key in PEM, as the proof of having it")
	terminal.Complete(cmd, "reason", terminal.ReasonNames())
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.onCertificate(&s, func(ctx context.Context, c *client.Client, authority, serial string) error {
		if err := terminal.CheckName("reason", reason, terminal.ReasonNames(), func(string) bool { return false }); err != nil {
			return err
		}
		forHowLong := "for good"
		if reason == ca.CertificateHold.String() {
			forHowLong = "until it is released"
		}
		if err := a.Confirm(yes, "revoke the certificate %s of %s %s", serial, authority, forHowLong); err != nil {
			return err
		}
		x, err := a.doRevoke(ctx, c, authority, serial, reason, keyFile)
		if err != nil {
			return err
		}
		return a.show(x)
	})
	return cmd
}

func (a *app) doRevoke(ctx context.Context, c *client.Client, authority, serial, reason, keyFile string) (*client.Certificate, error) {
	if keyFile == "" {
		return c.Revoke(ctx, authority, serial, reason)
	}
	text, err := a.Read(keyFile, maxCSR)
	if err != nil {
		return nil, err
	}
	proof, err := proofBy(text, serial)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keyFile, err)
	}
	return c.RevokeWithProof(ctx, authority, serial, &client.RevokeWithProofRequest{Reason: reason, CSR: string(proof)})
}

// proofBy makes the proof of having a private key: a certificate request for
// nothing but the text that names the certificate.
func proofBy(text []byte, serial string) ([]byte, error) {
	der, err := keystore.ParseKey(text)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of the kind %T does not sign", parsed)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: ca.ProofText(serial)},
	}, signer)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}), nil
}

func (a *app) release() *cobra.Command {
	var s serialArgument
	cmd := s.add(a, &cobra.Command{Use: "release", Short: "Release a certificate that is on hold: it is valid again"})
	cmd.RunE = a.onCertificate(&s, func(ctx context.Context, c *client.Client, authority, serial string) error {
		x, err := c.Release(ctx, authority, serial)
		if err != nil {
			return err
		}
		return a.show(x)
	})
	return cmd
}
