package approval

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/store"
)

// Waiting returns how many requests of all realms wait for decisions, and when
// the first of them was filed; the zero time without any. It asks for no
// decision: it is for what shows how the server is.
func (s *Service) Waiting(ctx context.Context) (n int, first time.Time, err error) {
	now, prefix := s.gate.now(), atRow("")
	err = s.gate.store.View(ctx, func(tx store.Reader) error {
		for row, err := range tx.Scan(store.Approvals, store.Query{From: prefix, To: prefix + "~"}) {
			if err != nil {
				return err
			}
			r, err := read(tx, string(row.Body))
			if err != nil {
				return err
			}
			if r.at(now) != Pending {
				continue
			}
			if n++; first.IsZero() || r.FiledAt.Before(first) {
				first = r.FiledAt
			}
		}
		return nil
	})
	return n, first, err
}
