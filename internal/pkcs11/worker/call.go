//go:build linux

package worker

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// A call that is the only one looks for its answer before it sleeps, because
// waking a thread on another processor can cost half of what a library takes for
// a signature with an elliptic curve.
const (
	// patience is for how long it looks: an RSA-2048 signature in software ends
	// before.
	patience = time.Millisecond
	// After misses calls in a row that have looked in vain, only every retry-th
	// one looks: an HSM takes longer.
	misses = 4
	retry  = 64
)

// waiter is a call's side of a place.
type waiter struct {
	number    uint32        // oneCall × how often the place was used
	told      chan struct{} // has one element when the answer may be there
	abandoned bool          // guarded by Process.mu: nobody waits for the answer any more
}

// Call implements pkcs11.Module.
func (p *Process) Call(ctx context.Context, call *pkcs11.Call) (*pkcs11.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", call.Function, context.Cause(ctx))
	}
	if !p.enter() {
		return nil, pkcs11.ErrGone
	}
	defer p.exit()
	select {
	case p.used <- struct{}{}:
	case <-p.done:
		return nil, pkcs11.ErrGone
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w: %d calls run: %w", call.Function, pkcs11.ErrHung, maxCalls, context.Cause(ctx))
	}
	i := p.take()
	place := &p.m.places[i]
	b := pkcs11.AppendCall(place.room(), call)
	if len(b) > pkcs11.MaxMessage {
		clear(b)
		place.erase(place.message)
		p.give(i)
		return nil, fmt.Errorf("%s: more than %d bytes: %w", call.Function, pkcs11.MaxMessage, pkcs11.RVDataLenRange)
	}
	place.put(b, kindCall)
	if err := p.await(ctx, i); err != nil {
		return nil, fmt.Errorf("%s: %w", call.Function, err)
	}
	result, err := answer(place)
	p.give(i)
	if err == errMessage { //nolint:errorlint // our own, as it is
		p.kill() // it has lost its head
		return nil, fmt.Errorf("%s: %w", call.Function, pkcs11.ErrGone)
	}
	return result, err
}

// await asks and waits for the answer.
func (p *Process) await(ctx context.Context, i int) error {
	place, w := &p.m.places[i], &p.waiters[i]
	w.number += oneCall
	come := func() bool { return place.state.Load() == w.number|answered }
	if p.looks() {
		place.ask(w.number, watched)
		if look(come, patience) {
			p.missed.Store(0)
			return nil
		}
		p.missed.Add(1)
		if !place.state.CompareAndSwap(w.number|watched, w.number|asked) && come() {
			return nil
		}
	} else {
		place.ask(w.number, asked)
	}
	for {
		select {
		case <-w.told:
			if come() {
				return nil
			}
		case <-p.done:
			return pkcs11.ErrGone
		case <-ctx.Done():
			p.abandon(i)
			return fmt.Errorf("%w: %w", pkcs11.ErrHung, context.Cause(ctx))
		}
	}
}

// looks decides whether a call looks for its answer.
func (p *Process) looks() bool {
	if !p.spin || len(p.used) != 1 {
		return false
	}
	n := p.missed.Load()
	return n < misses || p.missed.Add(1)%retry == 0
}

// answer takes what the worker has put.
func answer(place *place) (*pkcs11.Result, error) {
	message, k, err := place.get()
	if err != nil {
		return nil, err
	}
	own := bytes.Clone(message)
	place.erase(message)
	if k != kindResult {
		return nil, parseError(own, k)
	}
	result, err := pkcs11.ParseResult(own)
	if err != nil {
		return nil, errMessage
	}
	return result, nil
}

// take returns the number of a free place; there is one. The one that was used
// last comes first, so that there are no more threads than calls at one time.
func (p *Process) take() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	if i >= p.hired {
		p.hired = i + 1
		p.m.hiring.Store(uint32(i) + 1) //nolint:gosec // at most maxCalls
		wake(p.m.hiring)
	}
	return i
}

// give frees a place.
func (p *Process) give(i int) {
	p.mu.Lock()
	p.idle = append(p.idle, i)
	p.mu.Unlock()
	<-p.used
}

// abandon leaves a place to the worker until it answers.
func (p *Process) abandon(i int) {
	p.hung.Store(true)
	p.mu.Lock()
	p.waiters[i].abandoned = true
	p.mu.Unlock()
	p.tell(i) // it may have answered in this moment
}

// listen tells the calls that sleep of their answers.
func (p *Process) listen() {
	defer p.exit()
	m := p.m
	for {
		m.done.take(p.tell)
		select {
		case <-p.done:
			return
		default:
		}
		runtime.Gosched() // those who were told come first: they may ask again
		ring := m.ring.Load()
		m.dozing.Store(1)
		if m.done.empty() {
			sleep(m.ring, ring)
		}
		m.dozing.Store(0)
	}
}

// tell tells a call of its answer, or takes back the place of one that nobody
// waits for.
func (p *Process) tell(i int) {
	w := &p.waiters[i]
	p.mu.Lock()
	left := w.abandoned && p.m.places[i].state.Load() == w.number|answered
	if left {
		w.abandoned = false
	}
	p.mu.Unlock()
	if left {
		p.m.places[i].erase(p.m.places[i].message)
		p.give(i)
		return
	}
	select {
	case w.told <- struct{}{}:
	default: // it has been told already
	}
}
