package hsm

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// limit is the context of one call of a session: it ends with the call's own
// deadline, whatever becomes of whoever asked, and has only the asker's values.
// It is context.WithTimeout(context.WithoutCancel(…)) for the hot path: it is
// used again for the session's next call, with its timer.
type limit struct {
	context.Context // of whoever asked

	at    time.Time
	timer *time.Timer
	done  chan struct{}

	mu    sync.Mutex
	ended bool      // guarded by mu
	then  []*func() // guarded by mu: what AfterFunc was given
}

// limited gives a call of the session its deadline.
func (s *session) limited(ctx context.Context, d time.Duration) *limit {
	l := s.limit
	if l == nil {
		l = &limit{done: make(chan struct{})}
		s.limit = l
	}
	l.Context, l.at = ctx, time.Now().Add(d)
	if l.timer == nil {
		l.timer = time.AfterFunc(d, l.end)
	} else {
		l.timer.Reset(d)
	}
	return l
}

// over ends the call: its deadline ends nothing any more.
func (s *session) over() {
	l := s.limit
	l.Context = nil
	if !l.timer.Stop() {
		s.limit = nil // it has ended, or is about to
	}
}

// end is called when the deadline is reached.
func (l *limit) end() {
	l.mu.Lock()
	l.ended = true
	then := l.then
	l.then = nil
	close(l.done)
	l.mu.Unlock()
	for _, f := range then {
		go (*f)()
	}
}

// Deadline, Done and Err make a limit a context of its own.
func (l *limit) Deadline() (time.Time, bool) { return l.at, true }

// Done is closed when the deadline is reached.
func (l *limit) Done() <-chan struct{} { return l.done }

// Err returns context.DeadlineExceeded when the deadline has been reached.
func (l *limit) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return context.DeadlineExceeded
	}
	return nil
}

// Value returns the asker's value, but none that would make package context
// take the asker's end for this one's.
func (l *limit) Value(key any) any {
	if l.Context == nil {
		return nil
	}
	return context.WithoutCancel(l.Context).Value(key)
}

// AfterFunc is what context.AfterFunc calls: without it each call would cost a
// goroutine.
func (l *limit) AfterFunc(f func()) (stop func() bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		go f()
		return func() bool { return false }
	}
	l.then = append(l.then, &f)
	return func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		i := slices.Index(l.then, &f)
		if i < 0 {
			return false
		}
		l.then = slices.Delete(l.then, i, i+1)
		return true
	}
}

// allowed is how long a call may take.
func (t *Token) allowed(f pkcs11.Function) time.Duration {
	switch f {
	case pkcs11.FnGenerateKeyPair, pkcs11.FnInitToken, pkcs11.FnInitPIN:
		return slowFactor * t.cfg.Timeout
	default:
		return t.cfg.Timeout
	}
}

// deadline gives a call of no session its own.
func (t *Token) deadline(ctx context.Context, c *pkcs11.Call) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), t.allowed(c.Function))
}
