package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"time"
)

// Agent keeps the certificates of one host. Its methods are for one goroutine.
type Agent struct {
	config  *Config
	log     *slog.Logger
	units   []*unit
	release func() error
}

// Options are what an Agent works with beside its configuration.
type Options struct {
	// Source is the server.
	Source Source
	Log    *slog.Logger
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// Open takes the state directory, and completes or takes back what an agent
// before was broken off at. It asks the server nothing.
func Open(ctx context.Context, c *Config, o Options) (*Agent, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	release, err := lock(c.State)
	if err != nil {
		return nil, err
	}
	a := &Agent{config: c, log: o.Log, release: release}
	for i := range c.Certificates {
		crt := &c.Certificates[i]
		u := &unit{
			c: crt, host: c.Host, retry: c.Retry, source: o.Source, log: o.Log.With(slog.String("certificate", crt.Name)), now: o.Now,
			folder: folder(filepath.Join(c.State, crt.Name)),
		}
		if err := u.open(); err != nil {
			// One broken certificate does not keep the others from being renewed.
			u.state = nil
			u.log.ErrorContext(ctx, "the certificate's state cannot be used", slog.Any("cause", err))
		}
		a.units = append(a.units, u)
	}
	return a, nil
}

// Close releases the state directory.
func (a *Agent) Close() error { return a.release() }

// Once does for each certificate what there is to do now, and returns all that
// failed.
func (a *Agent) Once(ctx context.Context) error {
	var failed []error
	for _, u := range a.units {
		if ctx.Err() != nil {
			return errors.Join(append(failed, ctx.Err())...)
		}
		if u.state == nil {
			if err := u.open(); err != nil {
				u.state = nil
				failed = append(failed, fmt.Errorf("%s: %w", u.c.Name, err))
				continue
			}
		}
		if err := u.step(ctx); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", u.c.Name, err))
		}
	}
	return errors.Join(failed...)
}

// Run does so until ctx ends, at every poll and when something failed is to be
// tried again. What fails is in the log.
func (a *Agent) Run(ctx context.Context) {
	for ctx.Err() == nil {
		_ = a.Once(ctx) // it was logged where it happened
		select {
		case <-ctx.Done():
		case <-time.After(a.pause()):
		}
	}
}

// pause is the time to the next look: a poll, give or take a tenth, or less
// when something is to be tried again before.
func (a *Agent) pause() time.Duration {
	poll := time.Duration(a.config.Poll)
	wait := poll - poll/10 + rand.N(poll/5+1) //nolint:gosec // spreads load, and guards nothing
	for _, u := range a.units {
		if at := u.next(); !at.IsZero() {
			wait = min(wait, max(time.Until(at), minPoll))
		}
	}
	return wait
}
