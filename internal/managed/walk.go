package managed

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/store"
)

// Walk returns up to limit managed certificates of every realm whose ids are
// behind an id, and the last id that was looked at, "" at the end. It asks for
// no decision: it is for what looks after all of them by the clock.
func (s *Service) Walk(ctx context.Context, after string, limit int) (list []*Certificate, last string, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		n := 0
		for row, err := range r.Scan(store.Managed, store.Query{After: after, Limit: limit}) {
			if err != nil {
				return err
			}
			n++
			last = row.ID
			if row.Columns[0] == "" {
				continue // settings, and the like: no certificate
			}
			c, err := s.current(r, row)
			if err != nil {
				return err
			}
			list = append(list, c)
		}
		if n < limit {
			last = ""
		}
		return nil
	})
	return list, last, err
}

// overdueAfter is how long after its time a renewal is overdue that has not
// failed: nothing did it.
const overdueAfter = 24 * time.Hour

// Overdue reports whether the clock should have renewed the certificate and
// has not: the latest attempt failed, or there was none.
func (c *Certificate) Overdue(now time.Time) bool {
	if r := c.Renewal; r != nil && r.Outcome == Refused {
		return true
	}
	return !c.Due.IsZero() && now.Sub(c.Due) > overdueAfter
}
