package material

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// How keys in services with states of their own are asked for those.
const (
	// DefaultMirror is how old the state that is known of a key gets.
	DefaultMirror = time.Minute
	// mirrorBatch is how many keys of one service are asked for in a Mirror, and
	// mirrorMisses how many failures in a row end it before.
	mirrorBatch  = 64
	mirrorMisses = 3
)

// mirror asks one service for the states of the keys that are in it. Only
// Engines.Mirror uses it, one call at a time.
type mirror struct {
	in     engine.Engine
	keeper engine.Keeper
	// waiting are the keys that this round has yet to ask for; next is when the
	// next round begins.
	waiting []key.ID
	next    time.Time
}

// Mirror asks the services that keep a state of each key for those of a
// bounded number of keys each. What they say is Entry.Condition: nothing of it
// is stored. It is for one goroutine, the clock's.
func (s *Engines) Mirror(ctx context.Context) error {
	failures := make([]error, len(s.mirrors))
	var all sync.WaitGroup
	for i, m := range s.mirrors {
		all.Go(func() { failures[i] = s.ask(ctx, m) })
	}
	all.Wait()
	return errors.Join(failures...)
}

// ask asks one service.
func (s *Engines) ask(ctx context.Context, m *mirror) error {
	if len(m.waiting) == 0 && !s.now().Before(m.next) {
		m.next = s.now().Add(s.mirrorEvery)
		m.waiting = s.residents(m.in.Name())
	}
	misses := 0
	var failures []error
	for range min(len(m.waiting), mirrorBatch) {
		if ctx.Err() != nil || misses == mirrorMisses {
			break
		}
		id := m.waiting[0]
		m.waiting = m.waiting[1:]
		e, ok := s.keys.Get(id)
		if !ok {
			continue
		}
		switch err := s.reflect(ctx, m, e); {
		case err == nil:
			misses = 0
		case fault.KindOf(err) == fault.Unavailable, fault.KindOf(err) == fault.LimitExceeded:
			misses++ // the service's health tells of it
		default:
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// residents returns the keys of an engine.
func (s *Engines) residents(name string) (ids []key.ID) {
	s.keys.All(func(e *catalog.Entry) bool {
		if e.Key.Store == "" && e.Key.Engine == name {
			ids = append(ids, e.Key.Name.ID)
		}
		return true
	})
	return ids
}

// reflect asks for one key's current version.
func (s *Engines) reflect(ctx context.Context, m *mirror, e *catalog.Entry) error {
	k, v := e.Key, e.Key.Current()
	if v.Missing {
		return nil
	}
	wrapped, err := s.keys.Material(ctx, k.Name.ID, v.Number)
	if err != nil {
		if _, there := s.keys.Get(k.Name.ID); !there {
			return nil // it was destroyed in the meantime
		}
		return err
	}
	was := e.Condition()
	is, err := m.keeper.Condition(ctx, RefOf(k, v.Number), k.Spec, wrapped)
	if err != nil || is == was || !e.Renote(was, is) {
		return err
	}
	if is != engine.Usable && k.State == key.Enabled || was > engine.Usable && is == engine.Usable {
		slog.WarnContext(ctx, "a key has changed in the service that has it", slog.String("engine", k.Engine),
			slog.String("key", k.Name.String()), slog.String("was", was.String()), slog.String("is", is.String()))
	}
	return nil
}

// Hidden returns how a key is in the service that has it if that keeps it from
// what its record says it does, 0 otherwise.
func Hidden(e *catalog.Entry) engine.Condition {
	switch c := e.Condition(); {
	case c <= engine.Usable, c == engine.Disabled && e.Key.State == key.Disabled:
		return 0
	default:
		return c
	}
}
