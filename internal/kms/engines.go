package kms

import (
	"sync"

	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Stores are custom key stores: places for keys that come and go while the
// server runs.
type Stores interface {
	// Engine returns the engine of a store that is connected. One that is not is
	// a WrongState error with the reason KeyStoreDisconnected, one that the realm
	// has not in the region is NotFound with NoSuchKeyStore. It does no I/O. As
	// long as the store stays connected, the engine is the same.
	Engine(realm key.RealmID, region, store string) (engine.Engine, error)
}

// byName returns the engines of a configuration by their names.
func byName(c Config) map[string]engine.Engine {
	all := map[string]engine.Engine{}
	if c.Engine != nil {
		all[c.Engine.Name()] = c.Engine
	}
	for _, e := range c.Engines {
		all[e.Name()] = e
	}
	return all
}

// engineOf returns the engine that has a key.
func (s *Service) engineOf(k *key.Key) (engine.Engine, error) {
	if k.Store != "" {
		return s.storeEngine(k.Name.Realm, k.Name.Region, k.Store)
	}
	if e, ok := s.engines[k.Engine]; ok {
		return e, nil
	}
	return nil, &fault.Error{
		Kind: fault.Unavailable, Resource: k.Name.String(), Public: "the engine " + k.Engine + ", which has the key, is not configured",
	}
}

func (s *Service) storeEngine(realm key.RealmID, region, id string) (engine.Engine, error) {
	if s.stores == nil {
		return nil, fault.Because(fault.NotFound, fault.NoSuchKeyStore, "there is no key store %s", id)
	}
	return s.stores.Engine(realm, region, id)
}

// engineFor returns the engine that a new key is to be in.
func (s *Service) engineFor(call *key.Call, req *CreateKeyRequest) (engine.Engine, error) {
	switch {
	case req.Store != "" && req.Engine != "":
		return nil, fault.New(fault.InvalidArgument, "a key lives in a key store or in an engine of the server, not in both")
	case req.Store != "":
		return s.storeEngine(call.Caller.Principal.Realm, call.Region, req.Store)
	case req.Engine == "":
		return s.engine, nil
	}
	if e, ok := s.engines[req.Engine]; ok {
		return e, nil
	}
	return nil, fault.New(fault.InvalidArgument, "there is no engine %q", req.Engine)
}

// protectionOf says what keeps an engine's keys.
func protectionOf(e engine.Engine) key.Protection {
	if p, ok := e.(engine.Protector); ok {
		return p.Protection()
	}
	return key.Software
}

// state returns a key's state as it is now: that of its record, unless its
// material has expired since, or its key store is not connected.
func (s *Service) state(e *catalog.Entry) key.State {
	now := e.Key.State
	if !e.Expires.IsZero() && !s.now().Before(e.Expires) {
		now = after(now, key.LoseMaterial)
	}
	if e.Key.Store != "" {
		if _, err := s.engineOf(e.Key); err != nil {
			now = after(now, key.Disconnect)
		}
	}
	return now
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
	state, lost := s.state(e), expired(e.Key, s.now())
	if state == e.Key.State && len(lost) == 0 {
		return e.Key
	}
	k := e.Key.Clone()
	k.State = state
	for _, v := range lost {
		without(k, v.Number)
	}
	return k
}

// InStore returns the number of keys that live in a custom key store. A key
// that is being made there counts from before the store is asked for its
// engine: whoever disconnects the store first and counts then misses none.
func (s *Service) InStore(store string) int {
	n := s.making.in(store)
	s.keys.All(func(e *catalog.Entry) bool {
		if e.Key.Store == store {
			n++
		}
		return true
	})
	return n
}

// making counts the keys that are being made in each custom key store.
type making struct {
	mu    sync.Mutex // guards count
	count map[string]int
}

// begin counts a key until end is called.
func (m *making) begin(store string) (end func()) {
	if store == "" {
		return func() {}
	}
	m.add(store, 1)
	return func() { m.add(store, -1) }
}

func (m *making) add(store string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.count == nil {
		m.count = map[string]int{}
	}
	if m.count[store] += n; m.count[store] == 0 {
		delete(m.count, store)
	}
}

func (m *making) in(store string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.count[store]
}
