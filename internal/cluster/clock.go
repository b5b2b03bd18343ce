package cluster

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// retain writes the times of a cluster's backups anew, whose RetentionDays are
// the cluster's.
func retain(tx store.Tx, c *Cluster) error {
	for row, err := range tx.Scan(store.Backups, store.Query{Column: "scope", Equal: scopeOf(c.Realm, c.Region)}) {
		if err != nil {
			return err
		}
		b, err := readBackup(row)
		if err != nil {
			return err
		}
		if b.Cluster != c.ID || b.RetentionDays == c.RetentionDays {
			continue
		}
		b.RetentionDays = c.RetentionDays
		if err := putBackup(tx, b); err != nil {
			return err
		}
	}
	return nil
}

// unfinished is how old an HSM in the making is before the clock takes it for
// one that a crash has left.
const unfinished = 5 * time.Minute

// tickLimit bounds what one Tick does.
const tickLimit = 100

// Tick does what is due: it destroys backups whose time is over, looks at the
// tokens of claimed clusters that were never active, and ends HSMs that a
// crash left half made.
func (s *Service) Tick(ctx context.Context) (more bool, err error) {
	if more, err = s.expire(ctx); err != nil {
		return false, err
	}
	return more, s.settle(ctx)
}

// expire destroys backups that are due, except a cluster's last one that
// nobody deleted.
func (s *Service) expire(ctx context.Context) (more bool, err error) {
	now := s.now().UTC().Format(store.TimeFormat)
	var due []*Backup
	err = s.store.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(store.Backups, store.Query{Column: "due", From: "0", To: now, Limit: tickLimit}) {
			if err != nil {
				return err
			}
			b, err := readBackup(row)
			if err != nil {
				return err
			}
			due = append(due, b)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	for _, b := range due {
		if err := s.end(ctx, b); err != nil {
			return false, err
		}
	}
	return len(due) == tickLimit, nil
}

// end destroys a backup that is due, by the rule that its owner has set. One
// that nobody deleted and that is the last of its cluster is kept for now.
func (s *Service) end(ctx context.Context, b *Backup) error {
	if b.DeleteAt.IsZero() {
		last, err := s.last(ctx, b)
		if err != nil {
			return err
		}
		if last {
			return s.keep(ctx, b)
		}
	}
	call := guard.OwnCall(b.Realm, b.Region, guard.Lifecycle, "DestroyBackup", s.now())
	_, err := guard.Do(ctx, s.guard, call, key.DeleteBackup, func(v *guard.Visit) (struct{}, error) {
		v.Permit(b.Resource(), "the backup's own rule")
		return struct{}{}, v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error { return tx.Delete(store.Backups, b.ID) })
		})
	})
	return err
}

// last reports whether a cluster has no newer backup in the region.
func (s *Service) last(ctx context.Context, b *Backup) (bool, error) {
	list, err := all(ctx, s.store, store.Backups, scopeOf(b.Realm, b.Region), readBackup)
	return !slices.ContainsFunc(list, func(o *Backup) bool {
		return o.Cluster == b.Cluster && o.DeleteAt.IsZero() && o.order() > b.order()
	}), err
}

// keep lets a backup be looked at again a day later.
func (s *Service) keep(ctx context.Context, b *Backup) error {
	row, err := b.row()
	if err != nil {
		return err
	}
	row.Columns[1] = s.now().UTC().AddDate(0, 0, 1).Format(store.TimeFormat)
	return s.store.Update(ctx, func(tx store.Tx) error { return tx.Put(store.Backups, row) })
}

// settle brings clusters on that wait for their tokens.
func (s *Service) settle(ctx context.Context) error {
	var waiting []*Cluster
	err := s.store.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(store.Clusters, store.Query{}) {
			if err != nil {
				return err
			}
			if row.Columns[0] == "" {
				continue // a claim of a token
			}
			c, err := readCluster(row)
			if err != nil {
				return err
			}
			if c.Certificate != nil && c.ActivatedAt.IsZero() || slices.ContainsFunc(c.HSMs, s.stuck) {
				waiting = append(waiting, c)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.examine(ctx, waiting...)
	for _, c := range waiting {
		if err := s.bringOn(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// stuck reports whether an HSM is in the making for too long.
func (s *Service) stuck(h HSM) bool {
	return h.State == HSMCreating && s.now().Sub(h.CreatedAt) > unfinished
}

// bringOn activates a cluster of which an HSM serves, and ends HSMs that will
// never be made.
func (s *Service) bringOn(ctx context.Context, seen *Cluster) error {
	call := &key.Call{Caller: key.Caller{Principal: key.Principal{Realm: seen.Realm}}, Region: seen.Region}
	_, err := s.alter(ctx, call, seen.ID, func(tx store.Tx, c *Cluster) error {
		if len(seen.Serving()) > 0 {
			c.activate(s.now())
		}
		for _, h := range slices.Clone(c.HSMs) {
			if !s.stuck(h) {
				continue
			}
			s.log.WarnContext(ctx, "an HSM was never made and is given up", slog.String("cluster", c.ID), slog.String("token", h.Token))
			c.drop(h.ID)
			if err := deleteClaim(tx, h.Token); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}
