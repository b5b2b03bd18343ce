package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/cluster"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/customstore"
	hsmengine "github.com/holdfast-kms/holdfast/internal/engine/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/seal"
)

// openClusters opens the clusters of HSMs, over the tokens of the pool, and
// the custom key stores over them. The key stores wait for Start.
func (i *instance) openClusters(ctx context.Context, c *config.HSM, keyring *seal.Keyring, log *slog.Logger) (err error) {
	var members []cluster.Member
	for _, name := range c.Pool {
		settings, err := poolToken(c, name, log)
		if err != nil {
			return err
		}
		members = append(members, cluster.Member{Token: i.hsms.token(name), PIN: settings.PIN, OfficerPIN: settings.SOPIN})
	}
	i.clusters = cluster.New(cluster.Config{
		Guard: i.guard, Store: i.store, Pool: cluster.NewTokens(members...), Compile: compiler(policy.ForResource), Log: log,
		Changed: func(id string) { i.keyStores.Refresh(id) },
	})
	p := &places{config: c, keyring: keyring, log: log}
	i.keyStores, err = customstore.New(ctx, customstore.Config{
		Guard: i.guard, Store: i.store, Clusters: i.clusters, Wrapper: keyring, Open: p.open, Log: log,
	})
	if err != nil {
		return err
	}
	i.closers = append(i.closers, i.keyStores.Close)
	return nil
}

// poolToken returns how a token of the pool is opened.
func poolToken(c *config.HSM, name string, log *slog.Logger) (hsm.Config, error) {
	at := slices.IndexFunc(c.Tokens, func(t config.Token) bool { return t.Name == name })
	if at < 0 || !slices.Contains(c.Pool, name) {
		return hsm.Config{}, fault.New(fault.Unavailable, "the token %q is no longer in the pool", name)
	}
	return tokenConfig(&c.Tokens[at], log)
}

// places makes engines over tokens of the pool, for key stores.
type places struct {
	config  *config.HSM
	keyring *seal.Keyring
	log     *slog.Logger
}

// open opens tokens as the user whose PIN is given. See customstore.Config.
func (p *places) open(ctx context.Context, o *customstore.Opening) (_ *customstore.Connection, err error) {
	var tokens []*hsm.Token
	end := func() error {
		var failures []error
		for _, t := range tokens {
			failures = append(failures, t.Close())
		}
		return errors.Join(failures...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, end())
		}
	}()
	for _, name := range o.Tokens {
		settings, err := poolToken(p.config, name, p.log)
		if err != nil {
			return nil, err
		}
		settings.PIN, settings.SOPIN = o.PIN, nil
		t, err := hsm.Open(ctx, settings)
		if err != nil {
			return nil, fmt.Errorf("opening the token %q: %w", name, err)
		}
		tokens = append(tokens, t)
	}
	group, err := hsm.NewGroup(o.Name, tokens...)
	if err != nil {
		return nil, err
	}
	e, err := hsmengine.New(group, p.keyring, hsmengine.Options{Log: p.log})
	if err != nil {
		return nil, err
	}
	return &customstore.Connection{
		Engine: e, Close: end, Check: func(ctx context.Context) error { return logIn(ctx, tokens) },
	}, nil
}

// logIn asks every token for something that only a user who has logged in
// gets. One that is away does not matter while another one is there.
func logIn(ctx context.Context, tokens []*hsm.Token) error {
	var failures []error
	for _, t := range tokens {
		err := t.Do(ctx, func(ctx context.Context, s *pkcs11.Session) error {
			_, err := s.Find(ctx, []pkcs11.Attribute{pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassPrivateKey)}, 1)
			return err
		})
		if err == nil {
			continue
		}
		if _, refused := errors.AsType[pkcs11.RV](err); refused || fault.KindOf(err) != fault.Unavailable {
			return err
		}
		failures = append(failures, err)
	}
	if len(failures) == len(tokens) {
		return errors.Join(failures...)
	}
	return nil
}
