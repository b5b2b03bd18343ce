package status

import (
	"sync"
)

// cache keeps answers, a bounded number of them. It has two generations: what
// is asked for lives in the young one, and when that is full it becomes the
// old one, whose answers are forgotten unless somebody asks for them before
// the young one is full again. So it costs what a map costs, and what stays is
// what was used last.
type cache struct {
	limit int // answers in each generation

	mu         sync.Mutex // guards what follows
	young, old map[string]*kept
	// epoch counts what was forgotten on purpose.
	epoch uint64
	// flights are answers on their way, by their keys.
	flights map[string]*flight
}

// kept is an answer in the cache.
type kept struct {
	authority string
	answer    *Answer
}

// flight is an answer that somebody makes and others wait for.
type flight struct {
	done   chan struct{} // closed when answer is there
	answer *Answer
}

func newCache(limit int) *cache {
	return &cache{limit: max(limit/2, 1), young: map[string]*kept{}, old: map[string]*kept{}, flights: map[string]*flight{}}
}

// get returns the answer to a question, nil for none.
func (c *cache) get(key []byte) *kept {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.find(key)
}

// find is get. c.mu is held.
func (c *cache) find(key []byte) *kept {
	if k, ok := c.young[string(key)]; ok {
		return k
	}
	k, ok := c.old[string(key)]
	if !ok {
		return nil
	}
	delete(c.old, string(key))
	c.put(string(key), k)
	return k
}

// put adds an answer. c.mu is held.
func (c *cache) put(key string, k *kept) {
	if len(c.young) >= c.limit {
		c.old, c.young = c.young, make(map[string]*kept, c.limit)
	}
	c.young[key] = k
}

// forget drops answers, and those on their way, which may have been made of
// what is no longer so.
func (c *cache) forget(keys ...[]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	for _, key := range keys {
		delete(c.young, string(key))
		delete(c.old, string(key))
		delete(c.flights, string(key))
	}
}

// add adds an answer.
func (c *cache) add(key []byte, authority string, a *Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(string(key), &kept{authority, a})
}

// fill has one caller make the answer that several may be waiting for, and
// keeps it. build returns the authority that it is of, "" for an answer that
// is not to be kept; one that was overtaken by forget is not either. An answer
// that is good, and came since the caller looked, is returned as it is.
func (c *cache) fill(key []byte, good func(*kept) bool, build func() (answer *Answer, authority string)) *Answer {
	c.mu.Lock()
	if f, ok := c.flights[string(key)]; ok {
		c.mu.Unlock()
		<-f.done
		return f.answer
	}
	if k := c.find(key); k != nil && good(k) {
		c.mu.Unlock()
		return k.answer
	}
	f := &flight{done: make(chan struct{})}
	c.flights[string(key)] = f
	epoch := c.epoch
	c.mu.Unlock()
	authority := ""
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.flights[string(key)] == f {
			delete(c.flights, string(key))
		}
		if authority != "" && epoch == c.epoch {
			c.put(string(key), &kept{authority, f.answer})
		}
		close(f.done)
	}()
	f.answer, authority = build()
	return f.answer
}
