// Package certificates has the commands of the noun cert.
//
// Start with New. The package is internal and may change with any release.
package certificates

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast cert`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group("cert", "Issue, export and revoke certificates",
		a.issue(), a.list(), a.describe(), a.revoke(), a.release(), a.export()))
}

func (a *app) list() *cobra.Command {
	var authority terminal.AuthorityArgument
	var filter client.CertificateFilter
	var within time.Duration
	cmd := &cobra.Command{Use: "list", Short: "List certificates", Args: cobra.NoArgs}
	authority.FlagOf(a.App, cmd)
	cmd.Flags().StringVar(&filter.Text, "text", "", "only those with this in the subject or a name")
	cmd.Flags().StringVar(&filter.State, "state", "", "only valid, expired, revoked or held ones")
	cmd.Flags().DurationVar(&within, "expires-within", 0, "only those that end within this time, such as 720h")
	terminal.Complete(cmd, "state", []string{"valid", "expired", "revoked", "held"})
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		filter.Authority = authority.Flag
		if within > 0 {
			filter.ExpiresBefore = time.Now().Add(within)
		}
		all, err := terminal.All(func(p client.Page) ([]client.Certificate, string, error) {
			l, err := c.Certificates(ctx, filter, p)
			if err != nil {
				return nil, "", err
			}
			return l.Certificates, l.Next, nil
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
	for _, list := range [][]string{n.DNS, n.IPs, n.URIs, n.Emails, n.UPNs, n.RegisteredIDs} {
		all = append(all, list...)
	}
	for _, o := range n.Others {
		all = append(all, o.OID+":"+o.Value)
	}
	for _, d := range n.Directory {
		all = append(all, d.CommonName)
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

func (a *app) describe() *cobra.Command {
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
		return a.show(x)
	})
	return cmd
}

func (a *app) show(x *client.Certificate) error {
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
