package lease

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Budget bounds how often something is done in any minute, over all servers
// of one store and over their restarts: what was spent is kept with the
// leases.
type Budget struct {
	// Name is the row's: no lease has it.
	Name string
	// PerMinute is the bound, at least 1.
	PerMinute int
}

// window is the time over which a budget counts.
const window = time.Minute

// spent is the JSON body of a budget's row: what was spent in which second of
// the last minute, the oldest first.
type spent struct {
	V       int     `json:"v"`
	Seconds []spend `json:"seconds"`
}

type spend struct {
	At    int64 `json:"at"` // seconds since 1970
	Count int   `json:"count"`
}

// Spend takes up to want from the budget at a time and returns how much was
// left to take. The transaction that does, or begins, the work is the one to
// call it in.
func (b Budget) Spend(tx store.Tx, now time.Time, want int) (granted int, err error) {
	s, err := b.read(tx)
	if err != nil {
		return 0, err
	}
	// What was spent in a second may have been at its end: it counts until a
	// minute after that. A clock that was set back has spent nothing in the
	// future.
	left, at := b.PerMinute, now.Unix()
	kept := s.Seconds[:0]
	for _, x := range s.Seconds {
		if x.At >= at-int64(window/time.Second) && x.At <= at {
			kept, left = append(kept, x), left-x.Count
		}
	}
	if granted = max(0, min(want, left)); granted == 0 {
		return 0, nil
	}
	if n := len(kept); n > 0 && kept[n-1].At == at {
		kept[n-1].Count += granted
	} else {
		kept = append(kept, spend{at, granted})
	}
	body, err := json.Marshal(spent{recordVersion, kept})
	if err != nil {
		return 0, fmt.Errorf("encoding budget %s: %w", b.Name, err)
	}
	return granted, tx.Put(store.Leases, store.Row{ID: b.Name, Body: body})
}

func (b Budget) read(r store.Reader) (*spent, error) {
	s := new(spent)
	row, err := r.Get(store.Leases, b.Name)
	if err != nil {
		if fault.KindOf(err) == fault.NotFound {
			return s, nil
		}
		return nil, err
	}
	if err := json.Unmarshal(row.Body, s); err != nil {
		return nil, fmt.Errorf("reading budget %s: %w", b.Name, err)
	}
	if s.V != recordVersion {
		return nil, fmt.Errorf("reading budget %s: record version %d is not known to this program", b.Name, s.V)
	}
	return s, nil
}
