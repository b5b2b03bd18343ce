package catalog

import "sync"

// Begin says that a key is about to be made in a custom key store, "" for
// none, until end is called.
func (c *Catalog) Begin(store string) (end func()) { return c.making.begin(store) }

// InStore returns the number of keys that live in a custom key store. A key
// that is being made there counts from Begin on: whoever disconnects the store
// first and counts then misses none.
func (c *Catalog) InStore(store string) int {
	n := c.making.in(store)
	c.All(func(e *Entry) bool {
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
