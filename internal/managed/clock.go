package managed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/lease"
	"github.com/holdfast-kms/holdfast/internal/store"
)

const (
	// leasePrefix and the id of a certificate is the name of the lease under
	// which it is renewed.
	leasePrefix = "renewal/"
	// leaseLife is how long a renewal may take before another server may try,
	// and how long one that met trouble of our own rests.
	leaseLife = 5 * time.Minute
	// batchTime bounds the work on one batch, to stay within the leases.
	batchTime = 4 * time.Minute
	// dueBatch is how many certificates one Tick renews at most, workers how many
	// of them at the same time.
	dueBatch = 64
	workers  = 8
	// unreadable is how long a record that cannot be read is left alone.
	unreadable = time.Hour
)

// Tick does what the clock has to do with managed certificates: it renews those
// that are due. Whoever calls it (package lifecycle) does so again and again;
// more says that there is more to do at once. A certificate that fails does
// not keep the others waiting: it is due again later. Any number of servers may
// do so on one store.
func (s *Service) Tick(ctx context.Context) (more bool, err error) {
	behind, err := s.watch(ctx)
	if err != nil {
		return false, fmt.Errorf("looking at managed certificates anew: %w", err)
	}
	b, err := s.claim(ctx)
	if err != nil {
		return false, fmt.Errorf("looking for certificates to renew: %w", err)
	}
	failures := b.failures
	work, cancel := context.WithTimeout(ctx, batchTime)
	defer cancel()
	done, failed := s.doAll(work, b.leases)
	failures = append(failures, failed...)
	if err := s.leases.Release(ctx, done...); err != nil {
		failures = append(failures, fmt.Errorf("giving leases of renewals back: %w", err))
	}
	return (behind || b.full) && len(failures) == 0, errors.Join(failures...)
}

// batch is certificates that this server is to renew.
type batch struct {
	leases   []*lease.Lease
	full     bool // and there may be more
	failures []error
}

// claim takes the leases of certificates that are due, as many as the bound of
// the minute has left, and of those that a server which is gone was at. A
// certificate that is claimed is due again when the lease is over, so that
// nobody looks at it before.
func (s *Service) claim(ctx context.Context) (b batch, err error) {
	now := s.now().UTC()
	due := store.Query{Column: "due", From: "0", To: dueColumn(now.Add(1)), Limit: dueBatch} // From "0" leaves out the empty value, which means never
	idle := false
	err = s.store.View(ctx, func(r store.Reader) error { // most of the time there is nothing to write
		n, err := r.Count(store.Managed, due)
		if err != nil || n > 0 {
			return err
		}
		left, err := lease.Expired(r, leasePrefix, now, 1)
		idle = len(left) == 0
		return err
	})
	if err != nil || idle {
		return b, err
	}
	err = s.store.Update(ctx, func(tx store.Tx) error {
		b = batch{}
		names, err := lease.Expired(tx, leasePrefix, now, dueBatch)
		if err != nil {
			return err
		}
		for i := range names {
			names[i] = strings.TrimPrefix(names[i], leasePrefix)
		}
		for row, err := range tx.Scan(store.Managed, due) {
			if err != nil {
				return err
			}
			if len(names) < dueBatch && !slices.Contains(names, row.ID) {
				names = append(names, row.ID)
			}
		}
		granted, err := s.budget.Spend(tx, now, len(names))
		if err != nil {
			return err
		}
		b.full = granted == dueBatch
		for _, id := range names[:granted] {
			if err := s.claimOne(tx, id, now, &b); err != nil {
				return err
			}
		}
		return nil
	})
	return b, err
}

// claimOne takes the lease of one certificate, if it is to be had.
func (s *Service) claimOne(tx store.Tx, id string, now time.Time, b *batch) error {
	row, err := tx.Get(store.Managed, id)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	there := err == nil
	wait := leaseLife
	var c *Certificate
	if there {
		if c, err = readCertificate(row); err != nil {
			b.failures = append(b.failures, err)
			wait = unreadable
		}
	}
	if !there || c != nil {
		l, err := s.take(tx, id, c)
		if err != nil && !errors.Is(err, lease.ErrHeld) {
			return err
		}
		if err == nil {
			b.leases = append(b.leases, l)
		}
	}
	if !there {
		return nil
	}
	row.Columns[1] = dueColumn(now.Add(wait))
	return tx.Put(store.Managed, row)
}

