package cluster

import (
	"cmp"
	"context"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// List says which clusters are wanted: those of the IDs and in one of the
// States; nil is all.
type List struct {
	IDs    []string
	States []State
	Page   kms.Page
}

func (l *List) wants(c *Cluster) bool { return among(l.IDs, c.ID) && among(l.States, c.State()) }

// among reports whether a filter lets a value through.
func among[T comparable](filter []T, value T) bool {
	return filter == nil || slices.Contains(filter, value)
}

// List returns a page of the call's realm's clusters in its region, the
// oldest first, and where the next page begins, "" at the end. Their HSMs'
// states are those of the moment.
func (s *Service) List(ctx context.Context, call *key.Call, l List) (list []*Cluster, next string, err error) {
	list, err = guard.Do(ctx, s.guard, call, key.DescribeClusters, func(v *guard.Visit) (list []*Cluster, err error) {
		if err := v.Authorize(realmTarget(call, key.DescribeClusters, nil)); err != nil {
			return nil, err
		}
		list, err = all(ctx, s.store, store.Clusters, scopeOf(call.Caller.Principal.Realm, call.Region), readCluster)
		if err != nil {
			return nil, err
		}
		s.examine(ctx, list...)
		return list, nil
	})
	if err != nil {
		return nil, "", err
	}
	list, next = page(list, l.wants, l.Page, false, (*Cluster).order)
	return list, next, nil
}

// order is what a listing goes by: the time of making, then the id.
func (c *Cluster) order() string { return c.CreatedAt.UTC().Format(store.TimeFormat) + " " + c.ID }

// order is as Cluster.order; a copy is as old as its source.
func (b *Backup) order() string { return b.CreatedAt.UTC().Format(store.TimeFormat) + " " + b.ID }

// ListBackups says which backups are wanted; nil is all.
type ListBackups struct {
	IDs, Clusters, Sources []string
	States                 []BackupState
	NeverExpires           *bool
	OldestFirst            bool
	Page                   kms.Page
}

func (l *ListBackups) wants(b *Backup) bool {
	return among(l.IDs, b.ID) && among(l.Clusters, b.Cluster) && among(l.Sources, b.Source) && among(l.States, b.State()) &&
		(l.NeverExpires == nil || *l.NeverExpires == b.NeverExpires)
}

// Backups returns a page of the call's realm's backups in its region, and
// where the next page begins, "" at the end.
func (s *Service) Backups(ctx context.Context, call *key.Call, l ListBackups) (list []*Backup, next string, err error) {
	list, err = guard.Do(ctx, s.guard, call, key.DescribeBackups, func(v *guard.Visit) ([]*Backup, error) {
		if err := v.Authorize(realmTarget(call, key.DescribeBackups, nil)); err != nil {
			return nil, err
		}
		return all(ctx, s.store, store.Backups, scopeOf(call.Caller.Principal.Realm, call.Region), readBackup)
	})
	if err != nil {
		return nil, "", err
	}
	list, next = page(list, l.wants, l.Page, !l.OldestFirst, (*Backup).order)
	return list, next, nil
}

// all reads the rows of a listing.
func all[T any](ctx context.Context, s store.Store, t *store.Table, scope string, read func(store.Row) (*T, error)) ([]*T, error) {
	var list []*T
	err := s.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(t, store.Query{Column: "scope", Equal: scope}) {
			if err != nil {
				return err
			}
			one, err := read(row)
			if err != nil {
				return err
			}
			list = append(list, one)
		}
		return nil
	})
	return list, err
}

// page cuts a page out of a listing, which it puts in order first. After is
// what order returned for the last one of the page before.
func page[T any](list []*T, wanted func(*T) bool, p kms.Page, descending bool, order func(*T) string) (cut []*T, next string) {
	slices.SortFunc(list, func(a, b *T) int {
		if descending {
			a, b = b, a
		}
		return cmp.Compare(order(a), order(b))
	})
	for _, one := range list {
		at := order(one)
		if p.After != "" && (at <= p.After) != descending || at == p.After || !wanted(one) {
			continue
		}
		if p.Limit > 0 && len(cut) == p.Limit {
			return cut, order(cut[len(cut)-1])
		}
		cut = append(cut, one)
	}
	return cut, ""
}

// Find returns a cluster of a realm and region as it is at the moment, for the
// parts of Holdfast that stand on it: it neither authorises nor records.
func (s *Service) Find(ctx context.Context, realm key.RealmID, region, id string) (*Cluster, error) {
	call := &key.Call{Caller: key.Caller{Principal: key.Principal{Realm: realm}}, Region: region}
	c, err := s.find(ctx, call, id)
	if err != nil {
		return nil, err
	}
	s.examine(ctx, c)
	return c, nil
}
