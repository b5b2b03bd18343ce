package kms

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// slot is the place where a version's opened key and parsed public half are
// kept while they are in use.
type slot struct {
	opened atomic.Pointer[engine.Key]
	public atomic.Pointer[engine.PublicKey]
	// used is set by each use and cleared by the cache's hand as it passes.
	used atomic.Bool
}

// openedCache bounds how many slots hold an opened key. It evicts by the
// clock algorithm: a hit only sets a bit, so that hits share no lock.
type openedCache struct {
	mu   sync.Mutex // guards ring and hand
	ring []*slot    // nil where a place is free
	hand int
}

func newOpenedCache(size int) *openedCache { return &openedCache{ring: make([]*slot, size)} }

// add keeps a slot that has just been opened, and empties the one that had
// been used longest ago if there is no room.
func (c *openedCache) add(s *slot) {
	c.mu.Lock()
	defer c.mu.Unlock()
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

// drop forgets the opened keys of slots at once: their key is gone.
func (c *openedCache) drop(slots []*slot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range slots {
		s.opened.Store(nil)
		for i, kept := range c.ring {
			if kept == s {
				c.ring[i] = nil
			}
		}
	}
}

// open returns the opened key of a version, from its slot or by the engine.
func (s *Service) open(ctx context.Context, e *entry, n key.VersionNumber) (*engine.Key, error) {
	place := e.slots[n-1]
	if k := place.opened.Load(); k != nil {
		if !place.used.Load() {
			place.used.Store(true)
		}
		return k, nil
	}
	wrapped, err := s.material(ctx, e.key.Name.ID, n)
	if err != nil {
		return nil, err
	}
	k, err := s.engine.Open(ctx, refOf(e.key, n), e.key.Spec, wrapped)
	if err != nil {
		return nil, fmt.Errorf("opening version %d of key %s: %w", n, e.key.Name.ID, err)
	}
	if place.opened.CompareAndSwap(nil, k) {
		place.used.Store(true)
		s.opened.add(place)
	}
	return k, nil
}

// material reads a version's wrapped material.
func (s *Service) material(ctx context.Context, id key.ID, n key.VersionNumber) ([]byte, error) {
	var wrapped []byte
	err := s.store.View(ctx, func(r store.Reader) error {
		row, err := r.Get(store.Materials, materialID(id, n))
		wrapped = row.Body
		return err
	})
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "reading key material", Resource: string(id), Err: err}
	}
	return wrapped, nil
}

// public returns the parsed public half of a version.
func (s *Service) public(e *entry, v key.Version) (*engine.PublicKey, error) {
	place := e.slots[v.Number-1]
	if p := place.public.Load(); p != nil {
		return p, nil
	}
	p, err := engine.ParsePublic(e.key.Spec, v.Public)
	if err != nil {
		return nil, fmt.Errorf("parsing the public half of key %s: %w", e.key.Name.ID, err)
	}
	place.public.Store(p)
	return p, nil
}

// kindOf says to the engine what a key is.
func kindOf(k *key.Key) engine.Kind {
	return engine.Kind{Spec: k.Spec, Usage: k.Usage, Exportable: k.Exportable}
}

// refOf names a version to the engine.
func refOf(k *key.Key, n key.VersionNumber) engine.Ref {
	return engine.Ref{Realm: k.Name.Realm, ID: k.Name.ID, Version: n}
}
