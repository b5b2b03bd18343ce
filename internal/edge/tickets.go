package edge

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"sync/atomic"
	"time"
)

// tickets rotates the keys of session tickets. They are in memory only: an edge
// that starts again takes none of before.
type tickets struct {
	config  *tls.Config
	keep    int
	keys    [][32]byte   // the newest first; of the goroutine
	rotated atomic.Int64 // when, in seconds since 1970
}

// rotate puts a new key before the others, of which the oldest goes.
func (t *tickets) rotate(now time.Time) {
	var key [32]byte
	_, _ = rand.Read(key[:]) // it does not fail
	t.keys = append([][32]byte{key}, t.keys...)
	if len(t.keys) > t.keep {
		clear(t.keys[t.keep:])
		t.keys = t.keys[:t.keep]
	}
	t.config.SetSessionTicketKeys(t.keys)
	t.rotated.Store(now.Unix())
}

// run rotates until ctx ends.
func (t *tickets) run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			t.rotate(now)
		case <-ctx.Done():
			return
		}
	}
}
