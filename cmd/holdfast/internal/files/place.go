package files

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/holdfast-kms/holdfast/envelope"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// place says where a command reads and writes.
type place struct {
	in, out string
	force   bool
}

// flags adds the flags, and the argument that stands for --in.
func (p *place) flags(cmd *cobra.Command, out string) {
	cmd.Args = cobra.MaximumNArgs(1)
	cmd.Flags().StringVar(&p.in, "in", "-", "the file to read; - is standard input")
	cmd.Flags().StringVar(&p.out, "out", "", "the file to write; - is standard output; without it "+out)
}

// forceFlag adds --force.
func (p *place) forceFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&p.force, "force", "f", false, "replace a file that is there, when its name follows from that of the input")
}

// given takes the argument for --in.
func (p *place) given(args []string) {
	if len(args) > 0 {
		p.in = args[0]
	}
}

// target chooses where to write when nothing is said: what derive makes of
// the input's name, which must not be there yet, or standard output.
func (p *place) target(derive func(in string) (string, error)) error {
	switch {
	case p.out != "":
		return nil
	case p.in == "-":
		p.out = "-"
		return nil
	}
	name, err := derive(p.in)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(name); err == nil && !p.force && name != p.in {
		return terminal.Usagef("%s is there already: name another file with --out, or give --force", name)
	}
	p.out = name
	return nil
}

// encrypted returns the name of an encrypted file.
func encrypted(in string) (string, error) { return in + envelope.Extension, nil }

// decrypted returns the name of a decrypted file.
func decrypted(in string) (string, error) {
	out, ok := strings.CutSuffix(in, envelope.Extension)
	if !ok || out == "" || strings.HasSuffix(out, "/") {
		return "", terminal.Usagef("%s does not end in %s: name the file to write with --out", in, envelope.Extension)
	}
	return out, nil
}

// same returns the name itself.
func same(in string) (string, error) { return in, nil }

// write writes the output: a file whole or, after an error, not at all.
// Standard output cannot be taken back: whoever reads it looks at the exit
// status.
func (a *app) write(p *place, secret bool, to func(io.Writer) error) error {
	if p.out == "-" {
		if f, ok := a.Out.(*os.File); ok && !secret && term.IsTerminal(int(f.Fd())) {
			return terminal.Usagef("an encrypted file is nothing for a terminal: name a file with --out")
		}
		return to(a.Out)
	}
	return terminal.ReplaceFile(p.out, func(f *os.File) error {
		if err := to(f); err != nil {
			return err
		}
		info, err := f.Stat()
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		if p.out == p.in { // who could read it still can
			if old, err := os.Stat(p.in); err == nil {
				if err := f.Chmod(old.Mode().Perm()); err != nil {
					return err
				}
			}
		}
		return f.Sync()
	})
}

// explain says more of what damaged files, and keys, are about.
func explain(in string, err error) error {
	if errors.Is(err, envelope.ErrFormat) {
		return fmt.Errorf("%s: %w", in, err)
	}
	if errors.Is(err, envelope.ErrDamaged) {
		return terminal.Hint(fmt.Errorf("%s: %w", in, err), "nothing of it was kept; what was written to standard output is the beginning, and not all")
	}
	return err
}
