package inventory

import (
	"context"
	"sync"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// queue has the reports that are to be made, by the ids of their rows: one of
// an authority at a time.
type queue struct {
	mu    sync.Mutex      // guards what follows
	busy  map[string]bool // authorities with a report that is stored, waits or is being made
	ready []string        // reports that are stored and wait
	kick  chan struct{}   // has room for one: ready is not empty
}

func newQueue(waiting []string) *queue {
	q := &queue{busy: map[string]bool{}, kick: make(chan struct{}, 1)}
	for _, id := range waiting {
		authority, _ := cutLast(id)
		q.busy[authority] = true
		q.start(id)
	}
	return q
}

// reserve takes the authority's place for a report that is to be stored.
func (q *queue) reserve(id string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	authority, _ := cutLast(id)
	if q.busy[authority] {
		return fault.New(fault.Conflict, "a report of the authority is being made")
	}
	if len(q.busy) >= maxWaitingReports {
		return fault.New(fault.LimitExceeded, "%d reports wait to be made", maxWaitingReports)
	}
	q.busy[authority] = true
	return nil
}

// start has a report that is stored made.
func (q *queue) start(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ready = append(q.ready, id)
	select {
	case q.kick <- struct{}{}:
	default:
	}
}

// release gives the place of a report's authority back.
func (q *queue) release(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	authority, _ := cutLast(id)
	delete(q.busy, authority)
}

// next returns the report to be made next, false when ctx ends.
func (q *queue) next(ctx context.Context) (string, bool) {
	for ctx.Err() == nil {
		q.mu.Lock()
		if len(q.ready) > 0 {
			id := q.ready[0]
			q.ready = q.ready[1:]
			q.mu.Unlock()
			return id, true
		}
		q.mu.Unlock()
		select {
		case <-q.kick:
		case <-ctx.Done():
		}
	}
	return "", false
}
