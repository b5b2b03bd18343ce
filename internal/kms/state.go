package kms

import (
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/material"
)

// state returns a key's state as it is now: that of its record, unless its
// material has expired since, or its key store is not connected.
func (s *Service) state(e *catalog.Entry) key.State {
	now := e.Key.State
	if s.expired(e) {
		now = after(now, key.LoseMaterial)
	}
	if e.Key.Store != "" {
		if _, err := s.engines.Of(e.Key); err != nil {
			now = after(now, key.Disconnect)
		}
	}
	return now
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

// Stores are the custom key stores that keys can live in.
type Stores = material.Stores
