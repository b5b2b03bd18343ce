package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// every calls visit for a command and all below it.
func every(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, sub := range cmd.Commands() {
		every(sub, visit)
	}
}

// Every command says what it does, and every flag what it is for and which
// environment variable stands for it.
func TestCommands(t *testing.T) {
	commands, flags := 0, 0
	every(newRoot(&app{}), func(cmd *cobra.Command) {
		commands++
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: the short help %q is missing or ends in a full stop", cmd.CommandPath(), cmd.Short)
		}
		if cmd.HasParent() && cmd.RunE == nil && cmd.Run == nil {
			t.Errorf("%s does nothing", cmd.CommandPath())
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "help" {
				return
			}
			flags++
			if env := "(env " + terminal.Variable(f.Name) + ")"; !strings.Contains(f.Usage, env) || len(f.Usage) < len(env)+4 {
				t.Errorf("%s --%s: the help %q lacks a text or %q", cmd.CommandPath(), f.Name, f.Usage, env)
			}
			if strings.Contains(f.Name, "secret") || strings.Contains(f.Name, "token") {
				t.Errorf("%s --%s: every user of the machine can read a command line", cmd.CommandPath(), f.Name)
			}
		})
	})
	if commands < 50 || flags < 100 {
		t.Errorf("%d commands and %d flags: the test does not see all", commands, flags)
	}
}

// A run tells its failure on stderr and nothing on stdout.
func TestRun(t *testing.T) {
	var stdout, stderr bytes.Buffer
	err := run(context.Background(), []string{"key", "nothing"}, strings.NewReader(""), &stdout, &stderr)
	if terminal.ExitCode(err) != 2 || stdout.Len() > 0 || !strings.HasPrefix(stderr.String(), `holdfast: unknown command "nothing"`) {
		t.Errorf("%v, stdout %q, stderr %q", err, &stdout, &stderr)
	}
}
