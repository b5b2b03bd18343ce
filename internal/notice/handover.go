package notice

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Bounds of one transaction that takes events over.
const (
	maxEvents = 128
	maxRows   = 1000 // of deliveries; an event has at most MaxChannels × MaxTargets
)

// handOver makes deliveries of what has happened. An event and what comes of
// it change in one transaction: whatever ends the process, each event comes to
// each receiver's deliveries once.
func (s *Service) handOver(ctx context.Context) (more bool, err error) {
	now := s.now().UTC()
	err = s.store.Update(ctx, func(tx store.Tx) error {
		due, err := event.Due(tx, now, maxEvents)
		if err != nil {
			return err
		}
		more = len(due) == maxEvents
		rows := 0
		for _, e := range due {
			if rows >= maxRows {
				more = true
				return nil
			}
			n, err := s.takeOver(tx, e, now)
			if err != nil {
				return err
			}
			rows += n
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("taking events over: %w", err)
	}
	return more, nil
}

// takeOver makes the deliveries of an event and returns how many there are.
func (s *Service) takeOver(tx store.Tx, e *event.Event, now time.Time) (n int, err error) {
	for _, c := range s.route(e) {
		for _, target := range c.targets() {
			if err := take(tx, c, target, e, now); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, event.Handled(tx, e, now)
}

// take makes a delivery of an event, or puts it into the receiver's digest.
func take(tx store.Tx, c *Channel, target string, e *event.Event, now time.Time) error {
	if c.Digest != nil {
		open, err := openDigest(tx, c, target, e, now)
		if err != nil {
			return err
		}
		if open != nil {
			open.Events = append(open.Events, e)
			return open.put(tx)
		}
	}
	d, err := newDelivery(c, target, e, now)
	if err != nil {
		return err
	}
	if c.Digest != nil {
		d.State = Collecting
		d.Due = c.Digest.next(now)
		d.Since = d.Due
	}
	row, err := d.row()
	if err != nil {
		return err
	}
	return tx.Insert(store.Notices, row)
}

// openDigest returns the receiver's digest that takes more events in, nil for
// none: one that is full, or whose time has come, does not.
func openDigest(tx store.Tx, c *Channel, target string, e *event.Event, now time.Time) (*Delivery, error) {
	lane := digestLane(c.Name, e.Realm, target)
	var last *Delivery
	for row, err := range tx.Scan(store.Notices, store.Query{Column: "lane", Equal: lane}) {
		if err != nil {
			return nil, err
		}
		if last, err = readDelivery(row); err != nil {
			return nil, err
		}
	}
	if last == nil || !last.Due.After(now) {
		return nil, nil //nolint:nilnil // no digest is open
	}
	return last, nil
}
