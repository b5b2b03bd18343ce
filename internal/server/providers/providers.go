// Package providers is the server's side of key services: it opens the engines
// over those that a configuration names, and tells callers who may how they are
// and what is in them.
//
// Start with Open. Each kind of service has a file that a build tag leaves out,
// with its SDK: noaws, noazure, nogcp and novault. The package is internal and may
// change with any release.
package providers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// Engine is an engine over a key service.
type Engine interface {
	engine.Engine
	// Health returns how the service is.
	Health() remote.Health
	// Close ends connections, and what renews credentials.
	Close() error
}

// Provider is an engine with its configuration.
type Provider struct {
	Config *config.Provider
	Engine Engine
}

// Providers are the configured ones, in the configuration's order. All methods
// may be called at the same time.
type Providers struct{ all []Provider }

// opening is what an engine is made of.
type opening struct {
	config   *config.Provider
	wrapper  engine.Wrapper
	settings remote.Settings
}

// opener opens an engine of one kind. A build without that kind has one that
// says so.
type opener func(ctx context.Context, o *opening) (Engine, error)

// Open opens the engines. It reaches no service: one that is away shows in its
// Health. What is wrong with a configuration ends it.
func Open(ctx context.Context, list []config.Provider, w engine.Wrapper, log *slog.Logger) (_ *Providers, err error) {
	p := &Providers{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	kinds := openers()
	for i := range list {
		c := &list[i]
		open, ok := kinds[c.Kind()]
		if !ok {
			return nil, fault.New(fault.InvalidArgument, "the provider %s is of no kind that is known", c.Name)
		}
		e, err := open(ctx, &opening{c, w, settings(c, log)})
		if err != nil {
			return nil, fmt.Errorf("opening the provider %s: %w", c.Name, err)
		}
		p.all = append(p.all, Provider{c, e})
	}
	return p, nil
}

// New returns providers whose engines are open.
func New(all ...Provider) *Providers { return &Providers{all} }

func settings(c *config.Provider, log *slog.Logger) remote.Settings {
	return remote.Settings{
		Name: c.Name, Timeout: c.Timeout, Attempt: c.Attempt, Retries: c.Retries, Rate: c.Rate, Log: log,
	}
}

// Engines returns the engines.
func (p *Providers) Engines() (all []engine.Engine) {
	for _, one := range p.all {
		all = append(all, one.Engine)
	}
	return all
}

// Realms adds to a table which realms see what is in each provider, and adopt
// it.
func (p *Providers) Realms(to map[string][]key.RealmID) {
	for _, one := range p.all {
		to[one.Config.Name] = one.Config.RealmIDs()
	}
}

// Health returns how each service is.
func (p *Providers) Health() []remote.Health {
	all := make([]remote.Health, len(p.all))
	for i, one := range p.all {
		all[i] = one.Engine.Health()
	}
	return all
}

// Lines says how each service is, for /readyz: who asks is not known, and so no
// cause is told.
func (p *Providers) Lines() string {
	var b strings.Builder
	for _, h := range p.Health() {
		fmt.Fprintf(&b, "provider %s: %s", h.Name, h.State)
		if h.State != remote.StateOK && !h.Since.IsZero() {
			fmt.Fprintf(&b, " since %s", h.Since.UTC().Format(time.RFC3339))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Close closes the engines.
func (p *Providers) Close() error {
	var failures []error
	for i := len(p.all) - 1; i >= 0; i-- {
		failures = append(failures, p.all[i].Engine.Close())
	}
	return errors.Join(failures...)
}

// named returns the provider of a name.
func (p *Providers) named(name string) (Provider, error) {
	for _, one := range p.all {
		if one.Config.Name == name {
			return one, nil
		}
	}
	return Provider{}, &fault.Error{Kind: fault.NotFound, Resource: "provider/" + name, Public: "no provider of this server has the name " + name}
}
