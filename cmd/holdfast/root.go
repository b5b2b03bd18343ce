package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/server"
)

// app is what the commands of one run share.
type app struct {
	in       io.Reader
	out, err io.Writer
	// json asks for JSON on stdout, and for errors as JSON on stderr.
	json bool
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
		Args:              cobra.ArbitraryArgs,
		RunE:              a.noVerb,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return fromEnvironment(cmd.Flags(), os.LookupEnv) },
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON")
	for _, add := range commands() {
		root.AddCommand(add(a))
	}
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd("") // cobra adds it only where it sees a subcommand's name
	a.finish(root)
	return root
}

// finish completes a command and all below it: what every one has.
func (a *app) finish(cmd *cobra.Command) {
	cmd.DisableFlagsInUseLine = true
	addFlag := func(f *pflag.Flag) {
		if name := variable(f.Name); !strings.Contains(f.Usage, name) {
			f.Usage += " (env " + name + ")"
		}
	}
	cmd.LocalFlags().VisitAll(addFlag)
	cmd.SetFlagErrorFunc(flagError)
	if cmd.HasSubCommands() && cmd.Run == nil && cmd.RunE == nil {
		cmd.Args, cmd.RunE = cobra.ArbitraryArgs, a.noVerb // cobra's own groups are as ours
	}
	if act := cmd.RunE; act != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.started = true
			return act(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		a.finish(sub)
	}
}

// variable returns the environment variable of a flag.
func variable(flag string) string {
	return "HOLDFAST_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment sets the flags that the command line left alone from their
// variables. A variable that is empty counts as not set.
func fromEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		value, ok := lookup(variable(f.Name))
		if f.Changed || !ok || value == "" || f.Name == "help" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			failed = errors.Join(failed, fmt.Errorf("the variable %s: %w", variable(f.Name), err))
		}
	})
	return failed
}

// group returns a command that is only a noun for the verbs below it.
func (a *app) group(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: a.noVerb}
	cmd.AddCommand(verbs...)
	return cmd
}

// noVerb answers a noun without a verb, or with one that does not exist.
func (a *app) noVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	err := fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	if near := closest(args[0], names); near != "" {
		return wrongUsage(hint(err, "did you mean %q?", cmd.CommandPath()+" "+near))
	}
	return wrongUsage(hint(err, "%q lists the commands", cmd.CommandPath()+" --help"))
}

// flagError completes what pflag says of a wrong flag.
func flagError(cmd *cobra.Command, err error) error {
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := closest(e.GetSpecifiedName(), names); near != "" {
			return wrongUsage(hint(err, "did you mean --%s?", near))
		}
	}
	return wrongUsage(hint(err, "%q lists the flags", cmd.CommandPath()+" --help"))
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
		return nil, hint(err, "source DIR/env, which \"holdfast dev --dir DIR\" writes")
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
			return wrongUsage(errors.New(missing))
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
		return explain(act(cmd.Context(), c, args), c.Address())
	}
}
