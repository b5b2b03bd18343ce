package keys

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// NewAlias returns `holdfast alias`.
func NewAlias(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group("alias", "Name keys",
		a.aliasPut("create", "Name a key", "names", (*client.Client).CreateAlias),
		a.aliasPut("update", "Point an alias at another key", "now names", (*client.Client).UpdateAlias),
		a.aliasDelete(), a.aliasList()))
}

// aliasArgument is a command's alias: its first argument, or --name.
type aliasArgument struct{ flag string }

func (n *aliasArgument) add(a *app, cmd *cobra.Command) *cobra.Command {
	cmd.Use += " [ALIAS]"
	cmd.Args = cobra.MaximumNArgs(1)
	cmd.Flags().StringVar(&n.flag, "name", "", "the alias, with or without \"alias/\"")
	cmd.ValidArgsFunction = a.KeyNames()
	terminal.CompleteBy(cmd, "name", a.KeyNames())
	return cmd
}

func (n *aliasArgument) name(args []string) (string, error) {
	switch {
	case len(args) > 0:
		return terminal.AliasName(args[0]), nil
	case n.flag != "":
		return terminal.AliasName(n.flag), nil
	}
	return "", terminal.WrongUsage(terminal.Hint(errors.New("no alias is named"), "give it with --name"))
}

func (a *app) aliasPut(
	use, short, done string, put func(c *client.Client, ctx context.Context, name, key string) error,
) *cobra.Command {
	var name aliasArgument
	var key string
	cmd := name.add(a, &cobra.Command{Use: use, Short: short})
	cmd.Flags().StringVarP(&key, "key", "k", "", "the key: its id, alias (with or without \"alias/\") or ARN")
	terminal.CompleteBy(cmd, "key", a.KeyNames())
	terminal.Require(cmd, "key")
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, args []string) error {
		alias, err := name.name(args)
		if err != nil {
			return err
		}
		if err := put(c, ctx, alias, terminal.KeyName(key)); err != nil {
			return err
		}
		return a.Done("%s %s %s", alias, done, terminal.KeyName(key))
	})
	return cmd
}

func (a *app) aliasDelete() *cobra.Command {
	var name aliasArgument
	var yes bool
	cmd := name.add(a, &cobra.Command{Use: "delete", Short: "Remove an alias; its key stays"})
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, args []string) error {
		alias, err := name.name(args)
		if err != nil {
			return err
		}
		if err := a.Confirm(yes, "remove %s", alias); err != nil {
			return err
		}
		if err := c.DeleteAlias(ctx, alias); err != nil {
			return err
		}
		return a.Done("%s is removed", alias)
	})
	return cmd
}

func (a *app) aliasList() *cobra.Command {
	var key keyArgument
	cmd := key.add(a, &cobra.Command{Use: "list", Short: "List aliases, of one key or of all"})
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, args []string) error {
		var of string
		var err error
		if len(args) > 0 || key.flag != "" {
			if of, err = key.name(args); err != nil {
				return err
			}
		}
		all, err := terminal.All(func(p client.Page) ([]client.Alias, string, error) {
			l, err := c.Aliases(ctx, of, p)
			if err != nil {
				return nil, "", err
			}
			return l.Aliases, l.Next, nil
		})
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("ALIAS", "KEY", "CREATED")
			for _, alias := range all {
				w.Row(alias.Name, alias.KeyID, alias.CreatedAt)
			}
		})
	})
	return cmd
}
