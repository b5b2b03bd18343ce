package terminal

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Group returns a command that is only a noun for the verbs below it. Finish
// lets it answer a missing verb.
func Group(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short}
	cmd.AddCommand(verbs...)
	return cmd
}

// Finish completes a command and all below it: what every one has. began is
// called when a command's own work begins.
func Finish(cmd *cobra.Command, began func()) {
	cmd.DisableFlagsInUseLine = true
	addFlag := func(f *pflag.Flag) {
		if name := Variable(f.Name); !strings.Contains(f.Usage, name) {
			f.Usage += " (env " + name + ")"
		}
	}
	cmd.LocalFlags().VisitAll(addFlag)
	cmd.SetFlagErrorFunc(flagError)
	if cmd.HasSubCommands() && cmd.Run == nil && cmd.RunE == nil {
		cmd.Args, cmd.RunE = cobra.ArbitraryArgs, noVerb
	}
	if act := cmd.RunE; act != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			began()
			return act(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		Finish(sub, began)
	}
}

// noVerb answers a noun without a verb, or with one that does not exist.
func noVerb(cmd *cobra.Command, args []string) error {
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
	if near := Closest(args[0], names); near != "" {
		return WrongUsage(Hint(err, "did you mean %q?", cmd.CommandPath()+" "+near))
	}
	return WrongUsage(Hint(err, "%q lists the commands", cmd.CommandPath()+" --help"))
}

// flagError completes what pflag says of a wrong flag.
func flagError(cmd *cobra.Command, err error) error {
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := Closest(e.GetSpecifiedName(), names); near != "" {
			return WrongUsage(Hint(err, "did you mean --%s?", near))
		}
	}
	return WrongUsage(Hint(err, "%q lists the flags", cmd.CommandPath()+" --help"))
}
