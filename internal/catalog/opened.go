package catalog

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// opened is an opened key and where it was opened.
type opened struct {
	key  engine.Key
	from engine.Engine
}

// slot is the place where a version's opened key and parsed public half are
// kept while they are in use.
type slot struct {
	opened atomic.Pointer[opened]
	public atomic.Pointer[engine.PublicKey]
	// used is set by each use and cleared by the cache's hand as it passes.
	used atomic.Bool
	// condition is the engine.Condition of the version in its place, as it was
	// told last.
	condition atomic.Uint32
	// gone says that the slot's material is no more; the cache's mu guards it.
	gone bool
}

// cache bounds how many slots hold an opened key. It evicts by the clock
// algorithm: a hit only sets a bit, so that hits share no lock.
type cache struct {
	mu   sync.Mutex // guards ring and hand, and the slots' gone
	ring []*slot    // nil where a place is free
	hand int
}

// add keeps a slot that has just been opened, and empties the one that had
// been used longest ago if there is no room.
func (c *cache) add(s *slot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.gone { // while it was being opened
		s.opened.Store(nil)
		return
	}
	for {
		old := c.ring[c.hand]
		if old == nil || !old.used.Swap(false) {
			if old != nil {
				old.opened.Store(nil)
			}
			c.ring[c.hand] = s
			c.hand = (c.hand + 1) % len(c.ring)
			return
		}
		c.hand = (c.hand + 1) % len(c.ring)
	}
}

// drop forgets the opened keys of slots at once: their material is gone.
func (c *cache) drop(slots []*slot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range slots {
		s.gone = true
		s.opened.Store(nil)
		for i, kept := range c.ring {
			if kept == s {
				c.ring[i] = nil
			}
		}
	}
}

// Opened returns the opened key of a version if it is kept ready, and nil
// otherwise. Where from is not nil, a key that another engine has opened does
// not count.
func (e *Entry) Opened(n key.VersionNumber, from engine.Engine) *engine.Key {
	place := e.slots[n-1]
	o := place.opened.Load()
	if o == nil || from != nil && o.from != from {
		return nil
	}
	if !place.used.Load() {
		place.used.Store(true)
	}
	return &o.key
}

// Keep keeps the opened key of a version ready for Opened.
func (c *Catalog) Keep(e *Entry, n key.VersionNumber, k *engine.Key, from engine.Engine) {
	place := e.slots[n-1]
	if place.opened.Swap(&opened{*k, from}) == nil {
		place.used.Store(true)
		c.cache.add(place)
	}
}

// Condition returns how the current version is in its place, as Note was told
// last; 0 while nobody has told, and of a key that has no version yet.
func (e *Entry) Condition() engine.Condition {
	if len(e.slots) == 0 {
		return 0
	}
	return engine.Condition(e.slots[len(e.slots)-1].condition.Load()) //nolint:gosec // Note has put one there
}

// Note keeps how a version is in its place.
func (e *Entry) Note(n key.VersionNumber, c engine.Condition) {
	if int(n) <= len(e.slots) { // material that waits for a rotation has no slot
		e.slots[n-1].condition.Store(uint32(c))
	}
}

// Renote is Note for the current version, unless it is not as it was any more:
// what somebody was told in the meantime is newer.
func (e *Entry) Renote(was, is engine.Condition) (noted bool) {
	return e.slots[len(e.slots)-1].condition.CompareAndSwap(uint32(was), uint32(is))
}

// Public returns the parsed public half of a version, which has one.
func (e *Entry) Public(v key.Version) (*engine.PublicKey, error) {
	place := e.slots[v.Number-1]
	if p := place.public.Load(); p != nil {
		return p, nil
	}
	p, err := engine.ParsePublic(e.Key.Spec, v.Public)
	if err != nil {
		return nil, fmt.Errorf("parsing the public half of key %s: %w", e.Key.Name.ID, err)
	}
	place.public.Store(p)
	return p, nil
}
