package main

import (
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/compliance"
)

// TestMendingCommands: the commands by which rules say that a finding is mended
// are commands of this program, with flags that they have.
func TestMendingCommands(t *testing.T) {
	root := newRoot(&app{})
	seen := 0
	for _, r := range compliance.Rules() {
		for _, command := range []string{r.Mend[compliance.Holdfast], r.Otherwise[compliance.Holdfast]} {
			words := strings.Fields(command)
			for len(words) > 0 && strings.Contains(words[0], "=") {
				words = words[1:] // a variable of the environment
			}
			if len(words) == 0 || words[0] != "holdfast" {
				continue // of AWS's command line, which the server understands, or of Go's
			}
			seen++
			cmd, rest, err := root.Find(words[1:])
			if err != nil || cmd.HasSubCommands() && cmd.Name() != "server" {
				t.Errorf("%s: %q is no command: %v", r.ID, command, err)
				continue
			}
			if err := cmd.ParseFlags(rest); err != nil {
				t.Errorf("%s: %q: %v", r.ID, command, err)
				continue
			}
			if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
				t.Errorf("%s: %q: %v", r.ID, command, err)
			}
		}
	}
	if seen < 20 {
		t.Errorf("%d commands: the test does not see all", seen)
	}
}
