package compat

import (
	"context"
	"os/exec"
	"regexp"
	"strings"
)

// Tool is a client or checker that the tests run and a machine may lack.
type Tool struct {
	// Name is what people call it. Version is what it says of itself, "" when
	// it is absent.
	Name, Version string
}

var firstVersion = regexp.MustCompile(`\d+\.\d+(\.\d+)?`)

// FindTool runs command, which prints a version. A tool that is absent or
// does not run has no Version.
func FindTool(ctx context.Context, name string, command ...string) Tool {
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput() //nolint:gosec // the tests' own commands
	if err != nil {
		return Tool{Name: name}
	}
	return Tool{Name: name, Version: firstVersion.FindString(string(out))}
}

// String returns the name with the version or with the word absent.
func (t Tool) String() string {
	if t.Version == "" {
		return t.Name + " absent"
	}
	return t.Name + " " + t.Version
}

// Older reports whether the tool is older than the version major.minor.
func (t Tool) Older(major, minor int) bool {
	parts := strings.SplitN(t.Version, ".", 3)
	if len(parts) < 2 {
		return true
	}
	return number(parts[0]) < major || number(parts[0]) == major && number(parts[1]) < minor
}

// number returns the value of a string of digits.
func number(digits string) int {
	n := 0
	for _, d := range digits {
		n = n*10 + int(d-'0')
	}
	return n
}
