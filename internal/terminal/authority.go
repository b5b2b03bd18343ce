package terminal

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
)

// AuthorityArgument is a command's authority: its first argument, or --ca.
type AuthorityArgument struct{ Flag string }

// Add lets a command name an authority.
func (n *AuthorityArgument) Add(a *App, cmd *cobra.Command) *cobra.Command {
	cmd.Use += " [CA]"
	cmd.Args = cobra.MaximumNArgs(1)
	cmd.ValidArgsFunction = a.AuthorityNames()
	n.FlagOf(a, cmd)
	return cmd
}

// FlagOf adds --ca alone.
func (n *AuthorityArgument) FlagOf(a *App, cmd *cobra.Command) {
	cmd.Flags().StringVar(&n.Flag, "ca", "", "the authority: its name or id")
	CompleteBy(cmd, "ca", a.AuthorityNames())
}

// OnAuthority returns the RunE of a command about one authority.
func (a *App) OnAuthority(n *AuthorityArgument, act func(ctx context.Context, c *client.Client, name string) error) func(*cobra.Command, []string) error {
	return a.On(&Argument{Name: n.Flag, Missing: "no authority is named: give its name with --ca"}, act)
}
