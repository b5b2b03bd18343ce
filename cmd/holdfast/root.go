package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/server"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the commands of one run share.
type app struct {
	terminal.Terminal
	// config is what the flags and variables say of the server.
	config client.Config
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
		root.AddCommand(add(a))
	}
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd("") // cobra adds it only where it sees a subcommand's name
	terminal.Finish(root, func() { a.started = true })
	return root
}

// connection adds the flags that say which server to ask, and as whom. The
// secret and the session token come only from the environment: every user of
// a machine can read a command line.
func (a *app) connection(cmd *cobra.Command) *cobra.Command {
	flags := cmd.PersistentFlags()
	flags.StringVar(&a.config.Address, "addr", "", "the server's URL, such as https://127.0.0.1:8443")
	flags.StringVar(&a.config.CACert, "cacert", "", "a PEM file with the certificates to trust; the system's without it")
	flags.StringVar(&a.config.AccessKeyID, "access-key-id", "", "the access key id; its secret is read from "+client.EnvSecretAccessKey)
	flags.StringVar(&a.config.Region, "region", "", "the region of the keys; the server's own without it")
	flags.DurationVar(&a.config.Timeout, "timeout", 30*time.Second, "how long to wait for the server")
	return cmd
}

// connect returns a client of the server that the flags name.
func (a *app) connect() (*client.Client, error) {
	config := a.config
	config.SecretAccessKey, config.SessionToken = os.Getenv(client.EnvSecretAccessKey), os.Getenv(client.EnvSessionToken)
	config.UserAgent = "holdfast-cli/" + server.Version().Version
	c, err := client.New(config)
	if err != nil && (config.Address == "" || config.AccessKeyID == "" || config.SecretAccessKey == "") {
		return nil, terminal.Hint(err, "source DIR/env, which \"holdfast dev --dir DIR\" writes")
	}
	return c, err
}

// onNamed returns the RunE of a command about one thing, which its first
// argument names, or a flag.
func (a *app) onNamed(
	flag *string, missing string, act func(ctx context.Context, c *client.Client, name string) error,
) func(*cobra.Command, []string) error {
	return a.remote(func(ctx context.Context, c *client.Client, args []string) error {
		name := *flag
		if len(args) > 0 {
			name = args[0]
		}
		if name == "" {
			return terminal.WrongUsage(errors.New(missing))
		}
		return act(ctx, c, name)
	})
}

// remote returns the RunE of a command that asks the server.
func (a *app) remote(act func(ctx context.Context, c *client.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := a.connect()
		if err != nil {
			return err
		}
		return terminal.Explain(act(cmd.Context(), c, args), c.Address())
	}
}
