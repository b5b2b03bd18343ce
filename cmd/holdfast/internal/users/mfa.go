package users

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

func (a *app) mfaCommand() *cobra.Command {
	return terminal.Group("mfa", "Manage users' second factors: apps that show one-time codes",
		a.mfaEnrol(), a.mfaConfirm(), a.mfaList(), a.mfaRemove())
}

// factorFlag adds --factor to a command about one of a user's factors.
func factorFlag(cmd *cobra.Command, factor *string) {
	cmd.Flags().StringVar(factor, "factor", "", "the second factor's name; otherwise the user's")
}

func (a *app) mfaEnrol() *cobra.Command {
	user := a.user()
	var factor string
	cmd := user.Add(&cobra.Command{
		Use: "enrol", Aliases: []string{"enroll"}, Short: "Begin the enrolment of a second factor; its secret is shown only now",
		Example: "  holdfast identity user mfa enrol alice\n" +
			"  holdfast identity user mfa confirm alice --code 123456 --code 654321",
	})
	factorFlag(cmd, &factor)
	cmd.RunE = a.On(user, func(ctx context.Context, c *client.Client, name string) error {
		f, err := c.EnrolFactor(ctx, name, factor)
		if err != nil {
			return err
		}
		if err := a.Done("Give this to an authenticator app now, and confirm two codes that follow each other."); err != nil {
			return err
		}
		return a.Show(f, func(w *terminal.Table) {
			w.Fact("Factor", f.Name)
			w.Fact("Secret", f.Secret)
			w.Fact("URI", f.URI)
		})
	})
	return cmd
}

func (a *app) mfaConfirm() *cobra.Command {
	user := a.user()
	var factor string
	var codes []string
	cmd := user.Add(&cobra.Command{Use: "confirm", Short: "End an enrolment: show that the app has the secret"})
	factorFlag(cmd, &factor)
	cmd.Flags().StringArrayVar(&codes, "code", nil, "a code that the app shows; twice, with two that follow each other")
	terminal.Require(cmd, "code")
	cmd.RunE = a.On(user, func(ctx context.Context, c *client.Client, name string) error {
		if len(codes) != 2 {
			return terminal.Usagef("give --code twice, with two codes that follow each other")
		}
		if factor == "" {
			factor = name
		}
		if err := c.ConfirmFactor(ctx, name, factor, codes[0], codes[1]); err != nil {
			return err
		}
		return a.Done("the second factor %s of %s is confirmed", factor, name)
	})
	return cmd
}

func (a *app) mfaList() *cobra.Command {
	user := a.user()
	cmd := user.Add(&cobra.Command{Use: "list", Short: "List the second factors of a user"})
	cmd.RunE = a.On(user, func(ctx context.Context, c *client.Client, name string) error {
		all, err := c.Factors(ctx, name)
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("FACTOR", "CONFIRMED", "CREATED", "USED", "LOCKED UNTIL")
			for _, f := range all {
				w.Row(f.Name, f.Confirmed, f.CreatedAt, f.UsedAt, f.LockedUntil)
			}
		})
	})
	return cmd
}

func (a *app) mfaRemove() *cobra.Command {
	user := a.user()
	var factor string
	var yes bool
	cmd := user.Add(&cobra.Command{Use: "remove", Short: "Remove a second factor of a user"})
	factorFlag(cmd, &factor)
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.On(user, func(ctx context.Context, c *client.Client, name string) error {
		if factor == "" {
			factor = name
		}
		if err := a.Confirm(yes, "remove the second factor %s of %s", factor, name); err != nil {
			return err
		}
		if err := c.RemoveFactor(ctx, name, factor); err != nil {
			return err
		}
		return a.Done("the second factor %s of %s is removed", factor, name)
	})
	return cmd
}
