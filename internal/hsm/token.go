package hsm

import (
	"container/list"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Token is a token of a PKCS #11 module. It keeps sessions with it open, in
// one or several processes that load the module, and brings both back after
// whatever happened to them.
type Token struct {
	cfg  Config
	log  *slog.Logger
	pin  *pinGuard
	able capabilities

	calls, failures, restarts atomic.Uint64
	took                      atomic.Int64 // nanoseconds, of calls
	// troubled counts failures one after the other, without a success between.
	troubled atomic.Int64
	// callers counts those who have a session or wait for one.
	callers atomic.Int64

	// building is held while processes are started.
	building turn

	mu        sync.Mutex
	processes []*process // guarded by mu: those that take calls
	waiters   list.List  // guarded by mu: of *waiter, in the order they came
	circuit   circuit    // guarded by mu
	closed    bool       // guarded by mu
	freshened time.Time  // guarded by mu: when a fresh process was last asked

	kick    chan struct{} // wakes the keeper
	asked   atomic.Bool   // an operator wants the token tried now
	stop    context.CancelFunc
	keeping sync.WaitGroup // the keeper
	ending  sync.WaitGroup // processes that are being closed
}

var _ Place = (*Token)(nil)

// Open opens a token. It fails only when the configuration is wrong, or this
// build cannot load modules: a token that is away, or refuses the PIN, is
// unhealthy and is tried again. The first try is over when Open returns, or ctx
// has ended. Close ends it.
func Open(ctx context.Context, c Config) (*Token, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	pin, err := newPINGuard(c.PIN)
	if err != nil {
		return nil, err
	}
	t := &Token{cfg: c, log: c.Log, pin: pin, kick: make(chan struct{}, 1), building: make(turn, 1)}
	t.circuit.since = time.Now()
	live, stop := context.WithCancel(context.WithoutCancel(ctx))
	t.stop = stop
	tried := make(chan struct{})
	t.keeping.Go(func() { t.keep(live, tried) })
	select {
	case <-tried:
	case <-ctx.Done():
	}
	if err := t.misconfigured(); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// misconfigured returns why no try will ever help: nothing to load.
func (t *Token) misconfigured() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch err := t.circuit.err; {
	case !errors.Is(err, errLaunch):
	case errors.Is(err, pkcs11.ErrStatic), errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return &fault.Error{Kind: fault.InvalidArgument, Op: "hsm.Open", Public: "token " + t.cfg.Name + ": the module " + t.cfg.Module + " cannot be loaded", Err: err}
	}
	return nil
}

// Name returns the configured name.
func (t *Token) Name() string { return t.cfg.Name }

// Close waits for the calls that have begun, refuses all others, and ends the
// module's processes. It may be called again.
func (t *Token) Close() error {
	t.mu.Lock()
	t.closed = true
	t.refuseWaiters(t.errClosed())
	for len(t.processes) > 0 {
		t.retire(t.processes[0])
	}
	t.mu.Unlock()
	t.stop()
	t.keeping.Wait()
	t.ending.Wait()
	return nil
}

// Retry tries the token now: also a PIN that the token has refused, and also
// when the token says that one more wrong PIN locks it. It is for an operator
// who knows; nothing else tries a refused PIN again before its source has
// another one.
func (t *Token) Retry() {
	t.pin.forgive()
	t.asked.Store(true)
	t.wake()
}

// turn is a lock that can also be waited for with something else.
type turn chan struct{}

func (t turn) Lock() { t <- struct{}{} }

func (t turn) Unlock() { <-t }

// wake makes the keeper look at the token.
func (t *Token) wake() {
	select {
	case t.kick <- struct{}{}:
	default: // it will look anyway
	}
}
