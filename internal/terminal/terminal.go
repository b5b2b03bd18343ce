// Package terminal is what the commands of cmd/holdfast say to people and to
// programs, and how they are asked: results as tables or as JSON, bytes in
// files, questions before what cannot be taken back, failures with a hint and
// an exit status, and the flags and completions that many commands share.
//
// Start with Terminal. table.go and output.go write results, failure.go tells
// failures and closest.go what was probably meant; command.go has what every
// command has, flags.go what flags do, complete.go what the tab key offers.
//
// The package is internal and may change with any release. What it prints
// with --json, and the exit statuses, stay as they are within v1.
package terminal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"
)

// Terminal is where one run of the command line reads and writes.
type Terminal struct {
	In       io.Reader
	Out, Err io.Writer
	// JSON asks for JSON on Out, and for failures as JSON on Err.
	JSON bool
}

// Show prints v: as JSON where that is asked for, else as table writes it.
func (t *Terminal) Show(v any, table func(w *Table)) error {
	if t.JSON {
		e := json.NewEncoder(t.Out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}
	w := tabwriter.NewWriter(t.Out, 0, 8, 2, ' ', 0)
	table(&Table{w})
	return w.Flush()
}

// Stream prints values one a line, as they come: with JSON as JSON Lines, so
// that a log of any length streams, else as line writes them.
func Stream[T any](t *Terminal, all iter.Seq2[T, error], line func(*T) string) error {
	e := json.NewEncoder(t.Out)
	e.SetEscapeHTML(false)
	for r, err := range all {
		if err != nil {
			return err
		}
		if t.JSON {
			err = e.Encode(r)
		} else {
			_, err = fmt.Fprintln(t.Out, line(&r))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Done tells on stderr that something without a result was done.
func (t *Terminal) Done(format string, args ...any) error {
	if t.JSON {
		return nil
	}
	_, err := fmt.Fprintf(t.Err, format+"\n", args...)
	return err
}

// Confirm asks before something that cannot be taken back. Without a terminal
// it wants --yes, which yes tells.
func (t *Terminal) Confirm(yes bool, format string, args ...any) error {
	if yes {
		return nil
	}
	question := fmt.Sprintf(format, args...)
	if !t.Interactive() {
		return WrongUsage(Hint(errors.New(question+": this needs a confirmation"), "give --yes"))
	}
	answer, err := t.Ask(question + "? [y/N] ")
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("not confirmed: nothing was changed")
}

// Interactive reports whether a person can answer questions.
func (t *Terminal) Interactive() bool {
	f, ok := t.In.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Ask shows a question and returns the line that is typed. It reads no byte
// beyond the line, for whoever asks next.
func (t *Terminal) Ask(question string) (string, error) {
	if _, err := fmt.Fprint(t.Err, question); err != nil {
		return "", err
	}
	var line []byte
	for one := make([]byte, 1); ; {
		n, err := t.In.Read(one)
		if n == 1 && one[0] != '\n' {
			line = append(line, one[0])
		}
		if errors.Is(err, io.EOF) || (n == 1 && one[0] == '\n') {
			return string(line), nil
		}
		if err != nil {
			return "", err
		}
	}
}

// AskSecret asks for a line that is not shown as it is typed. Without a
// terminal the failure is what otherwise says.
func (t *Terminal) AskSecret(question, otherwise string) ([]byte, error) {
	f, ok := t.In.(*os.File)
	if !ok || !t.Interactive() {
		return nil, errors.New(otherwise)
	}
	if _, err := fmt.Fprint(t.Err, question+": "); err != nil {
		return nil, err
	}
	text, err := term.ReadPassword(int(f.Fd()))
	_, _ = fmt.Fprintln(t.Err) // only a line break
	return text, err
}

// maxPassphrase is the longest passphrase that is read, in bytes.
const maxPassphrase = 4 << 10

// Passphrase reads a passphrase from a file, or without one asks for it.
func (t *Terminal) Passphrase(path string) ([]byte, error) {
	ask := func() ([]byte, error) { return t.Read(path, maxPassphrase) }
	if path == "" {
		ask = func() ([]byte, error) {
			return t.AskSecret("Passphrase", "a passphrase is needed: give a file with it by --passphrase-file, or start from a terminal")
		}
	}
	phrase, err := ask()
	if err != nil {
		return nil, fmt.Errorf("reading the passphrase: %w", err)
	}
	if phrase = bytes.TrimRight(phrase, "\r\n"); len(phrase) == 0 {
		return nil, Usagef("the passphrase is empty")
	}
	return phrase, nil
}

// Open opens an input; "-" is standard input.
func (t *Terminal) Open(path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(t.In), nil
	}
	return os.Open(path) //nolint:gosec // the path is the user's own
}

// Read reads an input of at most limit bytes.
func (t *Terminal) Read(path string, limit int64) ([]byte, error) {
	f, err := t.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return data, err
}
