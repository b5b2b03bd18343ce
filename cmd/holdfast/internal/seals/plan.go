package seals

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server/tokens"
	"github.com/holdfast-kms/holdfast/internal/split"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// The shares that are made when nobody says how many.
const (
	defaultShares    = 5
	defaultThreshold = 3
)

// DefaultKey is the label of the key in a token that seals.
const DefaultKey = "holdfast-seal"

// Flags say how a root key is to be sealed.
type Flags struct {
	Method            string
	shares, threshold int
	sharesDir         string
	hsm, hsmKey       string
	// toPerson has shares that go to no directory be shown to the person at the
	// terminal only: the command's output is something else.
	toPerson bool
}

// Add adds the flags to a command; method is the default of --seal, "" for none
// of these flags but those of shares.
func (f *Flags) Add(cmd *cobra.Command, method string) {
	flags := cmd.Flags()
	flags.StringVar(&f.Method, "seal", method, "how the root key is kept: file, passphrase, shares or hsm")
	f.addShares(cmd)
	flags.StringVar(&f.hsm, "hsm", "", "with --seal hsm: the token, by its name in the configuration")
	flags.StringVar(&f.hsmKey, "hsm-key", DefaultKey, "with --seal hsm: the label of the key in the token; made when it is missing")
	terminal.Complete(cmd, "seal", []string{string(seal.InFile), string(seal.UnderPassphrase), string(seal.UnderShares), string(seal.UnderHSM)})
}

func (f *Flags) addShares(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&f.shares, "shares", defaultShares, "with --seal shares: how many shares are made")
	flags.IntVar(&f.threshold, "threshold", defaultThreshold, "with --seal shares: how many of them unseal")
	flags.StringVar(&f.sharesDir, "shares-dir", "", "with --seal shares: a directory for a file with each share; printed without it")
	terminal.CompleteDirectory(cmd, "shares-dir")
}

// ToPerson has shares that go to no directory be shown to the person at the
// terminal only, for a command whose output is something else.
func (f *Flags) ToPerson() { f.toPerson = true }

// out returns where shares go that go to no directory, nil for nowhere.
func (f *Flags) out(t *terminal.Terminal) io.Writer {
	switch {
	case !f.toPerson:
		return t.Out
	case t.Interactive():
		return t.Err
	}
	return nil
}

// Plan returns the plan, and what ends it. The passphrase for it is asked for
// by ask.
func (f *Flags) Plan(ctx context.Context, c *config.Config, t *terminal.Terminal, ask func() ([]byte, error)) (p seal.Plan, end func() error, err error) {
	p = seal.Plan{Method: seal.Method(f.Method)}
	end = func() error { clear(p.Passphrase); return nil }
	if err := f.check(); err != nil {
		return p, end, err
	}
	switch p.Method {
	case seal.UnderPassphrase:
		p.Passphrase, err = ask()
	case seal.UnderShares:
		p.Shares, p.Threshold = f.shares, f.threshold
		if f.sharesDir == "" && f.out(t) == nil {
			err = terminal.Usagef("the shares are shown at a terminal only: give a directory for them with --shares-dir")
		}
	case seal.UnderHSM:
		p.Token, p.Key = f.hsm, f.hsmKey
		p.Keeper, end, err = tokens.SealKey(ctx, c, f.hsm, f.hsmKey)
	case seal.InFile:
	}
	return p, end, err
}

// check refuses flags that cannot be meant so.
func (f *Flags) check() error {
	switch m := seal.Method(f.Method); {
	case !slices.Contains(seal.Methods(), m):
		return terminal.Usagef("--seal %q is none of %v", f.Method, seal.Methods())
	case m == seal.UnderHSM && f.hsm == "":
		return terminal.Usagef("which token is to seal: give its name in the configuration with --hsm, and the configuration with --config")
	}
	return nil
}

// newPassphrase asks for a passphrase that is not known yet: at a terminal
// twice.
func newPassphrase(t *terminal.Terminal, question, otherwise string) ([]byte, error) {
	first, err := t.AskSecret(question, otherwise)
	if err != nil {
		return nil, err
	}
	second, err := t.AskSecret("The same again", otherwise)
	defer clear(second)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, second) {
		clear(first)
		return nil, errors.New("the two passphrases differ: nothing was done")
	}
	return first, nil
}

// firstPassphrase returns the passphrase of a directory that is being made.
func firstPassphrase(c *config.Config, t *terminal.Terminal) ([]byte, error) {
	if phrase, err := givenPassphrase(c); err != nil || phrase != nil {
		return phrase, err
	}
	return newPassphrase(t, "New passphrase for "+directory(c),
		"the root key needs a passphrase: set "+PassphraseVariable+" or seal.passphrase_file, or start from a terminal")
}

// Make makes a data directory and its seal.
func (f *Flags) Make(ctx context.Context, c *config.Config, t *terminal.Terminal) (_ *seal.Root, err error) {
	p, end, err := f.Plan(ctx, c, t, func() ([]byte, error) { return firstPassphrase(c, t) })
	if end != nil {
		defer func() { err = errors.Join(err, end()) }()
	}
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	root, err := seal.Make(ctx, c.Data, p, f.Deliver(t))
	if err == nil && p.Method == seal.InFile {
		err = t.Done("The root key is in %s, unprotected but by the file's mode: \"--seal passphrase\", \"shares\" and \"hsm\" do better.",
			filepath.Join(c.Data, "root.key"))
	}
	return root, err
}

// shareLine is a share as --json prints it.
type shareLine struct {
	Number int    `json:"number"`
	Share  string `json:"share"`
}

// Deliver returns what writes shares, each to a file of its own, or prints
// them.
func (f *Flags) Deliver(t *terminal.Terminal) seal.Deliver {
	return func(shares []split.Share) error {
		if f.sharesDir != "" {
			return f.store(t, shares)
		}
		return f.print(t, shares)
	}
}

func (f *Flags) print(t *terminal.Terminal, shares []split.Share) error {
	out := f.out(t)
	if out == nil {
		return errors.New("there is nobody to show the shares to")
	}
	if t.JSON {
		lines := make([]shareLine, len(shares))
		for i := range shares {
			lines[i] = shareLine{shares[i].Number(), string(shares[i].Text())}
		}
		return json.NewEncoder(out).Encode(lines)
	}
	var text []byte
	defer func() { clear(text) }()
	for i := range shares {
		text = fmt.Appendf(text, "# Share %d of %d, of set %s: any %d unseal.\n", shares[i].Number(), len(shares), shares[i].Set(), f.threshold)
		share := shares[i].Text()
		text = append(append(text, share...), '\n')
		clear(share)
	}
	if _, err := out.Write(text); err != nil {
		return err
	}
	return t.Done("Give each share to another person. They are shown this once; Holdfast keeps none.")
}

// store writes each share to a file.
func (f *Flags) store(t *terminal.Terminal, shares []split.Share) error {
	if err := os.MkdirAll(f.sharesDir, 0o700); err != nil {
		return err
	}
	for i := range shares {
		path := filepath.Join(f.sharesDir, fmt.Sprintf("share-%s-%d.txt", shares[i].Set(), shares[i].Number()))
		text := append(shares[i].Text(), '\n')
		err := terminal.ReplaceFile(path, func(file *os.File) error {
			_, err := file.Write(text)
			return errors.Join(err, file.Sync())
		})
		clear(text)
		if err != nil {
			return err
		}
	}
	return t.Done("%d shares, of which any %d unseal, are in %s: give each to another person, and keep none.", len(shares), f.threshold, f.sharesDir)
}
