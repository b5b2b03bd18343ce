package kms

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/material"
)

// state returns a key's state as it is now: that of its record, unless its
// material has expired since, its key store is not connected, or the service
// that has it says otherwise.
func (s *Service) state(e *catalog.Entry) key.State {
	now := e.Key.State
	if s.expired(e) {
		now = after(now, key.LoseMaterial)
	}
	if e.Key.Succession.Over(s.now()) {
		now = after(now, key.Disable)
	}
	if e.Key.Store != "" {
		if _, err := s.engines.Of(e.Key); err != nil {
			now = after(now, key.Disconnect)
		}
	}
	if material.Hidden(e) != 0 {
		now = after(now, key.Disconnect)
	}
	return now
}

// usable returns nil when a key does cryptography now, else a WrongState error.
func (s *Service) usable(e *catalog.Entry) error {
	state := s.state(e)
	if there := material.Hidden(e); there != 0 && state == key.Unavailable {
		return e.At(fault.Because(fault.WrongState, fault.KeyUnavailable, "the key is %s in %s, which has it", there, e.Key.Engine))
	}
	return e.At(state.Use())
}

// expired reports whether material of a key has expired that the clock has yet
// to forget.
func (s *Service) expired(e *catalog.Entry) bool {
	return !e.Expires.IsZero() && !s.now().Before(e.Expires)
}

// after returns the state that an event leads to, or the same one where it
// leads nowhere.
func after(state key.State, event key.Event) key.State {
	next, _ := state.Next(event)
	return next
}

// seen returns a key as whoever looks at it sees it now: without material
// that has expired, though the clock has yet to forget it.
func (s *Service) seen(e *catalog.Entry) *key.Key {
	state := s.state(e)
	if state == e.Key.State && !s.expired(e) {
		return e.Key
	}
	k := e.Key.Clone()
	k.State = state
	for _, v := range material.Expired(e.Key, s.now()) {
		material.Without(k, v.Number)
	}
	return k
}

// InStore returns the number of keys that live in a custom key store, with
// those that are being made there: whoever disconnects the store first and counts
// then misses none.
func (s *Service) InStore(store string) int { return s.keys.InStore(store) }

// Expiring yields the keys with imported material that is to be forgotten, and
// when the first of it is.
func (s *Service) Expiring(yield func(key.Name, time.Time) bool) {
	s.keys.All(func(e *catalog.Entry) bool { return e.Expires.IsZero() || yield(e.Key.Name, e.Expires) })
}

// Stores are the custom key stores that keys can live in.
type Stores = material.Stores

// EnableKey lets a disabled key be used again. Where a service has the key,
// it is enabled there first: if that fails, it stays as it is.
func (s *Service) EnableKey(ctx context.Context, call *key.Call, ref Ref) error {
	return s.setEnabled(ctx, call, ref, true)
}

// DisableKey stops all use of a key. Where a service has the key, it is
// disabled there first: if that fails, it stays as it is.
func (s *Service) DisableKey(ctx context.Context, call *key.Call, ref Ref) error {
	return s.setEnabled(ctx, call, ref, false)
}

func (s *Service) setEnabled(ctx context.Context, call *key.Call, ref Ref, enabled bool) error {
	c := &change{ref: ref, action: key.DisableKey}
	event := key.Disable
	if enabled {
		c.action, event = key.EnableKey, key.Enable
	}
	c.edit = func(v *guard.Visit, k *key.Key) error {
		if enabled && k.Succession.Over(s.now()) {
			k.Succession.Until = time.Time{} // whoever enables it has the last word
		}
		e, err := s.keys.Find(k.Name)
		if err != nil {
			return err
		}
		switch {
		case material.Hidden(e) == 0:
		case enabled && k.Origin == key.External: // whose the key is as well enables it there
			return s.usable(e)
		default: // what the service says of it is what changes
			k.State = e.Key.State
		}
		c.before = func() (err error) {
			c.undo, err = s.engines.SetEnabled(ctx, e, enabled)
			return err
		}
		return moved(event)(v, k)
	}
	_, err := s.change(ctx, call, c)
	return err
}

// Residence says where a key is that is in a service with states of its own.
type Residence = material.Residence

// Residence returns where a key is that the caller has been shown.
func (s *Service) Residence(ctx context.Context, k *key.Key) Residence {
	return s.engines.Residence(ctx, k)
}

// Provides reports whether the engine of a name is over a service that keeps a
// state of each key itself.
func (s *Service) Provides(name string) bool { return s.engines.Kept(name) }

// Residents returns the keys of such an engine by the names that the service
// has for them.
func (s *Service) Residents(ctx context.Context, in engine.Engine) map[string]key.ID {
	return s.engines.Named(ctx, in)
}

// Mirror asks such services how keys are there. Whoever calls it (package
// lifecycle) does so again and again.
func (s *Service) Mirror(ctx context.Context) (more bool, err error) {
	return false, s.engines.Mirror(ctx)
}
