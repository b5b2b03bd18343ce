package gauges

import (
	"context"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/managed"
	"github.com/holdfast-kms/holdfast/internal/status"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Census is what there was when somebody last counted. Counting reads the
// store, so that it is done by the clock and not when Prometheus asks.
type Census struct {
	At time.Time
	// Certificates are the managed ones by state; Expiring those of them that are
	// issued and end within so many days, and Unattended those of these that
	// nothing is going to renew, or whose renewal is overdue.
	Certificates         map[managed.State]int
	Expiring, Unattended map[int]int
	// Overdue are those that the clock should have renewed. FirstEnd is when the
	// first of those that are issued ends.
	Overdue  int
	FirstEnd time.Time
	// Authorities are those by state; Ending those of them that are active and
	// end within so many days.
	Authorities map[ca.State]int
	Ending      map[int]int
	// Lists are the revocation lists.
	Lists status.Outlook
	// Events are what nobody was told of yet, though it is time. Undelivered are
	// the deliveries of topics' messages that were given up.
	Events, Undelivered int
	// Approvals are the critical operations that wait for people's decisions, and
	// FirstAsked is when they were asked for the first of them.
	Approvals  int
	FirstAsked time.Time
}

// expiringDays and endingDays return how many days ahead certificates and
// authorities are counted.
func expiringDays() []int { return []int{1, 7, 14, 30} }
func endingDays() []int   { return []int{7, 30, 90, 365} }

// Counter takes the census. Its fields are needed.
type Counter struct {
	Gauges  *Gauges
	Store   store.Store
	Managed interface {
		Walk(ctx context.Context, after string, limit int) ([]*managed.Certificate, string, error)
	}
	Authorities interface{ All() []*ca.Authority }
	Status      interface{ Outlook() status.Outlook }
	Approvals   interface {
		Waiting(ctx context.Context) (int, time.Time, error)
	}
	Now func() time.Time

	mu   sync.Mutex // guards next, and is held by Tick
	next time.Time
}

// The time between two countings: share times as long as one takes, and at
// least pause.
const (
	pause = time.Minute
	share = 50
	page  = 500
)

// Tick counts if it is time. The clock (package lifecycle) calls it.
func (c *Counter) Tick(ctx context.Context) (more bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	began := c.Now()
	if began.Before(c.next) {
		return false, nil
	}
	n := &Census{At: began, Lists: c.Status.Outlook()}
	c.authorities(n)
	if err := c.certificates(ctx, n); err != nil {
		return false, err
	}
	if err := c.waiting(ctx, n); err != nil {
		return false, err
	}
	if n.Approvals, n.FirstAsked, err = c.Approvals.Waiting(ctx); err != nil {
		return false, err
	}
	c.Gauges.census.Store(n)
	c.next = c.Now().Add(max(pause, share*c.Now().Sub(began)))
	return false, nil
}

func (c *Counter) authorities(n *Census) {
	n.Authorities, n.Ending = map[ca.State]int{}, map[int]int{}
	for _, a := range c.Authorities.All() {
		n.Authorities[a.State]++
		for _, days := range endingDays() {
			if a.State == ca.Active && a.NotAfter.Before(n.At.AddDate(0, 0, days)) {
				n.Ending[days]++
			}
		}
	}
}

func (c *Counter) certificates(ctx context.Context, n *Census) error {
	n.Certificates, n.Expiring, n.Unattended = map[managed.State]int{}, map[int]int{}, map[int]int{}
	for after := ""; ; {
		list, last, err := c.Managed.Walk(ctx, after, page)
		if err != nil {
			return err
		}
		for _, m := range list {
			n.add(m)
		}
		if after = last; after == "" {
			return ctx.Err()
		}
	}
}

func (n *Census) add(m *managed.Certificate) {
	state := m.State(n.At)
	n.Certificates[state]++
	overdue := m.Overdue(n.At) && state != managed.Revoked
	if overdue {
		n.Overdue++
	}
	if state != managed.Issued {
		return
	}
	if n.FirstEnd.IsZero() || m.NotAfter.Before(n.FirstEnd) {
		n.FirstEnd = m.NotAfter
	}
	for _, days := range expiringDays() {
		if !m.NotAfter.Before(n.At.AddDate(0, 0, days)) {
			continue
		}
		n.Expiring[days]++
		if overdue || m.Due.IsZero() {
			n.Unattended[days]++
		}
	}
}

// waiting counts what is still to be told and delivered.
func (c *Counter) waiting(ctx context.Context, n *Census) error {
	return c.Store.View(ctx, func(r store.Reader) (err error) {
		for _, count := range []struct {
			to    *int
			table *store.Table
			query store.Query
		}{
			{&n.Events, store.Events, store.Query{Column: "due", From: "0", To: n.At.UTC().Format(store.TimeFormat)}},
			{&n.Undelivered, store.Messages, store.Query{Column: "failed", From: "0"}},
		} {
			if *count.to, err = r.Count(count.table, count.query); err != nil {
				return err
			}
		}
		return nil
	})
}
