package terminal

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
)

// Choices completes a flag or argument.
type Choices = func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective)

// Complete completes a flag with words.
func Complete(cmd *cobra.Command, flag string, words []string) {
	CompleteBy(cmd, flag, func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return words, cobra.ShellCompDirectiveNoFileComp
	})
}

// CompleteBy completes a flag with what a function finds.
func CompleteBy(cmd *cobra.Command, flag string, find Choices) {
	if err := cmd.RegisterFlagCompletionFunc(flag, find); err != nil {
		panic("completing a flag that is not there: " + err.Error()) // our own bug
	}
}

// CompleteDirectory completes a flag with directories.
func CompleteDirectory(cmd *cobra.Command, flag string) {
	if err := cmd.MarkFlagDirname(flag); err != nil {
		panic("completing a flag that is not there: " + err.Error()) // our own bug
	}
}

// completionTimeout bounds what a press of the tab key waits for the server.
const completionTimeout = 2 * time.Second

// Asked returns choices that the server knows. A server out of reach has none.
func Asked(connect func() (*client.Client, error), list func(context.Context, *client.Client) ([]string, error)) Choices {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		none := cobra.ShellCompDirectiveNoFileComp
		if len(args) > 0 && cmd.Args != nil && cmd.Args(cmd, append(args, "")) != nil {
			return nil, none
		}
		if cmd.Root().PersistentPreRunE(cmd, args) != nil {
			return nil, none
		}
		c, err := connect()
		if err != nil {
			return nil, none
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		words, _ := list(ctx, c) // what was found before an error is offered
		return words, none
	}
}
