package managed

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// watchRecord is the JSON body of the row that tells with what Outlook of the
// authorities every certificate was looked at.
type watchRecord struct {
	V int `json:"v"`
	// Done is the Outlook that all were looked at with, Now the one of the
	// present round, which has come to the certificate At.
	Done string `json:"done"`
	Now  string `json:"now,omitempty"`
	At   string `json:"at,omitempty"`
}

const (
	// watchID is that row's id. It is behind all UUIDs.
	watchID = "watch"
	// rules is the version of how due is computed: another one makes every
	// certificate be looked at.
	rules = "1 "
	// lookBatch is how many certificates are looked at in one transaction.
	lookBatch = 250
)

// watch stores anew when certificates are due, once anything has changed on
// which that depends above them: an authority is revoked or replaced, a
// profile has another rule. A bounded number at a time; behind tells that there
// are more.
func (s *Service) watch(ctx context.Context) (behind bool, err error) {
	outlook := rules + s.authorities.Outlook()
	if seen := s.looked.Load(); seen != nil && *seen == outlook {
		return false, nil
	}
	var w watchRecord
	err = s.store.Update(ctx, func(tx store.Tx) (err error) {
		if w, err = readWatch(tx); err != nil || w.Done == outlook {
			return err
		}
		if w.Now == "" {
			w.Now, w.At = outlook, ""
		}
		if err := s.lookOn(tx, &w); err != nil {
			return err
		}
		body, err := json.Marshal(w)
		if err != nil {
			return err
		}
		return tx.Put(store.Managed, store.Row{ID: watchID, Columns: []string{"", ""}, Body: body})
	})
	if err != nil {
		return false, err
	}
	if w.Done == outlook {
		s.looked.Store(&outlook)
		return false, nil
	}
	return true, nil
}

// lookOn looks at the next certificates of a round.
func (s *Service) lookOn(tx store.Tx, w *watchRecord) error {
	n := 0
	// Ids are UUIDs in lower case; the table's other rows are behind "g".
	for row, err := range tx.Scan(store.Managed, store.Query{After: w.At, To: "g", Limit: lookBatch}) {
		if err != nil {
			return err
		}
		n++
		w.At = row.ID
		if err := s.settle(tx, row); err != nil {
			if k := fault.KindOf(err); k == fault.Unavailable || k == fault.InvalidArgument {
				return err // the store's own; a record that cannot be read is claim's to tell of
			}
		}
	}
	if n < lookBatch {
		w.Done, w.Now, w.At = w.Now, "", ""
	}
	return nil
}

func readWatch(r store.Reader) (w watchRecord, err error) {
	row, err := r.Get(store.Managed, watchID)
	if err != nil {
		if fault.KindOf(err) == fault.NotFound {
			return watchRecord{V: 1}, nil
		}
		return w, err
	}
	if err := json.Unmarshal(row.Body, &w); err != nil {
		return w, fmt.Errorf("reading how far managed certificates were looked at: %w", err)
	}
	if w.V != 1 {
		return w, fmt.Errorf("how far managed certificates were looked at has version %d, which is not known to this program", w.V)
	}
	return w, nil
}
