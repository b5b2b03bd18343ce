package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/holdfast-kms/holdfast/client"
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
			if env := "(env " + variable(f.Name) + ")"; !strings.Contains(f.Usage, env) || len(f.Usage) < len(env)+4 {
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

// A variable stands for its flag, and the command line goes before it.
func TestFromEnvironment(t *testing.T) {
	lookup := func(vars map[string]string) func(string) (string, bool) {
		return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
	}
	tests := map[string]struct {
		args []string
		vars map[string]string
		want string
		err  string
	}{
		"neither":      {nil, nil, "default 1", ""},
		"variable":     {nil, map[string]string{"HOLDFAST_KEY_ALIAS": "v", "HOLDFAST_DAYS": "7"}, "v 7", ""},
		"both":         {[]string{"--key-alias", "f"}, map[string]string{"HOLDFAST_KEY_ALIAS": "v"}, "f 1", ""},
		"empty":        {nil, map[string]string{"HOLDFAST_KEY_ALIAS": ""}, "default 1", ""},
		"of no number": {nil, map[string]string{"HOLDFAST_DAYS": "x"}, "", "the variable HOLDFAST_DAYS: "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
			alias := flags.String("key-alias", "default", "")
			days := flags.Int("days", 1, "")
			if err := flags.Parse(test.args); err != nil {
				t.Fatal(err)
			}
			err := fromEnvironment(flags, lookup(test.vars))
			if test.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), test.err) {
					t.Errorf("got %v, want %s", err, test.err)
				}
				return
			}
			if got := fmt.Sprint(*alias, " ", *days); err != nil || got != test.want {
				t.Errorf("got %s (%v), want %s", got, err, test.want)
			}
		})
	}
}

// How users may call a key, and what the API is asked for.
func TestKeyName(t *testing.T) {
	tests := map[string]string{
		"a":                                    "alias/a",
		"alias/a":                              "alias/a",
		"team/a":                               "alias/team/a",
		"260b7fa3-7fec-4cd5-9770-0437d204d3ac": "260b7fa3-7fec-4cd5-9770-0437d204d3ac",
		"arn:aws:kms:us-east-1:123456789012:alias/a":                              "arn:aws:kms:us-east-1:123456789012:alias/a",
		"123456789012/us-east-1/260b7fa3-7fec-4cd5-9770-0437d204d3ac":             "123456789012/us-east-1/260b7fa3-7fec-4cd5-9770-0437d204d3ac",
		"arn:aws:kms:us-east-1:123456789012:key/260b7fa3-7fec-4cd5-9770-0437d204": "arn:aws:kms:us-east-1:123456789012:key/260b7fa3-7fec-4cd5-9770-0437d204",
	}
	for in, want := range tests {
		if got := keyName(in); got != want {
			t.Errorf("keyName(%q) = %q, want %q", in, got, want)
		}
	}
}

// What was probably meant.
func TestClosest(t *testing.T) {
	candidates := []string{"create", "list", "show", "sign", "ECC_NIST_P256", "ECC_NIST_P384"}
	tests := map[string]string{
		"creat": "create", "lis": "list", "sig": "sign", "CREATE": "create",
		"ECC_NIST_P257": "ECC_NIST_P256", "ecc_nist_p384": "ECC_NIST_P384", "zebra": "", "": "", "x": "",
	}
	for word, want := range tests {
		if got := closest(word, candidates); got != want {
			t.Errorf("closest(%q) = %q, want %q", word, got, want)
		}
	}
}

// The statuses of a run.
func TestExitCode(t *testing.T) {
	tests := map[string]struct {
		err  error
		want int
	}{
		"success":       {nil, 0},
		"failure":       {errors.New("x"), 1},
		"usage":         {usagef("x"), 2},
		"usage, hinted": {hint(usagef("x"), "y"), 2},
		"server's":      {&client.Error{Kind: client.InvalidArgument}, 1},
	}
	for name, test := range tests {
		if got := exitCode(test.err); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

// What others wrote does not steer the terminal.
func TestPrintable(t *testing.T) {
	if got := printable("a\x1b[2Jb\u009bc\nd"); strings.ContainsAny(got, "\x1b\n\u009b") {
		t.Errorf("got %q", got)
	}
}

// A run tells its failure on stderr and nothing on stdout.
func TestRun(t *testing.T) {
	var stdout, stderr bytes.Buffer
	err := run(context.Background(), []string{"key", "nothing"}, strings.NewReader(""), &stdout, &stderr)
	if exitCode(err) != 2 || stdout.Len() > 0 || !strings.HasPrefix(stderr.String(), `holdfast: unknown command "nothing"`) {
		t.Errorf("%v, stdout %q, stderr %q", err, &stdout, &stderr)
	}
}
