package authorities

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

func (a *app) policy() *cobra.Command {
	var get, put, del terminal.AuthorityArgument
	var out terminal.Output
	var in string
	var yes bool
	show := get.Add(a.App, &cobra.Command{Use: "get", Short: "Print an authority's own policy"})
	out.Flags(show)
	show.RunE = a.OnAuthority(&get, func(ctx context.Context, c *client.Client, name string) error {
		p, err := c.AuthorityPolicy(ctx, name)
		if err != nil {
			return err
		}
		return a.WriteBytes(out, []byte(p.Document), p)
	})
	set := put.Add(a.App, &cobra.Command{Use: "put", Short: "Replace an authority's own policy"})
	set.Flags().StringVar(&in, "in", "-", "the file with the policy; - is standard input")
	set.RunE = a.OnAuthority(&put, func(ctx context.Context, c *client.Client, name string) error {
		text, err := a.Read(in, terminal.MaxDocument)
		if err != nil {
			return err
		}
		if err := c.PutAuthorityPolicy(ctx, name, client.Policy{Document: string(text)}); err != nil {
			return err
		}
		return a.Done("%s has a new policy", name)
	})
	remove := del.Add(a.App, &cobra.Command{Use: "delete", Short: "Remove an authority's own policy"})
	terminal.YesFlag(remove, &yes)
	remove.RunE = a.OnAuthority(&del, func(ctx context.Context, c *client.Client, name string) error {
		if err := a.Confirm(yes, "remove the policy of %s", name); err != nil {
			return err
		}
		if err := c.DeleteAuthorityPolicy(ctx, name); err != nil {
			return err
		}
		return a.Done("%s has no policy of its own now", name)
	})
	return terminal.Group("policy", "Manage who may do what with an authority", show, set, remove)
}

func (a *app) permission() *cobra.Command {
	return terminal.Group("permission", "Manage which services may use an authority",
		a.permissionCreate(), a.permissionList(), a.permissionDelete())
}

func (a *app) permissionCreate() *cobra.Command {
	var authority terminal.AuthorityArgument
	var p client.Permission
	cmd := authority.Add(a.App, &cobra.Command{
		Use: "create", Short: "Let a service use an authority",
		Example: "  holdfast ca permission create issuing --principal acm.amazonaws.com --action ca:Issue --action ca:GetCertificate",
	})
	principalFlags(cmd, &p)
	cmd.Flags().StringArrayVar(&p.Actions, "action", nil, "what it may do, such as ca:Issue (repeatable)")
	terminal.Require(cmd, "action")
	cmd.RunE = a.OnAuthority(&authority, func(ctx context.Context, c *client.Client, name string) error {
		if err := c.CreatePermission(ctx, name, p); err != nil {
			return err
		}
		return a.Done("%s may use %s", p.Principal, name)
	})
	return cmd
}

func principalFlags(cmd *cobra.Command, p *client.Permission) {
	cmd.Flags().StringVar(&p.Principal, "principal", "", "the service, such as acm.amazonaws.com")
	cmd.Flags().StringVar(&p.Realm, "for-realm", "", "the realm for which it acts; without it the authority's own")
	terminal.Require(cmd, "principal")
}

func (a *app) permissionList() *cobra.Command {
	var authority terminal.AuthorityArgument
	cmd := authority.Add(a.App, &cobra.Command{Use: "list", Short: "List which services may use an authority"})
	cmd.RunE = a.OnAuthority(&authority, func(ctx context.Context, c *client.Client, name string) error {
		all, err := c.Permissions(ctx, name)
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("PRINCIPAL", "REALM", "ACTIONS", "CREATED")
			for _, p := range all {
				w.Row(p.Principal, terminal.OrDash(p.Realm), p.Actions, p.CreatedAt)
			}
		})
	})
	return cmd
}

func (a *app) permissionDelete() *cobra.Command {
	var authority terminal.AuthorityArgument
	var p client.Permission
	var yes bool
	cmd := authority.Add(a.App, &cobra.Command{Use: "delete", Short: "Take a service's permission back"})
	principalFlags(cmd, &p)
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.OnAuthority(&authority, func(ctx context.Context, c *client.Client, name string) error {
		if err := a.Confirm(yes, "take the permission of %s for %s back", p.Principal, name); err != nil {
			return err
		}
		if err := c.DeletePermission(ctx, name, p.Principal, p.Realm); err != nil {
			return err
		}
		return a.Done("%s may not use %s any more", p.Principal, name)
	})
	return cmd
}
