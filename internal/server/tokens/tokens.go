// Package tokens is the server's side of PKCS #11: it opens the tokens that a
// configuration names, tells callers who may how they are and what is on them,
// and hands tokens of the pool to clusters and key stores.
//
// Start with Open. The package is internal and may change with any release.
package tokens

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/hsm/preset"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Tokens are the tokens and groups that a configuration names, opened. All
// methods may be called at the same time.
type Tokens struct {
	config *config.HSM
	tokens []*hsm.Token // in the configuration's order
	groups []*hsm.Group
}

// Open opens every token. One that is away is no failure: it is tried
// again, and /readyz shows it meanwhile.
func Open(ctx context.Context, c *config.HSM, log *slog.Logger) (_ *Tokens, err error) {
	t := &Tokens{config: c}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
		}
	}()
	for i := range c.Tokens {
		settings, err := tokenConfig(&c.Tokens[i], log)
		if err != nil {
			return nil, err
		}
		opened, err := hsm.Open(ctx, settings)
		if err != nil {
			return nil, fmt.Errorf("opening the token %s: %w", c.Tokens[i].Name, notHere(err))
		}
		t.tokens = append(t.tokens, opened)
		if h := opened.Health(); h.State != hsm.StateOK {
			log.WarnContext(ctx, "the token cannot be used yet", slog.String("token", h.Name), slog.String("state", string(h.State)),
				slog.Any("cause", h.Err))
		}
	}
	for _, g := range c.Groups {
		var members []*hsm.Token
		for _, name := range g.Tokens {
			members = append(members, t.Token(name))
		}
		group, err := hsm.NewGroup(g.Name, members...)
		if err != nil {
			return nil, err
		}
		t.groups = append(t.groups, group)
	}
	return t, nil
}

// notHere says of a build that cannot load libraries what would help.
func notHere(err error) error {
	if !errors.Is(err, pkcs11.ErrStatic) {
		return err
	}
	return fault.New(fault.Unsupported,
		"this build of holdfast is static and loads no PKCS #11 modules: take the hsm section out of the configuration, or use the other build")
}

// tokenConfig returns how a token is opened.
func tokenConfig(c *config.Token, log *slog.Logger) (hsm.Config, error) {
	preset, err := PresetNamed(c.Preset)
	if err != nil {
		return hsm.Config{}, fmt.Errorf("the token %s: %w", c.Name, err)
	}
	out := hsm.Config{
		Name: c.Name, Module: c.Module, Preset: preset, Token: c.Token, Serial: c.Serial, Slot: c.Slot,
		Environment: c.Environment, Sessions: c.Sessions, Workers: c.Workers, Timeout: c.Timeout, Log: log,
	}
	if out.PIN = secretOf(c.PINFile, PINVariable(c.Name)); out.PIN == nil {
		log.Warn("the token has no PIN: nobody logs in to it, unless it has a PIN pad of its own", slog.String("token", c.Name)) //nolint:sloglint // no request is concerned
	}
	if c.SOPINFile != "" {
		out.SOPIN = secretOf(c.SOPINFile, "")
	}
	return out, nil
}

// PresetNamed returns the preset of a name; that of no name has no
// peculiarities.
func PresetNamed(name string) (preset.Preset, error) {
	if name == "" {
		return preset.Preset{}, nil
	}
	var names []string
	for _, p := range preset.All() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return preset.Preset{}, fault.New(fault.InvalidArgument, "the preset %q is not known: it is one of %s", name, strings.Join(names, ", "))
}

// PINVariable returns the variable that has a token's PIN where no file has it.
func PINVariable(token string) string {
	return "HOLDFAST_HSM_PIN_" + strings.ToUpper(strings.ReplaceAll(token, "-", "_"))
}

// secretOf returns what reads a PIN from a file, or from a variable, and nil
// when there is neither. A file is read whenever the PIN is needed: a new PIN
// is known at once.
func secretOf(file, variable string) func() ([]byte, error) {
	if file != "" {
		return func() ([]byte, error) {
			text, err := os.ReadFile(file) //nolint:gosec // the path is the configuration's own
			if err != nil {
				return nil, fmt.Errorf("reading a PIN: %w", err)
			}
			return bytes.TrimRight(text, "\r\n"), nil
		}
	}
	if variable == "" || os.Getenv(variable) == "" {
		return nil
	}
	return func() ([]byte, error) { return []byte(os.Getenv(variable)), nil }
}

// Token returns the token of a name, nil for none.
func (t *Tokens) Token(name string) *hsm.Token {
	for _, one := range t.tokens {
		if one.Name() == name {
			return one
		}
	}
	return nil
}

// Places returns where keys live: the tokens outside the pool, and the groups.
func (t *Tokens) Places() []hsm.Place {
	var all []hsm.Place
	for _, one := range t.tokens {
		if !slices.Contains(t.config.Pool, one.Name()) {
			all = append(all, one)
		}
	}
	for _, g := range t.groups {
		all = append(all, g)
	}
	return all
}

// Realms returns which realms see what is in each place, and adopt it.
func (t *Tokens) Realms() map[string][]key.RealmID {
	all := map[string][]key.RealmID{}
	for n := range t.config.Tokens {
		c := &t.config.Tokens[n]
		of := []key.RealmID{}
		for _, r := range c.Realms {
			of = append(of, key.RealmID(r))
		}
		if len(of) == 0 {
			of = append(of, key.DefaultRealm)
		}
		all[c.Name] = of
	}
	for _, g := range t.config.Groups {
		of := slices.Clone(all[g.Tokens[0]])
		for _, name := range g.Tokens[1:] {
			of = slices.DeleteFunc(of, func(r key.RealmID) bool { return !slices.Contains(all[name], r) })
		}
		all[g.Name] = of
	}
	return all
}

// Health returns how each token is.
func (t *Tokens) Health() []hsm.Health {
	all := make([]hsm.Health, len(t.tokens))
	for i, one := range t.tokens {
		all[i] = one.Health()
	}
	return all
}

// Lines says how each token is, for /readyz: who asks is not known, and so no
// cause is told.
func (t *Tokens) Lines() string {
	var b strings.Builder
	for _, h := range t.Health() {
		fmt.Fprintf(&b, "hsm %s: %s", h.Name, h.State)
		if h.State != hsm.StateOK && !h.Since.IsZero() {
			fmt.Fprintf(&b, " since %s", h.Since.UTC().Format(time.RFC3339))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Close ends the tokens' sessions and processes.
func (t *Tokens) Close() error {
	var failures []error
	for i := len(t.tokens) - 1; i >= 0; i-- {
		failures = append(failures, t.tokens[i].Close())
	}
	return errors.Join(failures...)
}
