// Package remote is how an engine reaches a key service over a network: a Line
// bounds, spreads, repeats and counts its requests (line.go), a Reference says
// which of the service's keys is meant (reference.go), and Operations make an
// engine.Key of what the service does with it (key.go).
//
// Start with NewLine. What is one service's own (its SDK, its errors, its
// names) is in the packages under engine; the SDKs' own retries are switched
// off there, so that one place decides what is sent again.
//
// The package is internal and may change with any release.
package remote

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/trace"
)

// Settings are how a Line treats a service. The zero value of a field is its
// default.
type Settings struct {
	// Name is the engine's name, for errors and the log.
	Name string
	// Timeout bounds an operation with all its attempts. Default: 30 s.
	Timeout time.Duration
	// Attempt bounds one request. Default: 10 s.
	Attempt time.Duration
	// Retries is how often a request is sent again. Default: 3; negative: never.
	Retries int
	// Rate is how many requests are sent in a second at most, and Burst how many
	// at once. Default: no limit, and a second's worth.
	Rate  float64
	Burst int
	// Trip is how many requests in a row fail before the circuit opens, and
	// Rest for how long nothing is sent then. Default: 5, and 5 s.
	Trip int
	Rest time.Duration
	// Log gets what the service refuses. Default: slog.Default.
	Log *slog.Logger
}

// Verdict is what a service's error means.
type Verdict struct {
	// Kind and Reason are what the caller is told. PermissionDenied and
	// Unauthenticated mean the server's own credential, which is no fault of the
	// caller's: they are told as Unavailable.
	Kind   fault.Kind
	Reason fault.Reason
	// Public is a sentence for the caller; "" for one of the Line's.
	Public string
	// Again says that sending the request again may help, After when at the
	// earliest.
	Again bool
	After time.Duration
	// Refused says that the service did surely not act on the request, so that
	// sending it again makes nothing twice.
	Refused bool
	// Down says that the failure is the service's, and not one request's.
	Down bool
}

// How says what sending a request twice does.
type How uint8

// The ways.
const (
	// Repeatable requests can be sent twice.
	Repeatable How = iota + 1
	// Once marks requests that make something each time: they are sent again
	// only after a refusal.
	Once
)

// Line sends requests to one service. All methods may be called at the same
// time.
type Line struct {
	settings Settings
	classify func(error) Verdict
	limiter  *rate.Limiter
	breaker  *gobreaker.TwoStepCircuitBreaker[struct{}]
	budget   budget

	mu     sync.Mutex
	health Health // guarded by mu
}

// NewLine returns a Line. What classify is given was returned by a request, or
// is a context's error.
func NewLine(s Settings, classify func(error) Verdict) *Line {
	s.Timeout, s.Attempt = cmp.Or(s.Timeout, 30*time.Second), cmp.Or(s.Attempt, 10*time.Second)
	s.Retries, s.Trip, s.Rest = cmp.Or(s.Retries, 3), cmp.Or(s.Trip, 5), cmp.Or(s.Rest, 5*time.Second)
	if s.Log == nil {
		s.Log = slog.Default()
	}
	s.Log = s.Log.With(slog.String("engine", s.Name))
	l := &Line{settings: s, classify: classify, limiter: rate.NewLimiter(rate.Inf, 0), health: Health{Name: s.Name, State: StateOK}}
	if s.Rate > 0 {
		l.limiter = rate.NewLimiter(rate.Limit(s.Rate), max(1, cmp.Or(s.Burst, int(s.Rate))))
	}
	l.budget.tenths = budgetSize
	l.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name: s.Name, Timeout: s.Rest, IsExcluded: func(err error) bool { return errors.Is(err, errGone) },
		ReadyToTrip: func(c gobreaker.Counts) bool { return int(c.ConsecutiveFailures) >= s.Trip },
	})
	return l
}

// Name returns the engine's name.
func (l *Line) Name() string { return l.settings.Name }

// Context returns one for an operation whose caller has none.
func (l *Line) Context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), l.settings.Timeout)
}

// Do sends a request until it is answered, or may not be sent again. The error
// is a *fault.Error with the service's own in it.
func (l *Line) Do(ctx context.Context, op string, how How, send func(context.Context) error) error {
	span := trace.Start(ctx, "key service")
	span.Set(trace.Engine, l.settings.Name)
	span.Set(trace.Service, op)
	err := l.do(ctx, op, how, send)
	span.End(err)
	return err
}

func (l *Line) do(ctx context.Context, op string, how How, send func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return &fault.Error{Kind: fault.Unavailable, Op: op, Public: "the caller has gone", Err: err}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, l.settings.Timeout, errTimeout)
	defer cancel()
	for try := 1; ; try++ {
		v, err := l.attempt(ctx, op, send)
		if err == nil {
			return nil
		}
		if !l.again(ctx, how, v, try) {
			return l.failure(ctx, op, v, err)
		}
	}
}

var (
	// errTimeout ends an operation that took too long, whoever asked for it.
	errTimeout = errors.New("the operation took too long")
	// errGone stands for a request that its caller gave up, which says nothing of
	// the service.
	errGone = errors.New("the caller has gone")
)

