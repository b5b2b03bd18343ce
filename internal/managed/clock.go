package managed

import (
	"context"
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

// dueAt asks for the certificates that are due at a time, and for no more than
// a batch. From "0" leaves out the empty value, which means never.
func dueAt(now time.Time) store.Query {
	return store.Query{Column: "due", From: "0", To: dueColumn(now.Add(1)), Limit: dueBatch}
}

// idle reports whether there is nothing to claim, as most of the time: looking
// is cheaper than a transaction that writes nothing.
func (s *Service) idle(ctx context.Context, now time.Time) (idle bool, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		due, err := r.Count(store.Managed, dueAt(now))
		if err != nil || due > 0 {
			return err
		}
		left, err := lease.Expired(r, leasePrefix, now, 1)
		idle = len(left) == 0
		return err
	})
	return idle, err
}

// claim takes the leases of certificates that are due, as many as the bound of
// the minute has left, and of those that a server which is gone was at. A
// certificate that is claimed is due again when the lease is over, so that
// nobody looks at it before.
func (s *Service) claim(ctx context.Context) (b batch, err error) {
	now := s.now().UTC()
	if idle, err := s.idle(ctx, now); idle || err != nil {
		return b, err
	}
	err = s.store.Update(ctx, func(tx store.Tx) error {
		b = batch{}
		ids, err := candidates(tx, now)
		if err != nil {
			return err
		}
		granted, err := s.budget.Spend(tx, now, len(ids))
		if err != nil {
			return err
		}
		b.full = granted == dueBatch
		for _, id := range ids[:granted] {
			if err := s.claimOne(tx, id, now, &b); err != nil {
				return err
			}
		}
		return nil
	})
	return b, err
}

// candidates returns the ids of what is to be claimed: first what was left in
// the middle, then what is due.
func candidates(r store.Reader, now time.Time) ([]string, error) {
	ids, err := lease.Expired(r, leasePrefix, now, dueBatch)
	if err != nil {
		return nil, err
	}
	for i := range ids {
		ids[i] = strings.TrimPrefix(ids[i], leasePrefix)
	}
	for row, err := range r.Scan(store.Managed, dueAt(now)) {
		if err != nil {
			return nil, err
		}
		if len(ids) < dueBatch && !slices.Contains(ids, row.ID) {
			ids = append(ids, row.ID)
		}
	}
	return ids, nil
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
