// Package certificates has the commands of the noun cert.
//
// Start with New. The package is internal and may change with any release.
package certificates

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast cert`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group("cert", "Issue and revoke certificates",
		a.certIssue(), a.certList(), a.certShow(), a.certRevoke()))
}

// maxCSR is the longest certificate request that is read, in bytes.
const maxCSR = 64 << 10

// issue is the flags of `cert issue`.
type issue struct {
	req      client.IssueRequest
	csr      string
	validity time.Duration
	out      string
	leafOnly bool
}

func (a *app) certIssue() *cobra.Command {
	var f issue
	cmd := &cobra.Command{
		Use: "issue", Short: "Issue a certificate", Args: cobra.NoArgs,
		Long: "Issue a certificate: for the key of a certificate request (--csr), for a key that is\n" +
			"kept here (--key), or for one that is made for it and kept here (--new-key). What is\n" +
			"printed is the certificate and its issuers without the root, as servers present them.",
		Example: "  holdfast cert issue --ca issuing --profile tls-server --dns web.example.com --new-key ECC_NIST_P256 --key-alias web\n" +
			"  holdfast cert issue --ca issuing --profile tls-server --csr web.csr --out web.pem",
	}
	flags := cmd.Flags()
	flags.StringVar(&f.req.Authority, "ca", "", "the issuing authority's name or id")
	flags.StringVar(&f.req.Profile, "profile", "tls-server", "the kind of certificate")
	flags.StringVar(&f.csr, "csr", "", "a file with a certificate request in PEM; - is standard input")
	flags.StringVarP(&f.req.Key, "key", "k", "", "a key that is kept here: its id, alias or ARN")
	flags.StringVar(&f.req.NewKey, "new-key", "", "the spec of a key to make for the certificate")
	flags.StringVar(&f.req.KeyAlias, "key-alias", "", "an alias for the new key, with or without \"alias/\"")
	flags.StringArrayVar(&f.req.Names.DNS, "dns", nil, "a DNS name (repeatable)")
	flags.StringArrayVar(&f.req.Names.IPs, "ip", nil, "an IP address (repeatable)")
	flags.StringArrayVar(&f.req.Names.URIs, "uri", nil, "a URI (repeatable)")
	flags.StringArrayVar(&f.req.Names.Emails, "email", nil, "an e-mail address (repeatable)")
	flags.DurationVar(&f.validity, "validity", 0, "how long it is valid, such as 2160h; 0 for the profile's default")
	flags.StringVar(&f.out, "out", "-", "the file to write; - is standard output")
	flags.BoolVar(&f.leafOnly, "leaf-only", false, "print the certificate without its issuers")
	terminal.SubjectFlags(cmd, &f.req.Subject)
	terminal.CompleteBy(cmd, "ca", a.AuthorityNames())
	terminal.CompleteBy(cmd, "profile", a.ProfileNames())
	terminal.CompleteBy(cmd, "key", a.KeyNames())
	terminal.Complete(cmd, "new-key", terminal.SpecNames())
	terminal.Require(cmd, "ca")
	cmd.MarkFlagsMutuallyExclusive("csr", "key", "new-key")
	cmd.MarkFlagsOneRequired("csr", "key", "new-key")
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error { return a.issue(ctx, c, &f) })
	return cmd
}

func (a *app) issue(ctx context.Context, c *client.Client, f *issue) (err error) {
	if f.req.ValidityHours, err = terminal.Hours(f.validity); err != nil {
		return err
	}
	if f.csr != "" {
		text, err := a.Read(f.csr, maxCSR)
		if err != nil {
			return err
		}
		f.req.CSR = string(text)
	}
	if f.req.Key != "" {
		f.req.Key = terminal.KeyName(f.req.Key)
	}
	if f.req.NewKey != "" {
		if err := terminal.CheckSpec(f.req.NewKey); err != nil {
			return err
		}
	}
	if f.req.KeyAlias != "" {
		f.req.KeyAlias = terminal.AliasName(f.req.KeyAlias)
	}
	issued, err := c.Issue(ctx, &f.req)
	if err != nil {
		return err
	}
	text := issued.Certificate.Certificate
	if !f.leafOnly {
		text += issued.Chain
	}
	if err := a.WriteBytes(terminal.Output{Path: f.out, Encoding: "raw"}, []byte(text), issued); err != nil {
		return err
	}
	return a.Done("certificate %s of %s, valid until %s", issued.Serial, issued.Authority, terminal.Cell(issued.NotAfter))
}

func (a *app) certList() *cobra.Command {
	var authority terminal.AuthorityArgument
	var filter client.CertificateFilter
	var within time.Duration
	cmd := &cobra.Command{Use: "list", Short: "List certificates", Args: cobra.NoArgs}
	authority.FlagOf(a.App, cmd)
	cmd.Flags().StringVar(&filter.Text, "text", "", "only those with this in the subject or a name")
	cmd.Flags().StringVar(&filter.State, "state", "", "only valid, expired or revoked ones")
	cmd.Flags().DurationVar(&within, "expires-within", 0, "only those that end within this time, such as 720h")
	terminal.Complete(cmd, "state", []string{"valid", "expired", "revoked"})
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		filter.Authority = authority.Flag
		if within > 0 {
			filter.ExpiresBefore = time.Now().Add(within)
		}
		all := []client.Certificate{}
		err := terminal.Pages(func(p client.Page) (string, error) {
			l, err := c.Certificates(ctx, filter, p)
			if err != nil {
				return "", err
			}
			all = append(all, l.Certificates...)
			return l.Next, nil
		})
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("SERIAL", "SUBJECT", "NAMES", "PROFILE", "STATE", "VALID UNTIL")
			for _, x := range all {
				w.Row(x.Serial, x.Subject, allNames(x.Names), x.Profile, x.State, x.NotAfter)
			}
		})
	})
	return cmd
}

// allNames returns a certificate's names of every kind.
func allNames(n client.Names) []string {
	var all []string
	for _, list := range [][]string{n.DNS, n.IPs, n.URIs, n.Emails} {
		all = append(all, list...)
	}
	return all
}

// serialArgument is a command's certificate: --ca and a serial number.
type serialArgument struct {
	authority terminal.AuthorityArgument
	serial    string
}

func (s *serialArgument) add(a *app, cmd *cobra.Command) *cobra.Command {
	cmd.Use += " [SERIAL]"
	cmd.Args = cobra.MaximumNArgs(1)
	s.authority.FlagOf(a.App, cmd)
	cmd.Flags().StringVar(&s.serial, "serial", "", "the certificate's serial number in hex")
	terminal.Require(cmd, "ca")
	return cmd
}

// onCertificate returns the RunE of a command about one certificate.
func (a *app) onCertificate(
	s *serialArgument, act func(ctx context.Context, c *client.Client, authority, serial string) error,
) func(*cobra.Command, []string) error {
	return a.Remote(func(ctx context.Context, c *client.Client, args []string) error {
		serial := s.serial
		if len(args) > 0 {
			serial = args[0]
		}
		if serial == "" {
			return terminal.Usagef("no certificate is named: give its serial number with --serial")
		}
		return act(ctx, c, s.authority.Flag, serial)
	})
}

func (a *app) certShow() *cobra.Command {
	var s serialArgument
	var out string
	cmd := s.add(a, &cobra.Command{Use: "show", Short: "Show a certificate"})
	cmd.Flags().StringVar(&out, "out", "", "a file for the certificate in PEM")
	cmd.RunE = a.onCertificate(&s, func(ctx context.Context, c *client.Client, authority, serial string) error {
		x, err := c.Certificate(ctx, authority, serial)
		if err != nil {
			return err
		}
		if out != "" {
			if err := a.WriteSecret(terminal.Output{Path: out, Encoding: "raw"}, []byte(x.Certificate)); err != nil || out == "-" {
				return err
			}
		}
		return a.showCertificate(x)
	})
	return cmd
}

func (a *app) showCertificate(x *client.Certificate) error {
	return a.Show(x, func(w *terminal.Table) {
		w.Fact("Serial", x.Serial)
		w.Fact("Authority", x.Authority)
		w.Fact("Subject", x.Subject)
		w.Fact("Names", allNames(x.Names))
		w.Fact("Profile", x.Profile)
		w.Fact("State", x.State)
		w.Fact("Revoked", x.RevokedAt)
		w.Fact("Reason", x.RevocationReason)
		w.Fact("Key", x.KeyID)
		w.Fact("Requester", x.Requester)
		w.Fact("Valid from", x.NotBefore)
		w.Fact("Valid until", x.NotAfter)
	})
}

// reasonNames are the reasons for a revocation (RFC 5280 section 5.3.1).
func reasonNames() []string {
	var names []string
	for _, r := range ca.Reasons() {
		names = append(names, r.String())
	}
	return names
}

func (a *app) certRevoke() *cobra.Command {
	var s serialArgument
	var reason string
	var yes bool
	cmd := s.add(a, &cobra.Command{Use: "revoke", Short: "Revoke a certificate, for good"})
	cmd.Flags().StringVar(&reason, "reason", "unspecified", "why, as RFC 5280 section 5.3.1 names it")
	terminal.Complete(cmd, "reason", reasonNames())
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.onCertificate(&s, func(ctx context.Context, c *client.Client, authority, serial string) error {
		if err := terminal.CheckName("reason", reason, reasonNames(), func(string) bool { return false }); err != nil {
			return err
		}
		if err := a.Confirm(yes, "revoke the certificate %s of %s for good", serial, authority); err != nil {
			return err
		}
		x, err := c.Revoke(ctx, authority, serial, reason)
		if err != nil {
			return err
		}
		return a.showCertificate(x)
	})
	return cmd
}
