// Package certificate keeps the certificates that an edge presents: where they
// come from, with whose key, and with what staple.
//
// Start with New and Kept.Run. source.go loads them, staple.go asks their
// responders.
//
// The package is internal and may change with any release.
package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/keyless"
)

// Kept is one certificate with its key, kept up to date: Run looks for another
// one and for its staple.
type Kept struct {
	source    source
	poll      time.Duration
	responder *Responder
	log       *slog.Logger
	served    atomic.Pointer[Served] // nil while there is none
	hurry     chan struct{}          // asks to look now, whatever files look like
	missing   chan struct{}          // tells that nobody has the key
	failures  atomic.Uint64          // of loading
	unstapled atomic.Uint64          // failures to get a staple
	retry     time.Time              // when to ask for a staple after a failure; of the goroutine
}

// Options are what certificates are kept with. Keys and Managed may be nil, where
// no certificate needs them.
type Options struct {
	Keys      *keyless.Client
	Managed   Managed
	Responder *Responder
	Log       *slog.Logger
	// Poll is the time between looks.
	Poll time.Duration
}

// New returns a certificate of which nothing is loaded yet.
func New(s Setting, o *Options) *Kept {
	return &Kept{
		source: source{Setting: s, keys: o.Keys, managed: o.Managed}, poll: o.Poll, responder: o.Responder, log: o.Log,
		hurry: make(chan struct{}, 1), missing: make(chan struct{}, 1),
	}
}

// Served is what clients are given.
type Served struct {
	tls.Certificate
	issuer *x509.Certificate // nil where the chain does not have it
	staple *staple           // nil for none
	must   bool              // it is good with a staple only
}

// Staple returns what the responder said from and until when, zero times for no
// staple.
func (s *Served) Staple() (from, until time.Time) {
	if s.staple == nil {
		return time.Time{}, time.Time{}
	}
	return s.staple.this, s.staple.next
}

// At returns the certificate as it is at a time, nil for one that is not to be
// used now.
func (s *Served) At(now time.Time) *tls.Certificate {
	c := s.Certificate
	if s.staple != nil && now.Before(s.staple.next) {
		c.OCSPStaple = s.staple.raw
	} else if s.must {
		return nil
	}
	return &c
}

// Name is what the log calls the certificate.
func (c *Kept) Name() string {
	if c.source.Managed != "" {
		return c.source.Managed
	}
	return c.source.File
}

// Run keeps the certificate up to date until ctx ends.
func (c *Kept) Run(ctx context.Context) {
	c.refreshStaple(ctx)
	for {
		force, ok := c.wait(ctx)
		if !ok {
			return
		}
		if err := c.Look(ctx, force); err != nil && ctx.Err() == nil {
			c.log.ErrorContext(ctx, "the certificate stays as it was", slog.String("certificate", c.Name()), slog.Any("cause", err))
		}
		c.refreshStaple(ctx)
	}
}

// Now returns what clients are given now, nil for nothing.
func (c *Kept) Now() *Served { return c.served.Load() }

// Hurry asks to look at once, whatever files look like.
func (c *Kept) Hurry() {
	select {
	case c.hurry <- struct{}{}:
	default: // it has been asked
	}
}

// Failures returns how many attempts to load another certificate failed.
func (c *Kept) Failures() uint64 { return c.failures.Load() }

// Unstapled returns how many attempts to get a staple failed.
func (c *Kept) Unstapled() uint64 { return c.unstapled.Load() }

// doubtPause is how long after a look nobody's key is missed.
const doubtPause = time.Second

// Doubt asks to look soon: nobody has the key.
func (c *Kept) Doubt() {
	select {
	case c.missing <- struct{}{}:
	default: // it has been asked
	}
}

// wait waits until it is time to look, and reports whether files are to be read
// also when they look the same. It is not ok when ctx has ended.
func (c *Kept) wait(ctx context.Context) (force, ok bool) {
	began := time.Now()
	timer := time.NewTimer(c.pause(began))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return false, true
		case <-c.hurry:
			return true, true
		case <-c.missing:
			timer.Reset(min(max(0, doubtPause-time.Since(began)), max(0, c.pause(began)-time.Since(began))))
		case <-ctx.Done():
			return false, false
		}
	}
}

// pause returns how long there is nothing to do.
func (c *Kept) pause(now time.Time) time.Duration {
	pause := c.poll
	if s := c.served.Load(); s != nil && c.question(s) != nil {
		pause = min(pause, max(c.stapleDue(s).Sub(now), time.Second))
	}
	return pause
}