// take takes the lease of a certificate, which may be nil for one that is gone.
// Its note is the ids of all keys that may be left over if this server does
// not come to the end: those of former holders, those that the certificate
// has, and last the one that may be made.
func (s *Service) take(tx store.Tx, id string, c *Certificate) (*lease.Lease, error) {
	return s.leases.TakeIn(tx, leasePrefix+id, leaseLife, func(left string) string {
		keys := strings.Fields(left)
		if c != nil {
			keys = append(keys, string(c.Key), string(c.Next))
		}
		keys = append(keys, string(kms.NewID()))
		keys = slices.DeleteFunc(keys, func(k string) bool { return k == "" })
		return strings.Join(keys[max(0, len(keys)-maxLeft):], " ")
	})
}

// maxLeft bounds the keys of a lease's note: a few for each server in a row
// that ended in the middle of a renewal.
const maxLeft = 20

// planned returns the id of the key that a lease's holder may make.
func planned(l *lease.Lease) key.ID {
	return key.ID(l.Note[strings.LastIndexByte(l.Note, ' ')+1:])
}

// endUnused ends those keys of a lease's note that the certificate does not
// have. Keys that do not exist, or are ended already, are left alone.
func (s *Service) endUnused(ctx context.Context, call *key.Call, c *Certificate, note string) error {
	for id := range strings.FieldsSeq(note) {
		if k := key.ID(id); k != c.Key && k != c.Next {
			if err := s.keys.EndEntrusted(ctx, call, grantee(c.ID), k); err != nil {
				return fmt.Errorf("ending key %s of certificate %s: %w", k, c.ID, err)
			}
		}
	}
	return nil
}

// doAll renews the certificates of leases, some at the same time, and returns
// the leases that are done with.
func (s *Service) doAll(ctx context.Context, leases []*lease.Lease) (done []*lease.Lease, failures []error) {
	var mu sync.Mutex // guards done and failures
	var all sync.WaitGroup
	work := make(chan *lease.Lease)
	for range min(workers, len(leases)) {
		all.Go(func() {
			for l := range work {
				id := strings.TrimPrefix(l.Name, leasePrefix)
				err := s.renewDue(ctx, id, l)
				mu.Lock()
				if err == nil {
					done = append(done, l)
				} else {
					failures = append(failures, fmt.Errorf("renewing managed certificate %s: %w", id, err))
				}
				mu.Unlock()
			}
		})
	}
	for _, l := range leases {
		work <- l
	}
	close(work)
	all.Wait()
	return done, failures
}

// renewDue renews a certificate by the clock.
func (s *Service) renewDue(ctx context.Context, id string, l *lease.Lease) error {
	defer s.locks.lock(id)()
	requestID, err := newID()
	if err != nil {
		return err
	}
	c, err := s.load(ctx, id)
	if err != nil && fault.KindOf(err) == fault.NotFound {
		// It was deleted, perhaps while a server was at it.
		c = &Certificate{ID: id}
		return s.endUnused(ctx, s.ownCall(c, requestID), c, l.Note)
	}
	if err != nil {
		return err
	}
	a := &attempt{call: s.ownCall(c, requestID), lease: l}
	if c.Due.IsZero() || c.Due.After(s.now()) {
		// Not due any more, or never again: expired. The column says so from now on.
		if err := s.endUnused(ctx, a.call, c, l.Note); err != nil {
			return err
		}
		return s.store.Update(ctx, func(tx store.Tx) error {
			row, err := tx.Get(store.Managed, id)
			if err != nil {
				return err
			}
			return s.settle(tx, row)
		})
	}
	_, err = guard.Do(ctx, s.guard, a.call, key.RenewManaged, func(v *guard.Visit) (*Certificate, error) {
		v.Permit(c.Resource(), "the certificate is renewed before it expires")
		return s.renew(ctx, v, c, a)
	})
	return err
}

// settle stores when a certificate is due, and changes nothing else: no call
// is concerned, and nothing that anybody sees.
func (s *Service) settle(tx store.Tx, row store.Row) error {
	c, err := s.current(tx, row)
	if err != nil {
		return err
	}
	if due := dueColumn(c.Due); row.Columns[1] != due {
		row.Columns[1] = due
		return tx.Put(store.Managed, row)
	}
	return nil
}

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
