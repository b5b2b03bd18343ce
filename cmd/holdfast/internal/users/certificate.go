package users

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

func (a *app) certificateCommand() *cobra.Command {
	return terminal.Group("certificate", "Manage which certificates of TLS clients prove a user",
		a.certificateAdd(), a.certificateList(), a.certificateRemove())
}

// maxCertificate is the longest certificate that is read, in bytes.
const maxCertificate = 64 << 10

func (a *app) certificateAdd() *cobra.Command {
	user := a.user()
	var req client.PutClientCertificateRequest
	var in string
	cmd := user.Add(&cobra.Command{
		Use: "add", Short: "Let certificates of TLS clients prove a user",
		Long: "Let certificates of TLS clients prove a user: one certificate, by its file or its SHA-256,\n" +
			"or all that an authority here issues with a subject or an alternative name, so that a\n" +
			"renewed one proves the user as well. Whoever may have such certificates issued is the user.",
		Example: "  holdfast identity user certificate add web-1 --ca agents --subject CN=web-1\n" +
			"  holdfast identity user certificate add web-1 --in web-1.pem",
	})
	flags := cmd.Flags()
	flags.StringVar(&req.Authority, "ca", "", "the issuing authority's name or id")
	flags.StringVar(&req.Subject, "subject", "", "the whole subject, such as CN=web-1,O=Example")
	flags.StringVar(&req.Name, "san", "", "an alternative name")
	flags.StringVar(&req.SHA256, "sha256", "", "the SHA-256 of one certificate in DER, in hex")
	flags.StringVar(&in, "in", "", "a PEM file with that certificate; - is standard input")
	terminal.CompleteBy(cmd, "ca", a.AuthorityNames())
	cmd.RunE = a.On(user, func(ctx context.Context, c *client.Client, name string) error {
		if in != "" {
			text, err := a.Read(in, maxCertificate)
			if err != nil {
				return err
			}
			block, _ := pem.Decode(text)
			if block == nil || block.Type != "CERTIFICATE" {
				return terminal.Usagef("%s has no certificate in PEM", in)
			}
			sum := sha256.Sum256(block.Bytes)
			req.SHA256 = hex.EncodeToString(sum[:])
		}
		made, err := c.PutClientCertificate(ctx, name, &req)
		if err != nil {
			return err
		}
		return a.Show(made, func(w *terminal.Table) {
			w.Fact("Client certificate", made.ID)
			w.Fact("User", made.User)
			w.Fact("SHA-256", made.SHA256)
			w.Fact("Authority", made.Authority)
			w.Fact("Subject", made.Subject)
			w.Fact("Name", made.Name)
		})
	})
	return cmd
}

func (a *app) certificateList() *cobra.Command {
	user := a.user()
	cmd := user.Add(&cobra.Command{Use: "list", Short: "List which certificates of TLS clients prove a user"})
	cmd.RunE = a.On(user, func(ctx context.Context, c *client.Client, name string) error {
		all, err := c.ClientCertificates(ctx, name)
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("ID", "AUTHORITY", "SUBJECT", "NAME", "SHA-256")
			for _, x := range all {
				w.Row(x.ID, terminal.OrDash(x.Authority), terminal.OrDash(x.Subject), terminal.OrDash(x.Name), terminal.OrDash(x.SHA256))
			}
		})
	})
	return cmd
}

func (a *app) certificateRemove() *cobra.Command {
	return a.takeAway(&cobra.Command{Use: "remove", Short: "Have certificates of TLS clients prove a user no more"},
		"id", "the id that list tells", (*client.Client).DeleteClientCertificate)
}

// takeAway makes a command that takes something from a user, which a flag
// names.
func (a *app) takeAway(
	cmd *cobra.Command, flag, usage string, act func(c *client.Client, ctx context.Context, user, thing string) error,
) *cobra.Command {
	user := a.user()
	var thing string
	var yes bool
	cmd = user.Add(cmd)
	cmd.Flags().StringVar(&thing, flag, "", usage)
	terminal.Require(cmd, flag)
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.On(user, func(ctx context.Context, c *client.Client, name string) error {
		if err := a.Confirm(yes, "take %s from %s", thing, name); err != nil {
			return err
		}
		if err := act(c, ctx, name, thing); err != nil {
			return err
		}
		return a.Done("%s has %s no more", name, thing)
	})
	return cmd
}