// attempt sends a request once.
func (l *Line) attempt(ctx context.Context, op string, send func(context.Context) error) (Verdict, error) {
	if l.breaker.State() == gobreaker.StateOpen { // and so it takes nobody's turn
		return l.alone(gobreaker.ErrOpenState)
	}
	if err := l.limiter.Wait(ctx); err != nil {
		return Verdict{Kind: fault.LimitExceeded, Public: "more requests wait for the key service " + l.Name() + " than its limit lets through"}, err
	}
	done, err := l.breaker.Allow()
	if err != nil {
		return l.alone(err)
	}
	one, cancel := context.WithTimeout(ctx, l.settings.Attempt)
	defer cancel()
	outcome := errGone // of a request that panics, too
	defer func() { done(outcome) }()
	began := time.Now()
	err = send(one)
	v, gone := l.verdict(ctx, one, err)
	if !gone {
		outcome = nil
		l.note(v, err, time.Since(began))
	}
	if v.Down {
		outcome = err
	}
	if err == nil {
		l.budget.earn()
	} else {
		l.settings.Log.LogAttrs(ctx, slog.LevelDebug, "a request to the key service failed", slog.String("op", op), slog.Any("cause", err))
	}
	return v, err
}

// alone is the outcome of a request that is not sent, because the service is
// left alone.
func (l *Line) alone(err error) (Verdict, error) {
	return Verdict{Kind: fault.Unavailable, Public: "the key service " + l.Name() + " does not answer, and is left alone for a moment"}, &unsent{l.open(err)}
}

// unsent is why a request was not sent: what opened the circuit.
type unsent struct{ error }

// Unwrap returns the service's own error.
func (u *unsent) Unwrap() error { return u.error }

// verdict says what an error means, and whether it is the caller who gave up. Of
// a request that was too slow it is not known whether the service acted.
func (l *Line) verdict(ctx, one context.Context, err error) (v Verdict, gone bool) {
	switch {
	case err == nil:
		return Verdict{}, false
	case one.Err() == nil:
		return l.classify(err), false
	case ctx.Err() == nil:
		return Verdict{Kind: fault.Unavailable, Again: true, Down: true}, false
	case errors.Is(context.Cause(ctx), errTimeout):
		return Verdict{Kind: fault.Unavailable, Down: true}, false
	}
	return Verdict{Kind: fault.Unavailable, Public: "the caller has gone"}, true
}

// The waits between attempts: twice as long each time, and a random part of it.
const (
	firstWait = 50 * time.Millisecond
	longest   = 5 * time.Second
)

// again waits until a request may be sent again, and reports whether it may.
func (l *Line) again(ctx context.Context, how How, v Verdict, try int) bool {
	if !v.Again || how == Once && !v.Refused || try > l.settings.Retries || !l.budget.spend() {
		return false
	}
	wait := min(longest, firstWait<<min(try-1, 10))
	wait = max(v.After, wait/2+rand.N(wait/2)) //nolint:gosec // spreads load, keeps no secret
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= wait {
		return false
	}
	l.count(func(h *Health) { h.Retries++ })
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// failure returns what the caller is told.
func (l *Line) failure(ctx context.Context, op string, v Verdict, err error) error {
	kind, level := v.Kind, slog.LevelDebug // the request's own fault, or an answer
	if v.Public == "" {
		v.Public = l.sentence(v.Kind)
	}
	if kind == fault.PermissionDenied || kind == fault.Unauthenticated {
		kind = fault.Unavailable
	}
	_, left := errors.AsType[*unsent](err)
	switch {
	case left: // what opened the circuit is in the log already
	case kind == fault.Unavailable, kind == fault.Internal:
		level = slog.LevelWarn
	case kind == fault.LimitExceeded:
		level = slog.LevelInfo
	}
	l.settings.Log.LogAttrs(ctx, level, "the key service refuses", slog.String("op", op), slog.String("kind", v.Kind.String()), slog.Any("cause", err))
	if kind == fault.BadCiphertext { // one error for all of them: there is nothing to tell apart
		return fault.New(kind, "%s", l.sentence(kind))
	}
	return &fault.Error{Kind: kind, Reason: v.Reason, Op: op, Public: v.Public, Err: err}
}

// sentence says of a kind what happened, where the service's verdict has no
// words of its own.
func (l *Line) sentence(k fault.Kind) string {
	switch k { //nolint:exhaustive // the other kinds are the request's own, and say all
	case fault.Unauthenticated, fault.PermissionDenied:
		return "the key service " + l.Name() + " does not let this server do that"
	case fault.LimitExceeded:
		return "the key service " + l.Name() + " limits its requests, and more came than it lets through"
	case fault.Unavailable:
		return "the key service " + l.Name() + " cannot be reached, or does not answer"
	case fault.NotFound:
		return "the key service " + l.Name() + " does not have the key"
	case fault.AlreadyExists:
		return "the key service " + l.Name() + " has a key of this name already"
	case fault.Unsupported:
		return "the key service " + l.Name() + " does not offer that for this key"
	case fault.BadCiphertext:
		return "the ciphertext cannot be decrypted with this key"
	case fault.BadSignature:
		return "the signature does not verify"
	}
	return "the key service " + l.Name() + " refuses the request"
}
