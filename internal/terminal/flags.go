package terminal

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/holdfast-kms/holdfast/client"
)

// MaxDocument is the longest policy that is read from a file, in bytes.
const MaxDocument = 64 << 10

// YesFlag adds --yes to a command that confirms.
func YesFlag(cmd *cobra.Command, yes *bool) {
	cmd.Flags().BoolVarP(yes, "yes", "y", false, "do it without asking")
}

// Variable returns the environment variable of a flag.
func Variable(flag string) string {
	return "HOLDFAST_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// FromEnvironment sets the flags that the command line left alone from their
// variables. A variable that is empty counts as not set.
func FromEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		value, ok := lookup(Variable(f.Name))
		if f.Changed || !ok || value == "" || f.Name == "help" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			failed = errors.Join(failed, fmt.Errorf("the variable %s: %w", Variable(f.Name), err))
		}
	})
	return failed
}

// Pairs reads NAME=VALUE flags.
func Pairs(flag string, texts []string) (map[string]string, error) {
	m := map[string]string{}
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if _, twice := m[name]; !ok || name == "" || twice {
			return nil, Usagef("--%s %q is not NAME=VALUE, or comes twice", flag, text)
		}
		m[name] = value
	}
	return m, nil
}

// Moment reads a time, or how long ago it was.
func Moment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return time.Now().Add(-d), nil
	}
	return time.Time{}, Usagef("--%s %q is neither a time such as 2026-01-31T12:00:00Z nor a time ago such as 24h", flag, text)
}

// Hours reads --validity, which is in whole hours.
func Hours(d time.Duration) (int, error) {
	if d < 0 || d%time.Hour != 0 {
		return 0, Usagef("--validity must be whole hours, such as 2160h")
	}
	return int(d / time.Hour), nil
}

// Require has a command refuse to run without a flag.
// Require makes flags necessary.
func Require(cmd *cobra.Command, flags ...string) {
	for _, f := range flags {
		if err := cmd.MarkFlagRequired(f); err != nil {
			panic("requiring a flag that is not there: " + err.Error()) // our own bug
		}
	}
}

// TagsOf reads NAME=VALUE flags as tags.
func TagsOf(texts []string) ([]client.Tag, error) {
	if _, err := Pairs("tag", texts); err != nil {
		return nil, err
	}
	tags := make([]client.Tag, len(texts))
	for i, text := range texts {
		tags[i].Key, tags[i].Value, _ = strings.Cut(text, "=")
	}
	return tags, nil
}
