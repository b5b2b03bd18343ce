package cluster

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// backupResource is a backup of the call's own realm and region.
func backupResource(call *key.Call, id string) key.Resource {
	return resource(key.KindBackup, call.Caller.Principal.Realm, call.Region, id)
}

// change runs an alteration of a backup as a call of its own and returns the
// backup after it.
func (s *Service) changeBackup(
	ctx context.Context, call *key.Call, action key.Action, id string, tags []key.Tag, edit func(v *guard.Visit, b *Backup) error,
) (*Backup, error) {
	return guard.Do(ctx, s.guard, call, action, func(v *guard.Visit) (*Backup, error) {
		b, err := s.visitBackup(ctx, v, action, backupResource(call, id), tags)
		if err != nil {
			return nil, err
		}
		rehearsal := *b
		if err := edit(v, &rehearsal); err != nil {
			return nil, err
		}
		if err := dry(call); err != nil {
			return nil, err
		}
		err = v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error {
				if b, err = findBackup(tx, call, b.Resource()); err != nil {
					return err
				}
				if err := edit(v, b); err != nil {
					return err
				}
				return putBackup(tx, b)
			})
		})
		if err != nil {
			return nil, err
		}
		return b, nil
	})
}

// SetNeverExpires says whether a backup is kept beyond its time.
func (s *Service) SetNeverExpires(ctx context.Context, call *key.Call, id string, never bool) (*Backup, error) {
	return s.changeBackup(ctx, call, key.ModifyBackup, id, nil, func(_ *guard.Visit, b *Backup) error {
		b.NeverExpires = never
		return b.ready()
	})
}

// DeleteBackup has a backup destroyed after the time of Recovery.
func (s *Service) DeleteBackup(ctx context.Context, call *key.Call, id string) (*Backup, error) {
	at := s.now().UTC().Truncate(time.Millisecond).Add(Recovery)
	return s.changeBackup(ctx, call, key.DeleteBackup, id, nil, func(_ *guard.Visit, b *Backup) error {
		if err := b.ready(); err != nil {
			return err
		}
		b.DeleteAt = at
		return nil
	})
}

// RestoreBackup takes a deletion back.
func (s *Service) RestoreBackup(ctx context.Context, call *key.Call, id string) (*Backup, error) {
	return s.changeBackup(ctx, call, key.RestoreBackup, id, nil, func(_ *guard.Visit, b *Backup) error {
		if b.DeleteAt.IsZero() {
			return &fault.Error{Kind: fault.WrongState, Resource: b.Resource().String(), Public: "the backup is not pending deletion"}
		}
		b.DeleteAt = time.Time{}
		return nil
	})
}

// CopyBackup makes a copy of a backup in another region. Without tags it gets
// those of its source. The copy has an id of its own and no policy.
func (s *Service) CopyBackup(ctx context.Context, call *key.Call, id, region string, tags []key.Tag) (*Backup, error) {
	return guard.Do(ctx, s.guard, call, key.CopyBackup, func(v *guard.Visit) (*Backup, error) {
		b, err := s.visitBackup(ctx, v, key.CopyBackup, backupResource(call, id), tags)
		if err != nil {
			return nil, err
		}
		switch {
		case region == call.Region:
			return nil, fault.New(fault.InvalidArgument, "the backup is in the region %s already", region)
		case b.ready() != nil:
			return nil, b.ready()
		}
		next := *b
		next.ID, next.Region, next.SourceRegion, next.Source = newID(), region, b.Region, b.ID
		next.CopiedAt, next.Policy = s.now().UTC().Truncate(time.Millisecond), key.Document{}
		if len(tags) > 0 {
			if next.Tags, err = key.MergeTags(nil, tags); err != nil {
				return nil, err
			}
		}
		if err := dry(call); err != nil {
			return nil, err
		}
		v.Note("copy", next.Resource().String())
		err = v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error { return putBackup(tx, &next) })
		})
		if err != nil {
			return nil, err
		}
		return &next, nil
	})
}
