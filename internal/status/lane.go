package status

import (
	"context"
	"sync/atomic"
)

// lane bounds work that strangers can ask for: so many at a time, and so many
// more that wait.
type lane struct {
	slots   chan struct{}
	waiting atomic.Int64
	queue   int64
}

func newLane(width, queue int) *lane {
	return &lane{slots: make(chan struct{}, width), queue: int64(queue)}
}

// enter takes a place in the lane and returns how to leave it, or nil when
// there are too many waiting already or ctx ends.
func (l *lane) enter(ctx context.Context) (leave func()) {
	select {
	case l.slots <- struct{}{}:
		return l.leave
	default:
	}
	if l.waiting.Add(1) > l.queue {
		l.waiting.Add(-1)
		return nil
	}
	defer l.waiting.Add(-1)
	select {
	case l.slots <- struct{}{}:
		return l.leave
	case <-ctx.Done():
		return nil
	}
}

func (l *lane) leave() { <-l.slots }
