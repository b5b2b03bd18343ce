package cluster

import (
	"context"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Thing names a cluster or a backup.
type Thing struct {
	Kind key.ResourceKind // key.KindCluster or key.KindBackup
	ID   string
}

// Tag gives a cluster or a backup tags, or new values to those it has.
func (s *Service) Tag(ctx context.Context, call *key.Call, t Thing, tags []key.Tag) error {
	return s.retag(ctx, call, key.TagCluster, t, tags, func(have []key.Tag) ([]key.Tag, error) {
		return key.MergeTags(have, tags)
	})
}

// Untag takes tags from a cluster or a backup; those that it does not have are
// left alone.
func (s *Service) Untag(ctx context.Context, call *key.Call, t Thing, keys []string) error {
	tags := make([]key.Tag, len(keys))
	for i, k := range keys {
		tags[i].Key = k
	}
	return s.retag(ctx, call, key.UntagCluster, t, tags, func(have []key.Tag) ([]key.Tag, error) {
		return slices.DeleteFunc(slices.Clone(have), func(t key.Tag) bool { return slices.Contains(keys, t.Key) }), nil
	})
}

// retag changes the tags of a cluster or a backup as a call of its own.
func (s *Service) retag(
	ctx context.Context, call *key.Call, action key.Action, t Thing, tags []key.Tag, change func([]key.Tag) ([]key.Tag, error),
) error {
	if t.Kind == key.KindBackup {
		_, err := s.changeBackup(ctx, call, action, t.ID, tags, func(_ *guard.Visit, b *Backup) (err error) {
			b.Tags, err = change(b.Tags)
			return err
		})
		return err
	}
	_, err := guard.Do(ctx, s.guard, call, action, func(v *guard.Visit) (struct{}, error) {
		c, err := s.visit(ctx, v, action, t.ID, tags)
		if err != nil {
			return struct{}{}, err
		}
		_, err = s.commit(ctx, v, c, func(_ store.Tx, c *Cluster) (err error) {
			c.Tags, err = change(c.Tags)
			return err
		})
		return struct{}{}, err
	})
	return err
}

// Tags returns the tags of a cluster or a backup, sorted by their keys.
func (s *Service) Tags(ctx context.Context, call *key.Call, t Thing) ([]key.Tag, error) {
	return guard.Do(ctx, s.guard, call, key.ListClusterTags, func(v *guard.Visit) ([]key.Tag, error) {
		if t.Kind == key.KindBackup {
			b, err := s.visitBackup(ctx, v, key.ListClusterTags, backupResource(call, t.ID), nil)
			if err != nil {
				return nil, err
			}
			return b.Tags, nil
		}
		c, err := s.visit(ctx, v, key.ListClusterTags, t.ID, nil)
		if err != nil {
			return nil, err
		}
		return c.Tags, nil
	})
}
