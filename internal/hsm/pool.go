package hsm

import (
	"container/list"
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// waiter is a caller that waits for a session.
type waiter struct {
	granted chan grant // holds one
	without []*process // of which it wants no session
}

// grant is a session, or why there is none.
type grant struct {
	session *session
	err     error
}

// lease gives the caller a session of its own. It waits while all are in use,
// or while the module is being started, and refuses at once when the token is
// known to be out of reach. The session is of none of the processes without, of
// which it keeps the slice. It reports whether a refusal may be otherwise with
// another session.
func (t *Token) lease(ctx context.Context, without []*process) (s *session, again bool, err error) {
	for {
		if s, err = t.take(ctx, without); err != nil {
			return nil, false, err
		}
		s.renew()
		if s.opened {
			return s, false, nil
		}
		if again, err = t.grow(ctx, s); err != nil {
			return nil, again, err
		}
		if s.opened {
			return s, false, nil
		}
	}
}

// take returns a session, open or to be opened.
func (t *Token) take(ctx context.Context, without []*process) (*session, error) {
	t.mu.Lock()
	if err := t.refusal(); err != nil {
		t.mu.Unlock()
		return nil, err
	}
	if s := t.pick(without); s != nil {
		t.mu.Unlock()
		return s, nil
	}
	if t.nowhere(without) {
		t.mu.Unlock()
		return nil, errNowhere
	}
	if t.waiters.Len() >= t.cfg.Waiting {
		t.mu.Unlock()
		return nil, t.errQueueFull()
	}
	w := &waiter{make(chan grant, 1), without}
	place := t.waiters.PushBack(w)
	t.mu.Unlock()
	select {
	case g := <-w.granted:
		return g.session, g.err
	case <-ctx.Done():
		return nil, t.leave(place, w, ctx.Err())
	}
}

// leave takes a waiter out of the queue whose time is over.
func (t *Token) leave(place *list.Element, w *waiter, cause error) error {
	t.mu.Lock()
	t.waiters.Remove(place) // nothing when it is out already
	t.mu.Unlock()
	select {
	case g := <-w.granted:
		if g.session != nil {
			t.release(g.session, g.session.opened)
		}
	default:
	}
	return t.errWaited(cause)
}

// nowhere reports whether there are processes, and none that is not without.
// t.mu is held.
func (t *Token) nowhere(without []*process) bool {
	return len(t.processes) > 0 && len(without) > 0 &&
		!slices.ContainsFunc(t.processes, func(p *process) bool { return !slices.Contains(without, p) })
}

// pick takes a session of the process that is the least busy, and is not one of
// those without. t.mu is held.
func (t *Token) pick(without []*process) *session {
	var best *process
	for _, p := range t.processes {
		if len(without) > 0 && slices.Contains(without, p) {
			continue
		}
		if (len(p.idle) > 0 || p.open < p.limit) && (best == nil || p.busy() < best.busy()) {
			best = p
		}
	}
	if best == nil {
		return nil
	}
	if last := len(best.idle) - 1; last >= 0 {
		s := best.idle[last]
		best.idle[last], best.idle = nil, best.idle[:last]
		return s
	}
	best.open++
	return &session{process: best}
}

// serve gives waiters what there is. t.mu is held.
func (t *Token) serve() {
	var next *list.Element
	for e := t.waiters.Front(); e != nil; e = next {
		next = e.Next()
		w := e.Value.(*waiter) //nolint:forcetypeassert // the list has nothing else
		g := grant{session: t.pick(w.without)}
		switch {
		case g.session != nil:
		case t.nowhere(w.without):
			g.err = errNowhere
		case len(w.without) == 0:
			return // nothing is free
		default:
			continue
		}
		t.waiters.Remove(e)
		w.granted <- g
	}
}

// refuseWaiters tells all waiters that there will be no session. t.mu is held.
func (t *Token) refuseWaiters(err error) {
	for t.waiters.Len() > 0 {
		t.waiters.Remove(t.waiters.Front()).(*waiter).granted <- grant{err: err}
	}
}

// grow opens a session that take has made room for. When the token allows no
// more of them it leaves it closed. It reports whether an error may be otherwise
// with another session.
func (t *Token) grow(ctx context.Context, s *session) (again bool, err error) {
	err = s.start(ctx)
	if err == nil {
		return false, nil
	}
	is := classify(err)
	if errors.Is(err, pkcs11.RVSessionCount) {
		if t.tooMany(ctx, s.process) {
			t.release(s, false)
			return true, nil
		}
		is = classDevice // not one session: others have them all
	}
	s.worst, s.err = max(is, classDevice), err // whatever it is, the process opens no sessions
	t.release(s, false)
	return is != classHung && ctx.Err() == nil, t.failed(ctx, s)
}

// tooMany notes that the token allows a process no more sessions than it has,
// and reports whether it has another one at all.
func (t *Token) tooMany(ctx context.Context, p *process) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.open < 2 {
		return false
	}
	t.log.LogAttrs(ctx, slog.LevelWarn, "the token allows no more sessions", slog.Int("sessions", p.open-1))
	p.limit = p.open - 1
	p.shrunk = true
	return true
}

// release gives a session back; one that is not kept counts as closed.
func (t *Token) release(s *session, keep bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := s.process
	if keep && s.opened && !p.retired {
		p.idle = append(p.idle, s)
	} else {
		p.open--
	}
	if p.retired && p.open == 0 {
		t.end(p)
		return
	}
	t.serve()
}

// retire takes a process out of use: it is ended when the calls in it have
// ended. t.mu is held.
func (t *Token) retire(p *process) {
	if p.retired {
		return
	}
	p.retired = true
	kept := make([]*process, 0, len(t.processes))
	for _, other := range t.processes {
		if other != p {
			kept = append(kept, other)
		}
	}
	t.processes = kept
	p.open -= len(p.idle)
	p.idle = nil
	if p.open == 0 {
		t.end(p)
	}
	t.serve() // who waited for this one has nobody to wait for
}
