package authorities

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

func (a *app) update() *cobra.Command {
	var authority terminal.AuthorityArgument
	var revocation revocationFlags
	cmd := authority.Add(a.App, &cobra.Command{
		Use: "update", Short: "Change how an authority publishes revocations",
		Example: "  holdfast ca update issuing --crl-days 2 --crl-delta\n  holdfast ca update issuing --crl-shards 16 --ocsp=false",
	})
	revocation.add(cmd)
	cmd.RunE = a.OnAuthority(&authority, func(ctx context.Context, c *client.Client, name string) error {
		x, err := c.Authority(ctx, name)
		if err != nil {
			return err
		}
		settings := revocation.over(cmd, x.Revocation)
		if settings == nil {
			return terminal.Usagef("nothing to change was given")
		}
		if x, err = c.UpdateAuthority(ctx, name, &client.UpdateAuthorityRequest{Revocation: settings}); err != nil {
			return err
		}
		return a.show(x)
	})
	return cmd
}

// enableOrDisable makes the two verbs that let an authority issue or not.
func (a *app) enableOrDisable(use, short string, enabled bool) *cobra.Command {
	var authority terminal.AuthorityArgument
	cmd := authority.Add(a.App, &cobra.Command{Use: use, Short: short})
	cmd.RunE = a.OnAuthority(&authority, func(ctx context.Context, c *client.Client, name string) error {
		x, err := c.UpdateAuthority(ctx, name, &client.UpdateAuthorityRequest{Enabled: &enabled})
		if err != nil {
			return err
		}
		return a.show(x)
	})
	return cmd
}

func (a *app) remove() *cobra.Command {
	var authority terminal.AuthorityArgument
	var days int
	var yes bool
	cmd := authority.Add(a.App, &cobra.Command{
		Use: "delete", Short: "Put an authority to rest, and have it destroyed after a waiting period",
		Long: "Put a disabled authority to rest. Until it is destroyed it can be restored, and tells which\n" +
			"of its certificates are revoked. A key that it made for itself is destroyed with it.",
		Example: "  holdfast ca disable old\n  holdfast ca delete old --days 7",
	})
	cmd.Flags().IntVar(&days, "days", 30, "the waiting period, 7 to 30 days")
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.OnAuthority(&authority, func(ctx context.Context, c *client.Client, name string) error {
		if err := a.Confirm(yes, "delete the authority %s", name); err != nil {
			return err
		}
		x, err := c.DeleteAuthority(ctx, name, days)
		if err != nil {
			return err
		}
		return a.show(x)
	})
	return cmd
}

func (a *app) restore() *cobra.Command {
	var authority terminal.AuthorityArgument
	cmd := authority.Add(a.App, &cobra.Command{Use: "restore", Short: "Take the deletion of an authority back"})
	cmd.RunE = a.OnAuthority(&authority, func(ctx context.Context, c *client.Client, name string) error {
		x, err := c.RestoreAuthority(ctx, name)
		if err != nil {
			return err
		}
		return a.show(x)
	})
	return cmd
}

func (a *app) tag() *cobra.Command {
	var authority terminal.AuthorityArgument
	var tags []string
	cmd := authority.Add(a.App, &cobra.Command{Use: "tag", Short: "Add or change tags"})
	cmd.Flags().StringArrayVar(&tags, "tag", nil, "a tag, NAME=VALUE (repeatable)")
	terminal.Require(cmd, "tag")
	cmd.RunE = a.OnAuthority(&authority, func(ctx context.Context, c *client.Client, name string) error {
		list, err := terminal.TagsOf(tags)
		if err != nil {
			return err
		}
		x, err := c.TagAuthority(ctx, name, list)
		if err != nil {
			return err
		}
		return a.show(x)
	})
	return cmd
}

func (a *app) untag() *cobra.Command {
	var authority terminal.AuthorityArgument
	var names []string
	cmd := authority.Add(a.App, &cobra.Command{Use: "untag", Short: "Remove tags"})
	cmd.Flags().StringArrayVar(&names, "tag", nil, "a tag's name (repeatable)")
	terminal.Require(cmd, "tag")
	cmd.RunE = a.OnAuthority(&authority, func(ctx context.Context, c *client.Client, name string) error {
		x, err := c.UntagAuthority(ctx, name, names...)
		if err != nil {
			return err
		}
		return a.show(x)
	})
	return cmd
}
