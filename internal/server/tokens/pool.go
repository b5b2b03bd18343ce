package tokens

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/cluster"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/customstore"
	"github.com/holdfast-kms/holdfast/internal/engine"
	hsmengine "github.com/holdfast-kms/holdfast/internal/engine/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Members returns the tokens of the pool, of which clusters are made.
func (t *Tokens) Members(log *slog.Logger) ([]cluster.Member, error) {
	var members []cluster.Member
	for _, name := range t.config.Pool {
		settings, err := poolToken(t.config, name, log)
		if err != nil {
			return nil, err
		}
		members = append(members, cluster.Member{Token: t.Token(name), PIN: settings.PIN, OfficerPIN: settings.SOPIN})
	}
	return members, nil
}

// poolToken returns how a token of the pool is opened.
func poolToken(c *config.HSM, name string, log *slog.Logger) (hsm.Config, error) {
	at := slices.IndexFunc(c.Tokens, func(t config.Token) bool { return t.Name == name })
	if at < 0 || !slices.Contains(c.Pool, name) {
		return hsm.Config{}, fault.New(fault.Unavailable, "the token %q is no longer in the pool", name)
	}
	return tokenConfig(&c.Tokens[at], log)
}

// Places makes engines over tokens of the pool, for key stores.
type Places struct {
	Config  *config.HSM
	Wrapper engine.Wrapper
	Log     *slog.Logger
}

// Open opens tokens as the user whose PIN is given. See customstore.Config.
func (p *Places) Open(ctx context.Context, o *customstore.Opening) (_ *customstore.Connection, err error) {
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
		settings, err := poolToken(p.Config, name, p.Log)
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
	e, err := hsmengine.New(group, p.Wrapper, hsmengine.Options{Log: p.Log})
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
