package hsm

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// circuit keeps callers from a token that is out of reach. It is open from the
// failure that showed it until the keeper has reached the token again; all
// callers are refused meanwhile, at once.
type circuit struct {
	open  bool
	half  bool      // the keeper is trying
	err   error     // why it is open
	since time.Time // of the present state
	tries int       // of the keeper, since the token was last well for a while
	next  time.Time // no try before
}

const (
	// maxFailures one after the other open the circuit.
	maxFailures = 3
	// The keeper waits between minBackOff and maxBackOff, twice as long after
	// each try, and for a random part of it.
	minBackOff = 250 * time.Millisecond
	maxBackOff = 30 * time.Second
	// idleCheck is how often a token is looked at that nobody uses.
	idleCheck = 30 * time.Second
)

// refusal returns why nobody gets a session now. t.mu is held.
func (t *Token) refusal() error {
	switch {
	case t.closed:
		return t.errClosed()
	case t.circuit.open:
		return t.errOpen()
	}
	return nil
}

// well notes a call that the token has served.
func (t *Token) well() {
	if t.troubled.Load() == 0 {
		return
	}
	t.troubled.Store(0)
}

// failed notes an attempt that failed for more than its request, and returns
// what its caller is told. The session has been released.
func (t *Token) failed(ctx context.Context, s *session) error {
	if s.worst >= classDevice {
		t.failures.Add(1)
		t.suffer(ctx, s)
	}
	return t.errFailed(s.worst, s.err)
}

// suffer draws the conclusions from a failure of a process or of the token.
func (t *Token) suffer(ctx context.Context, s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := s.process
	if t.closed || p.retired {
		return // the calls that were in a process that is given up say nothing new
	}
	n := t.troubled.Add(1)
	if s.worst >= classAway {
		t.log.LogAttrs(ctx, slog.LevelWarn, "the token's module is started anew", slog.Any("err", s.err))
		t.restarts.Add(1)
		t.retire(p)
	}
	if n >= maxFailures || s.worst == classHung && len(t.processes) == 0 {
		t.trip(ctx, s.err)
	}
	t.wake()
}

// trip opens the circuit: all processes end, all waiters are refused. t.mu is
// held.
func (t *Token) trip(ctx context.Context, err error) {
	c := &t.circuit
	if !c.open {
		t.log.LogAttrs(ctx, slog.LevelError, "the token is out of reach", slog.Any("err", err))
		if time.Since(c.since) > maxBackOff {
			c.tries = 0
		}
		// The first try follows at once; one that opens again soon waits longer.
		c.open, c.since, c.next = true, time.Now(), time.Now()
		if c.tries > 0 {
			c.next = c.next.Add(backOff(c.tries))
		}
		c.tries++
	}
	c.err = err
	for len(t.processes) > 0 {
		t.retire(t.processes[0])
	}
	t.refuseWaiters(t.errOpen())
}

// keep is the keeper: it starts the module's processes, tries a token again
// that is out of reach, and looks at one that nobody uses.
func (t *Token) keep(ctx context.Context, tried chan<- struct{}) {
	seen := t.calls.Load()
	for {
		wait := t.maintain(ctx, &seen)
		if tried != nil {
			close(tried)
			tried = nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-t.kick:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// maintain brings the token's processes to their number, and returns when to
// look again.
func (t *Token) maintain(ctx context.Context, seen *uint64) time.Duration {
	t.building.Lock()
	defer t.building.Unlock()
	for ctx.Err() == nil {
		missing, wait := t.missing()
		if wait > 0 {
			return wait
		}
		if !missing {
			break
		}
		p, err := t.connect(ctx)
		if err != nil {
			return t.missed(ctx, err)
		}
		t.joined(ctx, p)
	}
	if calls := t.calls.Load(); ctx.Err() == nil && calls == *seen {
		t.look(ctx)
	}
	*seen = t.calls.Load()
	t.regrow()
	return idleCheck
}

// look looks at a token that nobody uses. What it finds is noted as with any
// call. It takes only a session that is free: the keeper must not wait for what
// the keeper has to bring.
func (t *Token) look(ctx context.Context) {
	t.mu.Lock()
	if t.refusal() != nil || len(t.processes) == 0 || len(t.processes[0].idle) == 0 {
		t.mu.Unlock()
		return
	}
	s := t.pick(nil)
	t.mu.Unlock()
	if s.renew(); !s.opened {
		t.release(s, false)
		return
	}
	_, err := t.attempt(ctx, s, func(s *session) error {
		s.worst = classSuspect // settle asks the token
		return nil
	}, true)
	if err != nil {
		t.log.LogAttrs(ctx, slog.LevelDebug, "the token does not look well", slog.Any("err", err))
	}
}

// missing reports whether a process has to be started, and how long to wait
// before that.
func (t *Token) missing() (bool, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := &t.circuit
	if t.asked.Swap(false) {
		c.next = time.Now()
	}
	if len(t.processes) >= t.cfg.Workers {
		return false, 0
	}
	// What further processes wait for does not hold up the only one.
	if wait := time.Until(c.next); wait > 0 && (c.open || len(t.processes) > 0) {
		return true, wait
	}
	c.half = c.open
	return true, 0
}

// joined puts a new process to use.
func (t *Token) joined(ctx context.Context, p *process) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		p.open, p.idle = 0, nil
		t.end(p)
		return
	}
	c := &t.circuit
	if c.open {
		t.log.LogAttrs(ctx, slog.LevelInfo, "the token is in reach again", slog.Duration("after", time.Since(c.since).Round(time.Millisecond)))
		c.since = time.Now()
		t.troubled.Store(0)
	}
	c.open, c.half, c.err = false, false, nil
	t.processes = append(t.processes, p)
	t.serve()
}

// missed notes that a process could not be started, and returns when to try
// again. Only a token without any process is out of reach.
func (t *Token) missed(ctx context.Context, err error) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return idleCheck
	}
	c := &t.circuit
	if len(t.processes) == 0 {
		t.trip(ctx, err)
	} else {
		t.log.LogAttrs(ctx, slog.LevelWarn, "a further process of the module does not start", slog.Any("err", err))
	}
	c.half = false
	c.tries++
	wait := backOff(c.tries - 1)
	c.next = time.Now().Add(wait)
	return wait
}

// backOff returns how long to wait after a number of tries.
func backOff(tries int) time.Duration {
	d := min(minBackOff<<min(tries, 16), maxBackOff)
	return d/2 + rand.N(d/2) //nolint:gosec // spreads tries, guards nothing
}

// regrow lets processes try again whether the token allows more sessions.
func (t *Token) regrow() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.processes {
		if p.shrunk {
			p.limit, p.shrunk = p.full, false
		}
	}
}

// nothing is a template that no object has.
var nothing = []pkcs11.Attribute{pkcs11.Text(pkcs11.AttrLabel, "\x00holdfast: no such object"), pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassData)}