// Look loads the certificate when it is another one, and gives it to clients
// when it can be used. Else what is in use stays.
func (c *Kept) Look(ctx context.Context, force bool) error {
	loaded, err := c.source.load(ctx, force)
	if err == nil && loaded != nil {
		if err = c.change(ctx, loaded); err != nil {
			c.source.stamp = "" // it is tried again with the next look
		}
	}
	if err != nil {
		c.failures.Add(1)
	}
	return err
}

// change gives another certificate to clients.
func (c *Kept) change(ctx context.Context, loaded *tls.Certificate) error {
	next := &Served{Certificate: *loaded, must: mustStaple(loaded.Leaf)}
	var err error
	if next.issuer, err = issuerOf(loaded); err != nil {
		return err
	}
	before := c.served.Load()
	if before != nil && before.Leaf.Equal(next.Leaf) {
		next.staple = before.staple
	} else if before != nil {
		if err := errors.Join(current(loaded, time.Now()), try(ctx, loaded)); err != nil {
			return fmt.Errorf("the new certificate cannot be used: %w", err)
		}
	}
	if next.must && next.staple == nil {
		if next.staple, err = c.firstStaple(ctx, next); err != nil {
			return fmt.Errorf("%w: %w", ErrUnstapled, err)
		}
	}
	c.served.Store(next)
	c.log.InfoContext(ctx, "a certificate is in use", slog.String("certificate", c.Name()), slog.String("serial", next.Leaf.SerialNumber.Text(16)),
		slog.Time("until", next.Leaf.NotAfter))
	if before == nil {
		c.report(ctx, loaded)
	}
	return nil
}

// ErrUnstapled says that a certificate cannot be used without a staple, and that
// there is none.
var ErrUnstapled = errors.New("the certificate is good with a staple only")

// firstStaple asks for the staple of a certificate that is not in use yet.
func (c *Kept) firstStaple(ctx context.Context, s *Served) (*staple, error) {
	q := c.question(s)
	if q == nil {
		return nil, errors.New("there is no responder to ask, or its issuer is not in the chain")
	}
	return c.responder.ask(ctx, q, time.Now())
}

// report says what is wrong with a certificate that is the only one there is.
func (c *Kept) report(ctx context.Context, loaded *tls.Certificate) {
	if err := current(loaded, time.Now()); err != nil {
		c.log.ErrorContext(ctx, "clients will refuse the certificate", slog.String("certificate", c.Name()), slog.Any("cause", err))
	}
	if c.source.KeyFile != "" {
		c.log.WarnContext(ctx, "A PRIVATE KEY IS ON THIS HOST AND IN THIS PROCESS: leave key_file out to have it on the key servers",
			slog.String("certificate", c.Name()), slog.String("key_file", c.source.KeyFile))
	}
}

// question returns what to ask a responder, nil where there is nobody to ask.
func (c *Kept) question(s *Served) *question {
	q := &question{c.source.Staple, s.Leaf, s.issuer}
	if q.url == StapleAuto {
		q.url = ""
		if len(s.Leaf.OCSPServer) > 0 {
			q.url = s.Leaf.OCSPServer[0]
		}
	}
	if q.url == "" || q.url == StapleOff || q.issuer == nil {
		return nil
	}
	return q
}

// stapleDue returns when the staple is to be asked for.
func (c *Kept) stapleDue(s *Served) time.Time {
	due := time.Time{}
	if s.staple != nil {
		due = s.staple.due()
	}
	if c.retry.After(due) {
		return c.retry
	}
	return due
}

// refreshStaple asks for the staple when that is due. What there is stays until
// it ends, whatever the responder does, unless that says that the certificate is
// revoked.
func (c *Kept) refreshStaple(ctx context.Context) {
	s := c.served.Load()
	if s == nil {
		return
	}
	q := c.question(s)
	now := time.Now()
	if q == nil || now.Before(c.stapleDue(s)) {
		return
	}
	next := *s
	answer, err := c.responder.ask(ctx, q, now)
	switch {
	case ctx.Err() != nil:
		return
	case errors.Is(err, errRevoked):
		next.staple = nil
		c.log.ErrorContext(ctx, "A CERTIFICATE IN USE IS REVOKED", slog.String("certificate", c.Name()), slog.String("serial", s.Leaf.SerialNumber.Text(16)))
	case err != nil:
		c.log.WarnContext(ctx, "no staple from the responder", slog.String("certificate", c.Name()), slog.Any("cause", err))
	default:
		next.staple = answer
	}
	if err != nil {
		c.unstapled.Add(1)
		c.retry = s.staple.after(now)
	} else {
		c.retry = time.Time{}
	}
	c.served.Store(&next)
}
