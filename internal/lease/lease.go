// Package lease says who does a piece of work, and until when, where several
// servers share one store: exactly one holder at a time.
//
// Start with Holder. A lease has a fencing number that grows with every taking
// of any lease. Whoever did the work stores its result in a transaction that
// asks Check first: if somebody else has taken the lease meanwhile, because
// it expired, the result of the former holder is refused. So clocks that
// differ, and holders that sleep, cost time and do no harm. budget.go bounds
// how often something is done, over all servers.
//
// The package is internal and may change with any release; records that a
// release of v1 wrote stay readable.
package lease

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// recordVersion is the version of the records in store.Leases.
const recordVersion = 1

// record is the JSON body of a lease's row, whose id is the lease's name.
type record struct {
	V     int       `json:"v"`
	Owner string    `json:"owner"`
	Fence uint64    `json:"fence"`
	Until time.Time `json:"until"`
	Note  string    `json:"note,omitempty"`
}

// counterID is the row with the newest fencing number: a record with only
// that. No lease has this name.
const counterID = "fence"

// maxName bounds the name of a lease, maxNote the note, in bytes.
const (
	maxName = 256
	maxNote = 1024
)

// Lease is the right to do a piece of work. It is never changed.
type Lease struct {
	Name string
	// Fence is greater than that of every lease that was taken before.
	Fence uint64
	// Until is when others may take it.
	Until time.Time
	// Note is what the holder wrote for who may have to take over. Left is the
	// note of a former holder whose lease expired, "" where there was none.
	Note, Left string

	owner string
}

// Holder takes leases in one store as one owner: a server process. All methods
// may be called at the same time. Those with a transaction are for whoever
// has one open; the others make one.
type Holder struct {
	store store.Store
	owner string
	now   func() time.Time
}

// New returns a holder with a random id of its own. now is the clock.
func New(s store.Store, now func() time.Time) *Holder {
	return &Holder{store: s, owner: uuid.NewString(), now: now}
}

// Owner returns the holder's id.
func (h *Holder) Owner() string { return h.owner }

// ErrHeld is what the Conflict errors wrap that a lease of somebody else's is
// the reason of.
var ErrHeld = errors.New("another owner has the lease")

// held is the error for a lease that somebody else has, or took over.
func held(name string) error {
	return &fault.Error{Kind: fault.Conflict, Resource: name, Public: "somebody else is at it", Err: ErrHeld}
}

// Take takes the lease of a name for a time. One that another owner has, or
// this one already, and that has not expired, is a Conflict error that
// wraps ErrHeld.
func (h *Holder) Take(ctx context.Context, name string, ttl time.Duration) (l *Lease, err error) {
	err = h.store.Update(ctx, func(tx store.Tx) error {
		l, err = h.TakeIn(tx, name, ttl, nil)
		return err
	})
	return l, err
}

// TakeIn is Take in a transaction. note, which may be nil, returns the lease's
// note, given what a former holder left. One that is held is an error that has
// changed nothing: the transaction may go on.
func (h *Holder) TakeIn(tx store.Tx, name string, ttl time.Duration, note func(left string) string) (*Lease, error) {
	if name == "" || name == counterID || len(name) > maxName || ttl <= 0 {
		return nil, fault.New(fault.InvalidArgument, "a lease has a name of at most %d bytes, and a time", maxName)
	}
	have, err := read(tx, name)
	if err != nil {
		return nil, err
	}
	now := h.now().UTC()
	if have != nil && have.Until.After(now) {
		return nil, held(name)
	}
	counter, err := read(tx, counterID)
	if err != nil {
		return nil, err
	}
	if counter == nil {
		counter = &record{}
	}
	counter.Fence++
	if err := write(tx, counterID, counter); err != nil {
		return nil, err
	}
	l := &Lease{Name: name, Fence: counter.Fence, Until: now.Add(ttl), owner: h.owner}
	if have != nil {
		l.Left = have.Note
	}
	if note != nil {
		l.Note = note(l.Left)
	}
	if len(l.Note) > maxNote {
		return nil, fault.New(fault.InvalidArgument, "the note of a lease has at most %d bytes", maxNote)
	}
	return l, l.write(tx)
}

// Renew extends a lease that is still the holder's, from now on. One that
// another owner has taken is a Conflict error.
func (h *Holder) Renew(ctx context.Context, l *Lease, ttl time.Duration) (*Lease, error) {
	next := *l
	next.Until = h.now().UTC().Add(ttl)
	err := h.store.Update(ctx, func(tx store.Tx) error {
		if err := Check(tx, l); err != nil {
			return err
		}
		return next.write(tx)
	})
	return &next, err
}

// Check returns nil if nobody has taken the lease since, whether it has
// expired or not; else a Conflict error. Who stores what a lease was taken for
// calls it in the same transaction.
func Check(r store.Reader, l *Lease) error {
	have, err := read(r, l.Name)
	if err != nil {
		return err
	}
	if have == nil || have.Owner != l.owner || have.Fence != l.Fence {
		return held(l.Name)
	}
	return nil
}

// Release gives a lease back. One that somebody else has taken since is left
// to them.
func (h *Holder) Release(ctx context.Context, list ...*Lease) error {
	if len(list) == 0 {
		return nil
	}
	return h.store.Update(ctx, func(tx store.Tx) error {
		for _, l := range list {
			if err := Check(tx, l); err != nil {
				if errors.Is(err, ErrHeld) {
					continue
				}
				return err
			}
			if err := tx.Delete(store.Leases, l.Name); err != nil {
				return err
			}
		}
		return nil
	})
}

// Expired returns the names under a prefix whose holders let their time pass,
// in order, at most limit.
func Expired(r store.Reader, prefix string, now time.Time, limit int) ([]string, error) {
	var list []string
	for row, err := range r.Scan(store.Leases, store.Query{From: prefix, To: after(prefix)}) {
		if err != nil {
			return nil, err
		}
		rec, err := decode(row)
		if err != nil {
			return nil, err
		}
		if rec.Until.After(now) {
			continue
		}
		if list = append(list, row.ID); len(list) == limit {
			break
		}
	}
	return list, nil
}

// after returns the first name that is behind all with a prefix. Prefixes end
// in a slash.
func after(prefix string) string {
	return prefix[:len(prefix)-1] + string(prefix[len(prefix)-1]+1)
}

func (l *Lease) write(tx store.Tx) error {
	return write(tx, l.Name, &record{Owner: l.owner, Fence: l.Fence, Until: l.Until, Note: l.Note})
}

func write(tx store.Tx, name string, r *record) error {
	r.V = recordVersion
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encoding lease %s: %w", name, err)
	}
	return tx.Put(store.Leases, store.Row{ID: name, Body: body})
}

// read returns a lease's record, nil where there is none.
func read(r store.Reader, name string) (*record, error) {
	row, err := r.Get(store.Leases, name)
	if err != nil {
		if fault.KindOf(err) == fault.NotFound {
			return nil, nil //nolint:nilnil // no lease is free to take
		}
		return nil, err
	}
	return decode(row)
}

func decode(row store.Row) (*record, error) {
	r := new(record)
	if err := json.Unmarshal(row.Body, r); err != nil {
		return nil, fmt.Errorf("reading lease %s: %w", row.ID, err)
	}
	if r.V != recordVersion {
		return nil, fmt.Errorf("reading lease %s: record version %d is not known to this program", row.ID, r.V)
	}
	return r, nil
}
