package tokens

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/hsm/sealkey"
	"github.com/holdfast-kms/holdfast/internal/seal"
)

// SealKey returns the key of a label in a configured token or group of tokens,
// for the seal: the process of the module lives until end. In a group the key
// has to be in every token, so that any of them unseals.
func SealKey(ctx context.Context, c *config.Config, name, label string) (_ seal.Keeper, end func() error, err error) {
	members, ok := sealTokens(&c.HSM, name)
	if !ok {
		return nil, nil, fault.New(fault.NotFound,
			"the configuration has no token or group %q for the seal: name the configuration file with --config", name)
	}
	var opened []*hsm.Token
	end = func() error {
		var failures []error
		for _, t := range opened {
			failures = append(failures, t.Close())
		}
		return errors.Join(failures...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, end())
		}
	}()
	for _, m := range members {
		settings, err := tokenConfig(m, slog.Default())
		if err != nil {
			return nil, nil, err
		}
		settings.Workers, settings.Sessions = 1, 1 // for two calls
		t, err := hsm.Open(ctx, settings)
		if err != nil {
			return nil, nil, fmt.Errorf("opening the token %q: %w", m.Name, notHere(err))
		}
		opened = append(opened, t)
	}
	if len(opened) == 1 {
		return sealkey.New(opened[0], label), end, nil
	}
	group, err := hsm.NewGroup(name, opened...)
	if err != nil {
		return nil, nil, err
	}
	return sealkey.New(group, label), end, nil
}

// sealTokens returns the tokens behind the name of a token or a group. Tokens
// of the pool are others' to erase, and seal nothing.
func sealTokens(c *config.HSM, name string) ([]*config.Token, bool) {
	names := []string{name}
	for _, g := range c.Groups {
		if g.Name == name {
			names = g.Tokens
		}
	}
	var found []*config.Token
	for i := range c.Tokens {
		if slices.Contains(names, c.Tokens[i].Name) && !slices.Contains(c.Pool, c.Tokens[i].Name) {
			found = append(found, &c.Tokens[i])
		}
	}
	return found, len(found) == len(names)
}
