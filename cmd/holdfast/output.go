package main

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// show prints v: as JSON where that is asked for, else as table writes it.
func (a *app) show(v any, table func(w io.Writer)) error {
	if a.json {
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	table(w)
	return w.Flush()
}

// row writes the cells of one line of a table.
func row(w io.Writer, cells ...any) {
	for i, c := range cells {
		if i > 0 {
			fmt.Fprint(w, "\t") //nolint:errcheck // a tabwriter reports its errors in Flush
		}
		fmt.Fprint(w, cell(c)) //nolint:errcheck // a tabwriter reports its errors in Flush
	}
	fmt.Fprintln(w) //nolint:errcheck // a tabwriter reports its errors in Flush
}

// fact writes a named value, unless there is none.
func fact(w io.Writer, name string, value any) {
	if text := cell(value); text != "" && text != "-" {
		row(w, name+":", text)
	}
}

// cell writes a value for people.
func cell(v any) string {
	switch v := v.(type) {
	case time.Time:
		if v.IsZero() {
			return "-"
		}
		return v.UTC().Format("2006-01-02 15:04:05Z")
	case []string:
		return strings.Join(v, ", ")
	}
	return printable(fmt.Sprint(v))
}

// printable replaces what could steer a terminal: names and descriptions are
// written by others.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || (r >= 0x7f && r < 0xa0) {
			return '\ufffd'
		}
		return r
	}, s)
}

// done tells on stderr that something without a result was done.
func (a *app) done(format string, args ...any) error {
	if a.json {
		return nil
	}
	_, err := fmt.Fprintf(a.err, format+"\n", args...)
	return err
}

// confirm asks before something that cannot be taken back. Without a terminal
// it wants --yes.
func (a *app) confirm(yes bool, format string, args ...any) error {
	if yes {
		return nil
	}
	question := fmt.Sprintf(format, args...)
	if f, ok := a.in.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return wrongUsage(hint(errors.New(question+": this needs a confirmation"), "give --yes"))
	}
	if _, err := fmt.Fprintf(a.err, "%s? [y/N] ", question); err != nil {
		return err
	}
	answer, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("not confirmed: nothing was changed")
}

// yesFlag adds --yes to a command that confirms.
func yesFlag(cmd *cobra.Command, yes *bool) {
	cmd.Flags().BoolVarP(yes, "yes", "y", false, "do it without asking")
}

// encodings are how bytes are written.
func encodings() []string { return []string{"raw", "base64", "hex"} }

// output is where a command writes bytes.
type output struct{ path, encoding string }

// flags adds --out and --encoding.
func (o *output) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.path, "out", "-", "the file to write; - is standard output")
	cmd.Flags().StringVar(&o.encoding, "encoding", "", "raw, base64 or hex; without it raw, or base64 on a terminal")
	complete(cmd, "encoding", encodings())
}

// writeBytes writes data as the flags say. Files get mode 0600: some of what
// is written is secret. With --json, v is printed as well, or instead when
// there is no file.
func (a *app) writeBytes(o output, data []byte, v any) error {
	text, err := a.encode(o, data)
	if err != nil {
		return err
	}
	if o.path != "-" {
		if err := writeFile(o.path, text); err != nil {
			return err
		}
	}
	if a.json {
		return a.show(v, nil)
	}
	if o.path != "-" {
		return nil
	}
	_, err = a.out.Write(text)
	return err
}

func (a *app) encode(o output, data []byte) ([]byte, error) {
	if o.encoding == "" {
		o.encoding = "raw"
		if f, ok := a.out.(*os.File); ok && o.path == "-" && term.IsTerminal(int(f.Fd())) {
			o.encoding = "base64"
		}
	}
	switch o.encoding {
	case "raw":
		return data, nil
	case "base64":
		return []byte(base64.StdEncoding.EncodeToString(data) + "\n"), nil
	case "hex":
		return []byte(hex.EncodeToString(data) + "\n"), nil
	}
	return nil, usagef("the encoding %q is not known: it is one of %s", o.encoding, strings.Join(encodings(), ", "))
}

// writeFile replaces a file whole: by a new one beside it, which is renamed.
// What is no regular file (a device, a pipe) is written in place.
func writeFile(path string, data []byte) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(path, data, 0o600)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".holdfast-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error counts
	}
	return err
}

// open opens an input; "-" is standard input.
func (a *app) open(path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(a.in), nil
	}
	return os.Open(path) //nolint:gosec // the path is the user's own
}

// read reads an input of at most limit bytes.
func (a *app) read(path string, limit int64) ([]byte, error) {
	f, err := a.open(path)
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
