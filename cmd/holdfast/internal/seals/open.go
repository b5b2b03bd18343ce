// Package seals has the commands of a data directory's seal: they show it,
// split and change it, make and restore recovery packages and backups, and
// bring shares to a server. It also has what every command needs that opens a
// data directory: its settings and its credentials.
//
// Start with New, NewUnseal and NewBackup for commands; with Settings, Open and
// Flags for what others need. The package is internal and may change with any
// release.
package seals

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server/tokens"
	"github.com/holdfast-kms/holdfast/internal/split"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// PassphraseVariable holds the passphrase of a sealed data directory.
const PassphraseVariable = "HOLDFAST_PASSPHRASE" //nolint:gosec // the name of a variable

// Settings reads a configuration file, if there is one, and puts what the
// command line says over it.
func Settings(file, data, listen string) (config.Config, error) {
	c := config.Default()
	if file != "" {
		var err error
		if c, err = config.Load(file); err != nil {
			return c, err
		}
	}
	if data != "" {
		absolute, err := filepath.Abs(data)
		if err != nil {
			return c, err
		}
		c.Data = absolute
	}
	if listen != "" {
		c.Listen = listen
	}
	return c, c.Validate()
}

// place is the flags that name a data directory.
type place struct{ file, data string }

func (p *place) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.file, "config", "", "configuration file (YAML)")
	cmd.Flags().StringVar(&p.data, "data", "", "data directory (default /var/lib/holdfast)")
	terminal.CompleteDirectory(cmd, "data")
}

func (p *place) settings() (config.Config, error) { return Settings(p.file, p.data, "") }

// Open opens the seal of a data directory, with credentials from wherever they
// are: the configuration, the environment, the terminal, and shares also from
// standard input. The caller closes it.
func Open(ctx context.Context, c *config.Config, t *terminal.Terminal) (*seal.Opened, error) {
	input := &shareInput{t: t}
	return seal.Unlock(ctx, c.Data, seal.Credentials{
		Passphrase: func() ([]byte, error) { return passphrase(c, t) },
		Share:      input.next,
		Keeper: func(ctx context.Context, token, key string) (seal.Keeper, func() error, error) {
			return tokens.SealKey(ctx, c, token, key)
		},
	})
}

// OpenRoot opens the seal of a data directory and returns its root key.
func OpenRoot(ctx context.Context, c *config.Config, t *terminal.Terminal) (*seal.Root, error) {
	o, err := Open(ctx, c, t)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	return o.Root()
}

// passphrase returns the passphrase of a data directory: from the file that
// is configured, the environment, or the terminal.
func passphrase(c *config.Config, t *terminal.Terminal) ([]byte, error) {
	if phrase, err := givenPassphrase(c); err != nil || phrase != nil {
		return phrase, err
	}
	return t.AskSecret("Passphrase of "+c.Data,
		"the root key needs a passphrase: set "+PassphraseVariable+" or seal.passphrase_file, or start from a terminal")
}

// givenPassphrase returns a passphrase that is not to be typed, or nil.
func givenPassphrase(c *config.Config) ([]byte, error) {
	if c.Seal.PassphraseFile != "" {
		text, err := os.ReadFile(c.Seal.PassphraseFile)
		return bytes.TrimRight(text, "\r\n"), err
	}
	if text := os.Getenv(PassphraseVariable); text != "" {
		return []byte(text), nil
	}
	return nil, nil
}

// shareInput reads shares: from a person at the terminal, who may try again,
// or as the lines of standard input.
type shareInput struct {
	t     *terminal.Terminal
	lines *bufio.Reader
}

// next returns the next share.
func (i *shareInput) next(p seal.Progress, wrong error) ([]byte, error) {
	if i.t.Interactive() {
		if wrong != nil {
			if _, err := fmt.Fprintf(i.t.Err, "%v\n", wrong); err != nil {
				return nil, err
			}
		}
		return i.ask(p)
	}
	if wrong != nil {
		return nil, wrong
	}
	text, err := i.line()
	if errors.Is(err, io.EOF) {
		return nil, terminal.Hint(fmt.Errorf("the shares are not enough: %s", p), "give one a line on standard input, or start from a terminal")
	}
	return text, err
}

// ask asks a person for a share.
func (i *shareInput) ask(p seal.Progress) ([]byte, error) {
	return i.t.AskSecret(fmt.Sprintf("A share of set %s (%s so far)", p.Set, p), "")
}

// line returns the next line of standard input that is not empty, or io.EOF.
func (i *shareInput) line() ([]byte, error) {
	if i.lines == nil {
		i.lines = bufio.NewReaderSize(i.t.In, 4*split.MaxText)
	}
	for {
		text, err := i.lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, errors.New("a line of standard input is too long to be a share")
		}
		line := bytes.Clone(bytes.TrimSpace(text))
		clear(text)
		if len(line) > 0 && line[0] != '#' {
			return line, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// directory is how a command names the data directory in its messages.
func directory(c *config.Config) string { return strings.TrimSuffix(c.Data, "/") }
