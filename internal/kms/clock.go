package kms

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/material"
	"github.com/holdfast-kms/holdfast/internal/succession"
)

// dueBatch is how many keys one Tick handles at most, so that a tick is short.
const dueBatch = 256

// Tick does what the clock has to do with keys: it destroys those whose
// waiting period is over, forgets imported material that has expired, rotates
// those whose period is over, and disables those whose successors have been
// there long enough. Whoever calls it
// (package lifecycle) does so again and again; more says that there is more
// to do at once. A key that fails does not keep the others waiting: it is
// tried again by the next Tick, and then less and less often.
func (s *Service) Tick(ctx context.Context) (more bool, err error) {
	now := s.now()
	limit := dueBatch + s.later.Count() // the oldest come first: those that fail must not be all
	due, err := s.keys.Due(ctx, now, limit)
	if err != nil {
		return false, fmt.Errorf("looking for keys that are due: %w", err)
	}
	var failures []error
	for _, name := range due {
		if s.later.Puts(name.ID, now) {
			continue
		}
		err := s.due(ctx, name)
		if s.later.Note(name.ID, now, err); err != nil {
			failures = append(failures, err)
		}
	}
	s.later.Keep(due)
	return len(due) == limit && len(failures) == 0, errors.Join(failures...)
}

// due does what is due with one key.
func (s *Service) due(ctx context.Context, name key.Name) error {
	defer s.keys.Lock(name.ID)()
	e, err := s.keys.Find(name)
	if err != nil {
		return err
	}
	if e, err = s.keys.Refresh(ctx, e); err != nil {
		return err
	}
	now := s.now()
	switch k := e.Key; {
	case k.State == key.PendingDeletion && !k.DeleteAt.After(now):
		return s.byClock(ctx, k, key.ScheduleKeyDeletion, "Destroy", func(v *guard.Visit) error { return s.destroy(ctx, v, e) })
	case len(material.Expired(k, now)) > 0:
		return s.byClock(ctx, k, key.DeleteKeyMaterial, "Expire", func(v *guard.Visit) error { return s.expire(ctx, v, e) })
	case k.State == key.Enabled && k.Succession.To != "":
		if !k.Succession.Over(now) {
			return nil
		}
		return s.Retire(ctx, e)
	case k.State == key.Enabled && k.Rotation.Enabled && !k.Rotation.Next.After(now):
		if err := s.usable(e); err != nil { // a new version would do what the old one may not
			return fmt.Errorf("rotating key %s by the clock: %w", k.Name.ID, err)
		}
		return s.byClock(ctx, k, key.RotateKeyOnDemand, "Rotate", func(v *guard.Visit) error { return s.rotate(ctx, v, e) })
	default:
		return nil
	}
}

// byClock runs a step that nobody asks for now: the key's own rule allows it,
// which its owner has set.
func (s *Service) byClock(ctx context.Context, k *key.Key, action key.Action, operation string, act func(*guard.Visit) error) error {
	call := guard.OwnCall(k.Name.Realm, k.Name.Region, guard.Lifecycle, operation, s.now())
	_, err := guard.Do(ctx, s.guard, call, action, func(v *guard.Visit) (none struct{}, err error) {
		v.Permit(k.Resource(), "the key's own rule")
		return none, act(v)
	})
	if err != nil {
		return fmt.Errorf("%s of key %s by the clock: %w", operation, k.Name.ID, err)
	}
	return nil
}

// destroy ends a key: its material, its aliases and its record. A key store
// that is not connected keeps no key from its end, or nobody could ever get
// rid of the store: the material stays there then, and nobody can reach it.
func (s *Service) destroy(ctx context.Context, v *guard.Visit, e *catalog.Entry) error {
	if _, err := e.Key.State.Next(key.Destroy); err != nil {
		return err
	}
	_, unreachable := s.engines.Of(e.Key)
	left := unreachable != nil && e.Key.Store != ""
	if left {
		v.Note("material", "left in the key store, which is not connected")
	}
	return v.Commit(ctx, func() error {
		if !left {
			if err := s.engines.End(ctx, e.Key, e.Key.Materials()); err != nil {
				return err
			}
		}
		return s.keys.Remove(ctx, e)
	})
}

// rotate gives a key new material and plans the next rotation.
func (s *Service) rotate(ctx context.Context, v *guard.Visit, e *catalog.Entry) error {
	k := e.Key.Clone()
	put, undo, err := s.renew(ctx, k, key.Automatic)
	if err != nil {
		return err
	}
	// Count from the planned time, so that a late tick does not drift; a server
	// that was away for several periods makes one version, not many.
	next := daysFrom(k.Rotation.Next, k.Rotation.PeriodDays)
	if now := s.now().UTC(); !next.After(now) {
		next = daysFrom(now, k.Rotation.PeriodDays)
	}
	k.Rotation.Next = next
	v.NoteInt("version", len(k.Versions))
	told, err := succession.Rotated(ctx, s.keys, k, "")
	if err == nil {
		err = s.publish(ctx, v, e, &change{store: catalog.Change{Key: k, Put: put, Events: told}})
	}
	if err != nil {
		undo()
	}
	return err
}

// digest names a text in the audit log without repeating it.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}
