package users

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

func (a *app) accessKeyCommand() *cobra.Command {
	return terminal.Group("access-key", "Manage users' credentials",
		a.accessKeyCreate(), a.accessKeySwitch("enable", "Let a disabled access key prove its user again", true),
		a.accessKeySwitch("disable", "Have an access key prove nothing until it is enabled", false),
		a.accessKeyDelete(), a.accessKeyRotate())
}

func (a *app) accessKeyCreate() *cobra.Command {
	user := a.user()
	cmd := user.Add(&cobra.Command{Use: "create", Short: "Make an access key for a user; its secret is shown only now"})
	cmd.RunE = a.On(user, func(ctx context.Context, c *client.Client, name string) error {
		k, err := c.CreateAccessKey(ctx, name)
		if err != nil {
			return err
		}
		return a.showAccessKey(k)
	})
	return cmd
}

// showAccessKey prints a new credential as lines to source.
func (a *app) showAccessKey(k *client.NewAccessKey) error {
	if err := a.Done("The secret is shown only now: keep it safe."); err != nil {
		return err
	}
	return a.Show(k, func(w *terminal.Table) { terminal.Exports(w, k.ID, k.SecretAccessKey) })
}

// idFlag adds --id to a command about one access key.
func idFlag(cmd *cobra.Command, id *string) {
	cmd.Flags().StringVar(id, "id", "", "the access key's id")
	terminal.Require(cmd, "id")
}

func (a *app) accessKeySwitch(use, short string, active bool) *cobra.Command {
	user := a.user()
	var id string
	cmd := user.Add(&cobra.Command{Use: use, Short: short})
	idFlag(cmd, &id)
	cmd.RunE = a.On(user, func(ctx context.Context, c *client.Client, name string) error {
		if err := c.SetAccessKeyActive(ctx, name, id, active); err != nil {
			return err
		}
		return a.Done("the access key %s is %s", id, activity(active))
	})
	return cmd
}

func (a *app) accessKeyDelete() *cobra.Command {
	user := a.user()
	var id string
	var yes bool
	cmd := user.Add(&cobra.Command{Use: "delete", Short: "Remove an access key"})
	idFlag(cmd, &id)
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.On(user, func(ctx context.Context, c *client.Client, name string) error {
		if err := a.Confirm(yes, "remove the access key %s of %s", id, name); err != nil {
			return err
		}
		if err := c.DeleteAccessKey(ctx, name, id); err != nil {
			return err
		}
		return a.Done("the access key %s is removed", id)
	})
	return cmd
}

func (a *app) accessKeyRotate() *cobra.Command {
	user := a.user()
	var id string
	cmd := user.Add(&cobra.Command{
		Use: "rotate", Short: "Make a new access key and disable the old one",
		Long: "Make a new access key for a user and disable the old one. Enable the old one again\n" +
			"if something still needs it; delete it when nothing does.",
	})
	idFlag(cmd, &id)
	cmd.RunE = a.On(user, func(ctx context.Context, c *client.Client, name string) error {
		k, err := c.CreateAccessKey(ctx, name)
		if err != nil {
			return err
		}
		if err := a.showAccessKey(k); err != nil {
			return err
		}
		if err := c.SetAccessKeyActive(ctx, name, id, false); err != nil {
			return terminal.Hint(fmt.Errorf("the access key %s was made, and %s is still active: %w", k.ID, id, err),
				"\"holdfast identity access-key disable %s --id %s\"", name, id)
		}
		return a.Done("the access key %s is disabled", id)
	})
	return cmd
}
