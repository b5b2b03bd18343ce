package terminal

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// encodings are how bytes are written.
func encodings() []string { return []string{"raw", "base64", "hex"} }

// Output is where a command writes bytes.
type Output struct {
	// Path is a file, or "-" for standard output.
	Path string
	// Encoding is raw, base64 or hex; "" is raw, or base64 where people look.
	Encoding string
}

// Flags adds --out and --encoding.
func (o *Output) Flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.Path, "out", "-", "the file to write; - is standard output")
	cmd.Flags().StringVar(&o.Encoding, "encoding", "", "raw, base64 or hex; without it raw, or base64 on a terminal")
	Complete(cmd, "encoding", encodings())
}

// WriteBytes writes data as the flags say. Files get mode 0600: some of what
// is written is secret. With --json, v is printed as well, or instead when
// there is no file.
func (t *Terminal) WriteBytes(o Output, data []byte, v any) error {
	text, err := t.encode(o, data)
	if err != nil {
		return err
	}
	if o.Path != "-" {
		if err := writeFile(o.Path, text); err != nil {
			return err
		}
	}
	if t.JSON {
		return t.Show(v, nil)
	}
	if o.Path != "-" {
		return nil
	}
	_, err = t.Out.Write(text)
	return err
}

// WriteSecret writes bytes that belong in no JSON.
func (t *Terminal) WriteSecret(o Output, data []byte) error {
	quiet := *t
	quiet.JSON = false
	return quiet.WriteBytes(o, data, nil)
}

func (t *Terminal) encode(o Output, data []byte) ([]byte, error) {
	if o.Encoding == "" {
		o.Encoding = "raw"
		if f, ok := t.Out.(*os.File); ok && o.Path == "-" && term.IsTerminal(int(f.Fd())) {
			o.Encoding = "base64"
		}
	}
	switch o.Encoding {
	case "raw":
		return data, nil
	case "base64":
		return []byte(base64.StdEncoding.EncodeToString(data) + "\n"), nil
	case "hex":
		return []byte(hex.EncodeToString(data) + "\n"), nil
	}
	return nil, Usagef("the encoding %q is not known: it is one of %s", o.Encoding, strings.Join(encodings(), ", "))
}

// writeFile replaces a file whole: by a new one beside it, which is renamed.
// What is no regular file (a device, a pipe) is written in place.
func writeFile(path string, data []byte) error {
	return ReplaceFile(path, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

// ReplaceFile replaces a file whole by what write writes: it is as it was
// until all of that is there. What is no regular file (a device, a pipe) is
// written in place. The file gets mode 0600.
func ReplaceFile(path string, write func(*os.File) error) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:gosec // the path is the user's own
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".holdfast-*") // mode 0600
	if err != nil {
		return err
	}
	err = write(f)
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
