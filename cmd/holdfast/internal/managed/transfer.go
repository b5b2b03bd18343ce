package managed

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

func (a *app) export() *cobra.Command {
	id := certificate()
	var out, passphraseFile string
	cmd := id.Add(&cobra.Command{
		Use: "export", Short: "Print a managed certificate, its issuers and its key, which is encrypted",
		Long: "Print a managed certificate, its issuers and its key in PEM. The key is encrypted under a\n" +
			"passphrase, which is read from --passphrase-file or the terminal.",
	})
	cmd.Flags().StringVar(&out, "out", "-", "the file to write; - is standard output")
	cmd.Flags().StringVar(&passphraseFile, "passphrase-file", "", "a file with the passphrase; without it the terminal is asked")
	cmd.RunE = a.On(id, func(ctx context.Context, c *client.Client, id string) error {
		phrase, err := a.Passphrase(passphraseFile)
		if err != nil {
			return err
		}
		x, err := c.ExportManaged(ctx, id, string(phrase))
		if err != nil {
			return err
		}
		return a.WriteBytes(terminal.Output{Path: out, Encoding: "raw"}, []byte(x.Certificate+x.Chain+x.PrivateKey), x)
	})
	return cmd
}

func (a *app) importOne() *cobra.Command {
	var req client.ImportManagedRequest
	var certificate, chain, key string
	var tags []string
	cmd := &cobra.Command{
		Use: "import", Short: "Bring a certificate with its key, to be kept here", Args: cobra.NoArgs,
		Long: "Bring a certificate with its key, or with --id replace one that was brought before. Such a\n" +
			"certificate is not renewed: its issuer is elsewhere.",
	}
	flags := cmd.Flags()
	flags.StringVar(&certificate, "certificate", "", "the file with the certificate in PEM")
	flags.StringVar(&chain, "chain", "", "the file with its issuers in PEM")
	flags.StringVar(&key, "private-key", "", "the file with its key in PEM, not encrypted; - is standard input")
	flags.StringVar(&req.ID, "id", "", "the id of the imported certificate to replace")
	flags.StringArrayVar(&tags, "tag", nil, "a tag, NAME=VALUE (repeatable)")
	terminal.Require(cmd, "certificate", "private-key")
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) (err error) {
		for _, in := range []struct {
			path   string
			member *string
		}{{certificate, &req.Certificate}, {chain, &req.Chain}, {key, &req.PrivateKey}} {
			if in.path == "" {
				continue
			}
			text, err := a.Read(in.path, maxPEM)
			if err != nil {
				return err
			}
			*in.member = string(text)
		}
		if req.Tags, err = terminal.TagsOf(tags); err != nil {
			return err
		}
		x, err := c.ImportManaged(ctx, &req)
		if err != nil {
			return err
		}
		return a.show(x)
	})
	return cmd
}

func (a *app) revoke() *cobra.Command {
	id := certificate()
	var reason string
	var yes bool
	cmd := id.Add(&cobra.Command{Use: "revoke", Short: "Revoke a managed certificate"})
	cmd.Flags().StringVar(&reason, "reason", "unspecified", "why, as RFC 5280 section 5.3.1 names it")
	terminal.Complete(cmd, "reason", terminal.ReasonNames())
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.On(id, func(ctx context.Context, c *client.Client, id string) error {
		if err := terminal.CheckName("reason", reason, terminal.ReasonNames(), func(string) bool { return false }); err != nil {
			return err
		}
		if err := a.Confirm(yes, "revoke the managed certificate %s", id); err != nil {
			return err
		}
		x, err := c.RevokeManaged(ctx, id, reason)
		if err != nil {
			return err
		}
		return a.show(x)
	})
	return cmd
}
