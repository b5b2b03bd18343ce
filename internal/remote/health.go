package remote

import (
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// State is how a service is.
type State string

// The states.
const (
	// StateOK is a service that answers, or that nobody has asked yet.
	StateOK State = "ok"
	// StateFailing is one whose last request failed.
	StateFailing State = "failing"
	// StateRefusing is one that does not accept the server's credential, or does not
	// let it do what it asked for.
	StateRefusing State = "refusing"
	// StateOpen is one that is left alone until its circuit closes.
	StateOpen State = "open"
)

// Health is how a service is and what was sent to it.
type Health struct {
	Name  string
	State State
	// Since is when State last changed; zero if it never did.
	Since time.Time
	// Err is the last failure that was the service's, in its own words: for the
	// operator.
	Err error
	// Calls were sent. Failures of them the service did not answer, or did not
	// let the server ask, with the Throttled ones that its limit turned away: that
	// a key is not there, or a ciphertext is wrong, is an answer. Retries of them
	// were repetitions.
	Calls, Failures, Throttled, Retries int64
	// Took is the time that all of Calls took.
	Took time.Duration
}

// Health returns how the service is now.
func (l *Line) Health() Health {
	open := l.breaker.State() == gobreaker.StateOpen
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.health
	if open {
		h.State = StateOpen
	}
	return h
}

func (l *Line) count(f func(*Health)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.health)
}

// open says why nothing was sent.
func (l *Line) open(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.health.Err != nil {
		return l.health.Err
	}
	return err
}

// note counts a request that was sent, and what became of it.
func (l *Line) note(v Verdict, err error, took time.Duration) {
	state := StateOK
	switch {
	case err == nil:
	case v.Down:
		state = StateFailing
	case v.Kind == fault.PermissionDenied, v.Kind == fault.Unauthenticated:
		state = StateRefusing
	}
	l.count(func(h *Health) {
		h.Calls++
		h.Took += took
		if err != nil && unanswered(v.Kind) {
			h.Failures++
		}
		if v.Kind == fault.LimitExceeded {
			h.Throttled++
		}
		if state != StateOK {
			h.Err = err
		} else if err == nil {
			h.Err = nil
		}
		if state != h.State {
			h.State, h.Since = state, time.Now()
		}
	})
}

// unanswered reports whether a kind of error says of a request that it got no
// answer, where the other kinds are one.
func unanswered(k fault.Kind) bool {
	switch k { //nolint:exhaustive // the others are answers
	case fault.Unavailable, fault.Internal, fault.LimitExceeded, fault.Unauthenticated, fault.PermissionDenied:
		return true
	}
	return false
}

// The budget of repetitions, in tenths: each costs one, each answer earns a
// tenth, so that a service in trouble gets at most a tenth more requests than
// are asked for.
const (
	budgetCost = 10
	budgetEarn = 1
	budgetSize = 20 * budgetCost
)

type budget struct {
	mu     sync.Mutex
	tenths int // guarded by mu
}

func (b *budget) earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tenths = min(budgetSize, b.tenths+budgetEarn)
}

func (b *budget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tenths < budgetCost {
		return false
	}
	b.tenths -= budgetCost
	return true
}
