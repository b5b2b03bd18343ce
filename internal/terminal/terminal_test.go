package terminal

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/holdfast-kms/holdfast/client"
)

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
			err := FromEnvironment(flags, lookup(test.vars))
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

// What was probably meant.
func TestClosest(t *testing.T) {
	candidates := []string{"create", "list", "show", "sign", "ECC_NIST_P256", "ECC_NIST_P384"}
	tests := map[string]string{
		"creat": "create", "lis": "list", "sig": "sign", "CREATE": "create",
		"ECC_NIST_P257": "ECC_NIST_P256", "ecc_nist_p384": "ECC_NIST_P384", "zebra": "", "": "", "x": "",
	}
	for word, want := range tests {
		if got := Closest(word, candidates); got != want {
			t.Errorf("Closest(%q) = %q, want %q", word, got, want)
		}
	}
}

// What flags of these kinds take.
func TestFlagValues(t *testing.T) {
	tests := map[string]struct {
		err  error
		good bool
	}{
		"a pair":              {second(Pairs("tag", []string{"a=b", "c="})), true},
		"no pair":             {second(Pairs("tag", []string{"a"})), false},
		"a pair without name": {second(Pairs("tag", []string{"=b"})), false},
		"a name twice":        {second(Pairs("tag", []string{"a=b", "a=c"})), false},
		"no moment":           {second(Moment("since", "")), true},
		"a time":              {second(Moment("since", "2026-01-31T12:00:00Z")), true},
		"a time ago":          {second(Moment("since", "24h")), true},
		"a time to come":      {second(Moment("since", "-24h")), false},
		"a day":               {second(Moment("since", "yesterday")), false},
		"hours":               {second(Hours(2 * time.Hour)), true},
		"minutes":             {second(Hours(90 * time.Minute)), false},
		"negative hours":      {second(Hours(-time.Hour)), false},
		"a name":              {CheckName("profile", "a", []string{"a"}, never), true},
		"another name":        {CheckName("profile", "b", []string{"a"}, never), false},
	}
	for name, test := range tests {
		if (test.err == nil) != test.good || ExitCode(test.err) == 1 {
			t.Errorf("%s: %v, want good: %v", name, test.err, test.good)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func never(string) bool { return false }

// Without a terminal nothing is done that was not confirmed.
func TestConfirm(t *testing.T) {
	var asked strings.Builder
	terminal := &Terminal{In: strings.NewReader("y\n"), Err: &asked}
	if err := terminal.Confirm(true, "remove %s", "x"); err != nil {
		t.Error(err)
	}
	if err := terminal.Confirm(false, "remove %s", "x"); ExitCode(err) != 2 || !strings.HasPrefix(err.Error(), "remove x") {
		t.Error(err)
	}
	if _, err := terminal.AskSecret("Passphrase", "set a variable"); err == nil || err.Error() != "set a variable" {
		t.Error(err)
	}
	if asked.Len() > 0 {
		t.Errorf("asked %q of nobody", &asked)
	}
}

// A table for people, and the same as JSON.
func TestShow(t *testing.T) {
	var out strings.Builder
	terminal := &Terminal{Out: &out}
	value := map[string]string{"name": "<a>"}
	table := func(w *Table) {
		w.Fact("Name", value["name"])
		w.Fact("Nothing", time.Time{})
		w.Row("A", []string{"b", "c"}, OrDash(""))
	}
	if err := terminal.Show(value, table); err != nil || out.String() != "Name:  <a>\nA      b, c  -\n" {
		t.Errorf("%q, %v", &out, err)
	}
	out.Reset()
	terminal.JSON = true
	if err := terminal.Show(value, table); err != nil || out.String() != "{\n  \"name\": \"<a>\"\n}\n" {
		t.Errorf("%q, %v", &out, err)
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
		"usage":         {Usagef("x"), 2},
		"usage, hinted": {Hint(Usagef("x"), "y"), 2},
		"server's":      {&client.Error{Kind: client.InvalidArgument}, 1},
	}
	for name, test := range tests {
		if got := ExitCode(test.err); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

// What others wrote does not steer the terminal.
func TestPrintable(t *testing.T) {
	if got := Printable("a\x1b[2Jb\u009bc\nd"); strings.ContainsAny(got, "\x1b\n\u009b") {
		t.Errorf("got %q", got)
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
		if got := KeyName(in); got != want {
			t.Errorf("KeyName(%q) = %q, want %q", in, got, want)
		}
	}
}
