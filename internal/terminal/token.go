package terminal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/hsm/preset"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	pkcs11uri "github.com/holdfast-kms/holdfast/internal/pkcs11/uri"
	"github.com/holdfast-kms/holdfast/internal/server/tokens"
)

// PINVariable has the PIN of a token that a command opens by itself.
const PINVariable = "HOLDFAST_PIN"

// maxPIN is the longest PIN that is read, in bytes.
const maxPIN = 4 << 10

// TokenFlags say which token a command opens by itself, without a server.
type TokenFlags struct{ Module, Preset, Token, PINFile string }

// Flags adds the flags.
func (f *TokenFlags) Flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.Module, "module", "", "the path of the token's PKCS #11 library; the preset's without it")
	flags.StringVar(&f.Preset, "preset", "", "the maker of the token: \"holdfast hsm presets\" lists them")
	flags.StringVar(&f.Token, "hsm-label", "", "the token's label, where the URI does not say which token")
	flags.StringVar(&f.PINFile, "pin-file", "", "a file with the PIN; without it "+PINVariable+" has it, or the terminal is asked")
	Complete(cmd, "preset", presetNames())
}

func presetNames() []string {
	var names []string
	for _, p := range preset.All() {
		names = append(names, cobra.CompletionWithDesc(p.Name, p.Maker+" "+p.Product))
	}
	return names
}

// OpenToken opens the token that a URI and flags name, which may be away: its
// Health says so. The library runs in a process of its own.
func (t *Terminal) OpenToken(ctx context.Context, f *TokenFlags, uri *pkcs11uri.URI) (*hsm.Token, error) {
	preset, err := tokens.PresetNamed(f.Preset)
	if err != nil {
		return nil, Plain(err)
	}
	c := hsm.Config{
		Name: "token", Environment: environment(), Module: f.Module, Preset: preset, Token: f.Token, Sessions: 2, Log: slog.New(slog.DiscardHandler),
	}
	if uri.ModulePath != "" {
		if f.Module != "" && f.Module != uri.ModulePath {
			return nil, Usagef("--module and the URI's module-path name different libraries")
		}
		c.Module = uri.ModulePath
	}
	if c.Module == "" && f.Preset == "" {
		return nil, WrongUsage(Hint(errors.New("no PKCS #11 library is named"), "give --module, or --preset; \"holdfast hsm presets\" lists the makers"))
	}
	if c.Token == "" {
		c.Token, c.Serial, c.Slot = chosen(uri)
	}
	if c.Token == "" && c.Serial == "" && c.Slot == nil {
		return nil, WrongUsage(Hint(errors.New("it is not said which token is meant"), "give --hsm-label, or token=, serial= or slot-id= in the URI"))
	}
	for _, name := range []string{c.Serial, c.Token} {
		if name != "" {
			c.Name = name
		}
	}
	pin, err := t.pin(f.PINFile, uri)
	if err != nil {
		return nil, err
	}
	c.PIN = func() ([]byte, error) { return bytes.Clone(pin), nil }
	opened, err := hsm.Open(ctx, c)
	switch {
	case errors.Is(err, pkcs11.ErrStatic):
		return nil, errors.New("this build of holdfast is static and loads no PKCS #11 modules: use the other build")
	case err != nil:
		return nil, fmt.Errorf("opening the token: %w", Plain(err))
	}
	return opened, nil
}

// environment returns the user's own, for the library: what it is configured
// with. The credentials of servers are not its business.
func environment() map[string]string {
	env := map[string]string{}
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		if name != "" && !strings.HasPrefix(name, "HOLDFAST_") && !strings.HasPrefix(name, "AWS_") {
			env[name] = value
		}
	}
	return env
}

// chosen returns the one thing by which a token is found: hsm wants no more.
func chosen(uri *pkcs11uri.URI) (label, serial string, slot *uint64) {
	switch {
	case uri.Serial != "":
		return "", uri.Serial, nil
	case uri.Token != "":
		return uri.Token, "", nil
	}
	return "", "", uri.Slot
}

// pin reads a token's PIN, once.
func (t *Terminal) pin(file string, uri *pkcs11uri.URI) ([]byte, error) {
	if file == "" {
		file = uri.PINSource
	}
	if file != "" {
		text, err := t.Read(file, maxPIN)
		if err != nil {
			return nil, fmt.Errorf("reading the PIN: %w", err)
		}
		return bytes.TrimRight(text, "\r\n"), nil
	}
	if text := os.Getenv(PINVariable); text != "" {
		return []byte(text), nil
	}
	return t.AskSecret("PIN of the token", "the token needs a PIN: give a file with it by --pin-file, set "+PINVariable+", or start from a terminal")
}
