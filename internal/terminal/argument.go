package terminal

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
)

// Argument names the one thing that a command is about: as the command's
// argument, or by a flag, with which scripts say what it is.
type Argument struct {
	// Word stands for it in the usage, such as "USER".
	Word string
	// Flag is the flag's name, Short one letter for it or "", and Help what is
	// said of it.
	Flag, Short, Help string
	// Missing is said where it is named in neither way.
	Missing string
	// Names completes it; nil for nothing.
	Names Choices
	// Name is what the flag says.
	Name string
}

// Add has a command take it, and returns the command.
func (n *Argument) Add(cmd *cobra.Command) *cobra.Command {
	cmd.Use += " [" + n.Word + "]"
	cmd.Args = cobra.MaximumNArgs(1)
	cmd.Flags().StringVarP(&n.Name, n.Flag, n.Short, "", n.Help)
	if n.Names != nil {
		cmd.ValidArgsFunction = n.Names
		CompleteBy(cmd, n.Flag, n.Names)
	}
	return cmd
}

// On returns the RunE of a command about one thing.
func (a *App) On(n *Argument, act func(ctx context.Context, c *client.Client, name string) error) func(*cobra.Command, []string) error {
	return a.Remote(func(ctx context.Context, c *client.Client, args []string) error {
		name := n.Name
		if len(args) > 0 {
			name = args[0]
		}
		if name == "" {
			return WrongUsage(errors.New(n.Missing))
		}
		return act(ctx, c, name)
	})
}
