package hsm

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"
)

// Libraries keep what they have seen of a token. SoftHSM 2.6 does not see what
// another program made before its own last write, others see nothing that they
// did not make themselves. So "there is none" is only what one process of the
// module says: the token's other processes are asked, then a fresh one, which
// takes the place of those that see less. With several threads SoftHSM also
// sees one object twice now and then: that there are several is not believed of
// one process either.

// doubt says how long it is asked on.
type doubt uint8

const (
	// askAll: all processes that there are.
	askAll doubt = iota
	// askFresh: a fresh one too, unless one was started a short time ago.
	askFresh
	// askSurely: a fresh one too, in any case.
	askSurely
)

const (
	// freshTime is how long a fresh process speaks for what it was not asked.
	freshTime = 3 * time.Second
	// freshEvery is how often fresh processes are started, of which each takes a
	// login.
	freshEvery = 250 * time.Millisecond
)

// absence says that a process does not see one object at an address.
type absence struct {
	err     error // what the caller is told, nil when it is no error
	process *process
	seen    int // how many objects it sees: 0, or 2 for several
}

func (a *absence) Error() string { return "not one object is seen at the address" }

func (a *absence) Unwrap() error { return a.err }

// errNowhere refuses a session to who has asked all processes already.
var errNowhere = errors.New("no process is left to ask")

// seek runs f, which fails with an absence where it does not find one object at
// the address, in one process after the other until one finds it.
func (t *Token) seek(ctx context.Context, at Address, d doubt, f func(s *session) error) error {
	began := time.Now()
	var told *absence
	var without []*process
	for {
		err := t.run(ctx, without, f)
		a, absent := errors.AsType[*absence](err)
		switch {
		case absent && a.process.born.After(began):
			return a.err
		case absent:
			told, without = a, append(without, a.process)
			continue
		case !errors.Is(err, errNowhere):
			t.supersede(without)
			return err
		}
		seen, ferr := t.freshSees(ctx, at, d, told.seen, without)
		if ferr != nil {
			t.log.LogAttrs(ctx, slog.LevelWarn, "what the token's processes do not see could not be looked for by a fresh one", slog.Any("err", ferr))
		}
		if !seen {
			return told.err
		}
	}
}

// freshSees reports whether a process that has not been asked is there now:
// one that was started meanwhile, or a fresh one that sees other than so many
// objects at an address, and takes the place of one that sees so many.
func (t *Token) freshSees(ctx context.Context, at Address, d doubt, many int, without []*process) (seen bool, err error) {
	if d == askAll {
		return false, nil
	}
	err = t.fresh(ctx, d == askSurely, without, func(s *session) (bool, error) {
		found, err := s.Find(ctx, at.template(), 2)
		seen = err == nil && len(found) != many
		return seen, err
	}, &seen)
	return seen, err
}

// fresh starts a process and runs f with a session of it, unless one that is
// not among those asked already was started meanwhile, which other says. One
// that f wants kept takes the place of the oldest. Only one is started at a
// time, and surely says that the caller waits for its turn.
func (t *Token) fresh(ctx context.Context, surely bool, without []*process, f func(*session) (keep bool, err error), other *bool) error {
	if !t.enter() {
		return t.errClosed()
	}
	defer t.ending.Done()
	select {
	case t.building <- struct{}{}:
		defer t.building.Unlock()
	case <-ctx.Done():
		return ctx.Err()
	}
	t.mu.Lock()
	err := t.refusal()
	*other = err == nil && without != nil && slices.ContainsFunc(t.processes, func(p *process) bool { return !slices.Contains(without, p) })
	wait := freshEvery - time.Since(t.freshened)
	t.mu.Unlock()
	switch {
	case err != nil || *other:
		return err
	case !surely && wait > freshEvery-freshTime:
		return nil
	case wait > 0:
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p, err := t.connect(ctx)
	t.mu.Lock()
	t.freshened = time.Now()
	t.mu.Unlock()
	if err != nil {
		return err
	}
	s := p.idle[0]
	s.renew()
	keep, err := f(s)
	if keep && err == nil && s.worst == classRequest {
		t.replace(ctx, p)
	} else {
		t.end(p)
	}
	return err
}

// enter keeps Close waiting until ending.Done. It reports whether the token is
// open.
func (t *Token) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.ending.Add(1)
	return true
}

// replace puts a process to use, in the place of the oldest.
func (t *Token) replace(ctx context.Context, p *process) {
	t.mu.Lock()
	if len(t.processes) >= t.cfg.Workers {
		t.retire(t.processes[0])
	}
	t.mu.Unlock()
	t.joined(ctx, p)
}

// supersede gives up one of the processes that did not see what another one
// did: the keeper starts a fresh one.
func (t *Token) supersede(stale []*process) {
	if len(stale) == 0 {
		return // without a lock: this is the usual case
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.processes) < 2 || time.Since(t.freshened) < freshTime {
		return
	}
	if i := slices.IndexFunc(t.processes, func(p *process) bool { return slices.Contains(stale, p) }); i >= 0 {
		t.freshened = time.Now()
		t.retire(t.processes[i])
		t.wake()
	}
}

// list runs f with a session of a fresh process, which then stays; with one of
// any process when there can be no fresh one.
func (t *Token) list(ctx context.Context, f func(s *session) error) error {
	var ran, other bool
	err := t.fresh(ctx, true, nil, func(s *session) (bool, error) {
		err := f(s)
		ran = err == nil && s.worst == classRequest
		return ran, err
	}, &other)
	if ran {
		return nil
	}
	if err != nil {
		t.log.LogAttrs(ctx, slog.LevelDebug, "the token's objects are not listed by a fresh process", slog.Any("err", err))
	}
	return t.run(ctx, nil, f)
}

// blank is what f of seek returns where it finds none or several objects.
func (s *session) blank(seen int, err error) error { return &absence{err, s.process, seen} }
