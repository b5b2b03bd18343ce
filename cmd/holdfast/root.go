package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is one run of the command line.
type app struct {
	terminal.App
	// started is set when a command's own work begins: what fails before is
	// wrong usage.
	started bool
}

// newRoot returns the whole command line. Its PersistentPreRunE reads the
// environment: a command that needs a hook of its own uses PreRunE.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "holdfast",
		Short: "Key management service and private certificate authority",
		Long: "Holdfast keeps private keys where they cannot leak and does everything else with\n" +
			"certificates for you. Start a server with \"holdfast dev --dir DIR\", and source DIR/env.",
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return terminal.FromEnvironment(cmd.Flags(), os.LookupEnv) },
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.PersistentFlags().BoolVar(&a.JSON, "json", false, "print JSON")
	for _, add := range commands() {
		root.AddCommand(add(&a.App))
	}
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd("") // cobra adds it only where it sees a subcommand's name
	terminal.Finish(root, func() { a.started = true })
	return root
}
