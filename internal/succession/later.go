package succession

import (
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// Later are the keys with which the clock could not do what was due. Each try
// is two entries of the audit log and a line of the other one, and what keeps a
// key from its end may last: a place that is not configured any more, say. It is
// a memory and no record: a restart tries all of them again.
type Later struct {
	mu   sync.Mutex
	keys map[key.ID]delay // guarded by mu
}

// delay is how often a key has failed in a row, and when it is tried again.
type delay struct {
	failures int
	until    time.Time
}

// The waits after the second failure in a row: twice as long each time.
const (
	firstDelay = time.Minute
	lastDelay  = time.Hour
)

// Count returns how many keys there are.
func (l *Later) Count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.keys)
}

// Puts reports whether a key is put off.
func (l *Later) Puts(id key.ID, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Before(l.keys[id].until)
}

// Note keeps what became of a key.
func (l *Later) Note(id key.ID, now time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		delete(l.keys, id)
		return
	}
	d := l.keys[id]
	if d.failures++; d.failures > 1 {
		d.until = now.Add(min(lastDelay, firstDelay<<min(d.failures-2, 10)))
	}
	if l.keys == nil {
		l.keys = map[key.ID]delay{}
	}
	l.keys[id] = d
}

// Keep forgets all keys but those that are due.
func (l *Later) Keep(due []key.Name) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.keys) == 0 {
		return
	}
	kept := map[key.ID]delay{}
	for _, name := range due {
		if d, ok := l.keys[name.ID]; ok {
			kept[name.ID] = d
		}
	}
	l.keys = kept
}
