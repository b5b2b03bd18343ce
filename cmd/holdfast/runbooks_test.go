package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// commandLine is a command as the runbooks show it: within ` or at the start of
// a line.
var commandLine = regexp.MustCompile("(?m)(?:^|`)holdfast ([a-z][^`\\n#|]*)")

// The commands that runbooks tell people to enter exist, with their flags.
func TestRunbooks(t *testing.T) {
	files, err := filepath.Glob("../../docs/runbooks/*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("no runbooks: %v", err)
	}
	root, checked := newRoot(&app{}), 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range commandLine.FindAllStringSubmatch(string(text), -1) {
			checked++
			cmd, rest, err := root.Find(strings.Fields(line[1]))
			if err != nil || cmd.HasSubCommands() {
				t.Errorf("%s: holdfast %s: no such command: %v", filepath.Base(file), line[1], err)
				continue
			}
			for _, word := range rest {
				name, isFlag := strings.CutPrefix(word, "--")
				name, _, _ = strings.Cut(name, "=")
				if isFlag && find(name, cmd.Flags(), cmd.InheritedFlags()) == nil {
					t.Errorf("%s: holdfast %s: no flag --%s", filepath.Base(file), line[1], name)
				}
			}
		}
	}
	if checked < 50 {
		t.Errorf("%d commands: the test does not see all", checked)
	}
}

func find(name string, sets ...*pflag.FlagSet) *pflag.Flag {
	for _, s := range sets {
		if f := s.Lookup(name); f != nil {
			return f
		}
	}
	return nil
}
