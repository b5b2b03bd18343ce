package hsm

import (
	"errors"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Health is how a token is.
type Health struct {
	Name  string
	State State
	// Err is why the state is not OK, for the operator.
	Err error
	// Probing says that the token is being tried at this moment: the circuit is
	// half open.
	Probing bool
	// Since is when the state began.
	Since time.Time
	// Workers are the module's processes, Sessions the open sessions in them,
	// Busy how many of these are in use, Waiting the callers that wait for one.
	Workers, Sessions, Busy, Waiting int
	// Calls and Failures count since Open: calls of the module, and those of
	// them that failed for more than their request. Restarts counts processes
	// that were given up.
	Calls, Failures, Restarts uint64
	// Took is the time that all of Calls took.
	Took time.Duration
}

// State is how a token is, in one word.
type State string

// The states. The circuit is open in all but StateOK.
const (
	// StateOK: calls are served.
	StateOK State = "ok"
	// StateAway: no slot has the token.
	StateAway State = "away"
	// StateRefused: the token refuses the PIN, which is not tried again before
	// its source has another one.
	StateRefused State = "pin refused"
	// StateHung: the module did not answer.
	StateHung State = "hung"
	// StateFailing: anything else.
	StateFailing State = "failing"
	// StateClosed: Close was called.
	StateClosed State = "closed"
)

// Health returns how the token is. It asks nobody, and never waits.
func (t *Token) Health() Health {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := Health{
		Name: t.cfg.Name, State: StateOK, Err: t.circuit.err, Probing: t.circuit.half, Since: t.circuit.since,
		Workers: len(t.processes), Waiting: t.waiters.Len(),
		Calls: t.calls.Load(), Failures: t.failures.Load(), Restarts: t.restarts.Load(), Took: time.Duration(t.took.Load()),
	}
	for _, p := range t.processes {
		h.Sessions += p.open
		h.Busy += p.busy()
	}
	switch {
	case t.closed:
		h.State = StateClosed
	case t.circuit.open:
		h.State = stateOf(t.circuit.err)
	}
	return h
}

// stateOf says what an open circuit's error means.
func stateOf(err error) State {
	switch {
	case errors.Is(err, errPIN):
		return StateRefused
	case fault.KindOf(err) == fault.InvalidArgument:
		return StateFailing
	}
	switch classify(err) {
	case classAway:
		return StateAway
	case classHung:
		return StateHung
	default:
		return StateFailing
	}
}
