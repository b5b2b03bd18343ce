package awskms

import (
	"context"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// turns lets one call at a time make the key of a name: another would take what
// the first one has just made for something that was left behind.
type turns struct {
	mu   sync.Mutex
	busy map[string]chan struct{} // guarded by mu: closed when a name's turn ends
}

// take waits for a name's turn, and returns what ends it.
func (t *turns) take(ctx context.Context, name string) (done func(), err error) {
	for {
		t.mu.Lock()
		ended, busy := t.busy[name]
		if !busy {
			if t.busy == nil {
				t.busy = map[string]chan struct{}{}
			}
			mine := make(chan struct{})
			t.busy[name] = mine
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				defer t.mu.Unlock()
				delete(t.busy, name)
				close(mine)
			}, nil
		}
		t.mu.Unlock()
		select {
		case <-ended:
		case <-ctx.Done():
			return nil, &fault.Error{Kind: fault.Unavailable, Op: "awskms", Public: "the call was given up while another one made the same key", Err: ctx.Err()}
		}
	}
}

// doubts are the names of keys that may have been made, by when that began. It
// is a memory and no record: a server that ends forgets them, and with them the
// calls that would have asked again.
type doubts struct {
	mu    sync.Mutex
	since map[string]time.Time // guarded by mu
}

// maxDoubts bounds the memory.
const maxDoubts = 1000

func (d *doubts) note(name string, since time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.since == nil {
		d.since = map[string]time.Time{}
	}
	if old, ok := d.since[name]; ok && old.Before(since) {
		since = old
	}
	if _, ok := d.since[name]; !ok && len(d.since) >= maxDoubts {
		for oldest := range d.since { // any
			delete(d.since, oldest)
			break
		}
	}
	d.since[name] = since
}

func (d *doubts) end(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.since, name)
}

func (d *doubts) of(name string) (time.Time, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	since, ok := d.since[name]
	return since, ok
}
