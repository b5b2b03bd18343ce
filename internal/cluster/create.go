package cluster

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// CreateRequest asks for a cluster.
type CreateRequest struct {
	// Model is what the owner calls the kind of the HSMs. A cluster made from a
	// backup has the backup's if it is empty.
	Model string
	// Zones are where HSMs can be, at least one.
	Zones []Zone
	// RetentionDays is how long backups are kept; 0 is DefaultRetention.
	RetentionDays int
	// Source names a backup that the cluster is made from: its id, or, for one of
	// another realm, the whole resource. Its zero value is none.
	Source key.Resource
	Tags   []key.Tag
}

// Bounds of a cluster.
const (
	MinRetention     = 7 // days
	MaxRetention     = 379
	DefaultRetention = 90
	// MaxClusters is how many clusters a realm has in a region.
	MaxClusters = 100
	// MaxHSMs is how many HSMs a cluster has.
	MaxHSMs = 28
)

// Create makes a cluster without HSMs. The caller needs CreateCluster, and on
// the backup that it is made from, too.
func (s *Service) Create(ctx context.Context, call *key.Call, req *CreateRequest) (*Cluster, error) {
	return guard.Do(ctx, s.guard, call, key.CreateCluster, func(v *guard.Visit) (*Cluster, error) {
		if len(req.Tags) > 0 {
			if err := v.Authorize(realmTarget(call, key.TagCluster, req.Tags)); err != nil {
				return nil, err
			}
		}
		if err := v.Authorize(realmTarget(call, key.CreateCluster, req.Tags)); err != nil {
			return nil, err
		}
		c, err := s.draft(call, req)
		if err != nil {
			return nil, err
		}
		if err := s.inherit(ctx, v, c, req.Source); err != nil {
			return nil, err
		}
		if err := dry(call); err != nil {
			return nil, err
		}
		v.About(c.Resource())
		return c, v.Commit(ctx, func() error { return s.insert(ctx, c) })
	})
}

// draft checks a request and returns the cluster that it asks for, as a new one.
func (s *Service) draft(call *key.Call, req *CreateRequest) (*Cluster, error) {
	tags, err := key.MergeTags(nil, req.Tags)
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		ID: newID(), Realm: call.Caller.Principal.Realm, Region: call.Region, Model: req.Model, Zones: req.Zones,
		RetentionDays: req.RetentionDays, CreatedAt: s.now().UTC().Truncate(time.Millisecond), Tags: tags,
	}
	c.Lineage = c.ID
	if c.RetentionDays == 0 {
		c.RetentionDays = DefaultRetention
	}
	if len(c.Zones) == 0 {
		return nil, fault.New(fault.InvalidArgument, "a cluster has at least one zone")
	}
	return c, checkRetention(c.RetentionDays)
}

func checkRetention(days int) error {
	if days < MinRetention || days > MaxRetention {
		return fault.New(fault.InvalidArgument, "backups are kept for %d to %d days", MinRetention, MaxRetention)
	}
	return nil
}

// inherit makes of a draft a cluster like the one that was backed up.
func (s *Service) inherit(ctx context.Context, v *guard.Visit, c *Cluster, source key.Resource) error {
	if source == (key.Resource{}) {
		return nil
	}
	b, err := s.visitBackup(ctx, v, key.CreateCluster, source, nil)
	if err != nil {
		return err
	}
	if err := b.ready(); err != nil {
		return err
	}
	v.Note("backup", b.ID)
	c.SourceBackup, c.Lineage, c.Held = b.ID, b.Lineage, b.held()
	c.Certificate, c.Anchor = b.Certificate, b.Anchor
	if c.Model == "" {
		c.Model = b.Model
	}
	return nil
}

func (s *Service) insert(ctx context.Context, c *Cluster) error {
	row, err := c.row()
	if err != nil {
		return err
	}
	return s.store.Update(ctx, func(tx store.Tx) error {
		n, err := tx.Count(store.Clusters, store.Query{Column: "scope", Equal: row.Columns[0]})
		if err != nil {
			return err
		}
		if n >= MaxClusters {
			return fault.New(fault.LimitExceeded, "there are at most %d clusters", MaxClusters)
		}
		return tx.Insert(store.Clusters, row)
	})
}

// Modify changes how long a cluster's backups are kept.
func (s *Service) Modify(ctx context.Context, call *key.Call, id string, retentionDays int) (*Cluster, error) {
	return guard.Do(ctx, s.guard, call, key.ModifyCluster, func(v *guard.Visit) (*Cluster, error) {
		c, err := s.visit(ctx, v, key.ModifyCluster, id, nil)
		if err != nil {
			return nil, err
		}
		v.NoteInt("days", retentionDays)
		c, err = s.commit(ctx, v, c, func(tx store.Tx, c *Cluster) error {
			c.RetentionDays = retentionDays
			if err := checkRetention(retentionDays); err != nil || tx == nil {
				return err
			}
			return retain(tx, c)
		})
		if err != nil {
			return nil, err
		}
		s.examine(ctx, c)
		return c, nil
	})
}

// Delete ends a cluster without HSMs. Its backups stay.
func (s *Service) Delete(ctx context.Context, call *key.Call, id string) (*Cluster, error) {
	return guard.Do(ctx, s.guard, call, key.DeleteCluster, func(v *guard.Visit) (*Cluster, error) {
		c, err := s.visit(ctx, v, key.DeleteCluster, id, nil)
		if err != nil {
			return nil, err
		}
		if err := c.deletable(); err != nil {
			return nil, err
		}
		if err := dry(call); err != nil {
			return nil, err
		}
		err = v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error {
				if c, err = get(tx, call, id); err != nil {
					return err
				}
				if err := c.deletable(); err != nil {
					return err
				}
				return tx.Delete(store.Clusters, id)
			})
		})
		if err != nil {
			return nil, err
		}
		c.ended = true
		s.changed(id)
		return c, nil
	})
}

// deletable refuses to end a cluster that has HSMs.
func (c *Cluster) deletable() error {
	if len(c.HSMs) == 0 {
		return nil
	}
	return &fault.Error{
		Kind: fault.WrongState, Reason: fault.InUse, Resource: c.Resource().String(),
		Public: "the cluster has HSMs, which have to be deleted before it",
	}
}
