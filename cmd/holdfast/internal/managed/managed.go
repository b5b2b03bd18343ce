// Package managed has the commands of the noun managed: certificates whose
// keys Holdfast keeps, and which it renews.
//
// Start with New. The package is internal and may change with any release.
package managed

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// maxPEM is the longest certificate, chain or key that is read, in bytes.
const maxPEM = 64 << 10

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast managed`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group("managed", "Manage certificates that are renewed, and whose keys are kept here",
		a.request(), a.importOne(), a.list(), a.describe(), a.export(), a.update(), a.plan(), a.renew(), a.revoke(), a.remove(), a.tag(), a.untag()))
}

// certificate is a command's certificate: its first argument, or --id.
func certificate() *terminal.Argument {
	return &terminal.Argument{
		Word: "ID", Flag: "id", Help: "the managed certificate's id", Missing: "no managed certificate is named: give its id with --id",
	}
}

func (a *app) request() *cobra.Command {
	var req client.RequestManagedRequest
	var rule ruleFlags
	var tags []string
	cmd := &cobra.Command{
		Use: "request", Short: "Have a certificate issued, kept and renewed", Args: cobra.NoArgs,
		Long: "Have an authority issue a certificate for a key that is made and kept here. It is renewed\n" +
			"60 days before it ends, once it was exported or is used; by the --renew flags, or a rule of\n" +
			"its profile, in any case and when you say. For that the authority has to let\n" +
			"the service: \"ca permission create issuing --principal acm.amazonaws.com --action ca:Issue\n" +
			"--action ca:GetCertificate --action ca:ListPermissions\".",
		Example: "  holdfast managed request --ca issuing --domain web.example.com --name www.example.com\n" +
			"  holdfast managed export 5c9f… --passphrase-file pass --out web.pem",
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Authority, "ca", "", "the issuing authority's name or id")
	flags.StringVar(&req.Domain, "domain", "", "the name that the certificate is known by")
	flags.StringArrayVar(&req.Names, "name", nil, "a further name or address (repeatable)")
	flags.StringVar(&req.Spec, "spec", "", "the key's type and size; without it RSA_2048")
	flags.StringVar(&req.Profile, "profile", "", "the profile to issue under; without it for TLS servers and clients alike")
	flags.StringVar(&req.Validity, "validity", "", "how long it is valid, such as 90d; without it the profile's, or 395d")
	rule.add(cmd)
	flags.BoolVar(&req.KeyStays, "key-stays", false, "never let the key leave")
	flags.StringArrayVar(&tags, "tag", nil, "a tag, NAME=VALUE (repeatable)")
	terminal.CompleteBy(cmd, "ca", a.AuthorityNames())
	terminal.Complete(cmd, "spec", terminal.SpecNames())
	terminal.Require(cmd, "ca", "domain")
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) (err error) {
		if req.Spec != "" {
			if err := terminal.CheckSpec(req.Spec); err != nil {
				return err
			}
		}
		if req.Renewal, err = rule.given(); err != nil {
			return err
		}
		if req.Tags, err = terminal.TagsOf(tags); err != nil {
			return err
		}
		x, err := c.RequestManaged(ctx, &req)
		if err != nil {
			return err
		}
		return a.show(x)
	})
	return cmd
}

func (a *app) show(x *client.Managed) error {
	return a.Show(x, func(w *terminal.Table) {
		w.Fact("Managed", x.ID)
		w.Fact("Domain", x.Domain)
		w.Fact("Names", x.Names)
		w.Fact("Kind", x.Kind)
		w.Fact("State", x.State)
		w.Fact("Failure", x.Failure)
		w.Fact("Authority", x.Authority)
		w.Fact("Serial", x.Serial)
		w.Fact("Key", x.KeyID)
		w.Fact("Spec", x.Spec)
		w.Fact("Valid from", x.NotBefore)
		w.Fact("Valid until", x.NotAfter)
		w.Fact("Exportable", x.Exportable)
		w.Fact("Exported", x.ExportedAt)
		w.Fact("Profile", x.Profile)
		w.Fact("Renewed", x.Renewable)
		w.Fact("Renewal rule", ruleText(x))
		w.Fact("Next renewal", x.RenewalDue)
		w.Fact("Why then", x.RenewalCause)
		w.Fact("Revoked", x.RevokedAt)
		if r := x.Renewal; r != nil {
			w.Fact("Last renewal", r.Outcome+" at "+terminal.Cell(r.At)+" "+r.Failure)
		}
		for _, t := range x.Tags {
			w.Fact("Tag", t.Key+"="+t.Value)
		}
	})
}

func (a *app) list() *cobra.Command {
	var filter client.ManagedFilter
	cmd := &cobra.Command{Use: "list", Short: "List managed certificates", Args: cobra.NoArgs}
	cmd.Flags().StringVar(&filter.State, "state", "", "only issued, expired, revoked or failed ones")
	terminal.Complete(cmd, "state", []string{"issued", "expired", "revoked", "failed"})
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		all, err := terminal.All(func(p client.Page) ([]client.Managed, string, error) {
			l, err := c.ManagedCertificates(ctx, filter, p)
			if err != nil {
				return nil, "", err
			}
			return l.Managed, l.Next, nil
		})
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("ID", "DOMAIN", "KIND", "STATE", "VALID UNTIL")
			for _, x := range all {
				w.Row(x.ID, x.Domain, x.Kind, x.State, x.NotAfter)
			}
		})
	})
	return cmd
}

// simple is a command that does one thing to a managed certificate and shows
// it.
func (a *app) simple(use, short string, act func(*client.Client, context.Context, string) (*client.Managed, error)) *cobra.Command {
	id := certificate()
	cmd := id.Add(&cobra.Command{Use: use, Short: short})
	cmd.RunE = a.On(id, func(ctx context.Context, c *client.Client, id string) error {
		x, err := act(c, ctx, id)
		if err != nil {
			return err
		}
		return a.show(x)
	})
	return cmd
}

func (a *app) describe() *cobra.Command {
	return a.simple("show", "Show a managed certificate", (*client.Client).Managed)
}

func (a *app) renew() *cobra.Command {
	return a.simple("renew", "Renew a managed certificate now, with a new key unless its rule says otherwise", (*client.Client).RenewManaged)
}

func (a *app) remove() *cobra.Command {
	id := certificate()
	var yes bool
	cmd := id.Add(&cobra.Command{Use: "delete", Short: "Remove a managed certificate and its key"})
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.On(id, func(ctx context.Context, c *client.Client, id string) error {
		if err := a.Confirm(yes, "remove the managed certificate %s and its key", id); err != nil {
			return err
		}
		if err := c.DeleteManaged(ctx, id); err != nil {
			return err
		}
		return a.Done("%s is removed", id)
	})
	return cmd
}

func (a *app) tag() *cobra.Command {
	id := certificate()
	var tags []string
	cmd := id.Add(&cobra.Command{Use: "tag", Short: "Add or change tags"})
	cmd.Flags().StringArrayVar(&tags, "tag", nil, "a tag, NAME=VALUE (repeatable)")
	terminal.Require(cmd, "tag")
	cmd.RunE = a.On(id, func(ctx context.Context, c *client.Client, id string) error {
		list, err := terminal.TagsOf(tags)
		if err != nil {
			return err
		}
		if err := c.TagManaged(ctx, id, list); err != nil {
			return err
		}
		return a.Done("%s is tagged", id)
	})
	return cmd
}

func (a *app) untag() *cobra.Command {
	id := certificate()
	var names []string
	cmd := id.Add(&cobra.Command{Use: "untag", Short: "Remove tags"})
	cmd.Flags().StringArrayVar(&names, "tag", nil, "a tag's name (repeatable)")
	terminal.Require(cmd, "tag")
	cmd.RunE = a.On(id, func(ctx context.Context, c *client.Client, id string) error {
		if err := c.UntagManaged(ctx, id, names...); err != nil {
			return err
		}
		return a.Done("%s is untagged", id)
	})
	return cmd
}
