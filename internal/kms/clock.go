package kms

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// dueBatch is how many keys one Tick handles at most, so that a tick is short.
const dueBatch = 256

// Tick does what the clock has to do with keys: it destroys those whose
// waiting period is over, and rotates those whose period is. Whoever calls it
// (package lifecycle) does so again and again; more says that there is more
// to do at once. A key that fails does not keep the others waiting.
func (s *Service) Tick(ctx context.Context) (more bool, err error) {
	var due []key.Name
	now := s.now().UTC().Format(store.TimeFormat)
	err = s.store.View(ctx, func(r store.Reader) error {
		// From "0" leaves out the empty value, which means never.
		for row, err := range r.Scan(store.Keys, store.Query{Column: "due", From: "0", To: now, Limit: dueBatch}) {
			if err != nil {
				return err
			}
			k, err := keyOf(row)
			if err != nil {
				return err
			}
			due = append(due, k.Name)
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("looking for keys that are due: %w", err)
	}
	var failures []error
	for _, name := range due {
		if err := s.due(ctx, name); err != nil {
			failures = append(failures, err)
		}
	}
	return len(due) == dueBatch && len(failures) == 0, errors.Join(failures...)
}

// due does what is due with one key.
func (s *Service) due(ctx context.Context, name key.Name) error {
	lock := s.locks.key(name.ID)
	lock.Lock()
	defer lock.Unlock()
	e, err := s.find(name)
	if err != nil {
		return err
	}
	now := s.now()
	switch k := e.key; {
	case k.State == key.PendingDeletion && !k.DeleteAt.After(now):
		return s.byClock(ctx, k, key.ScheduleKeyDeletion, "Destroy", func(v *guard.Visit) error { return s.destroy(ctx, v, e) })
	case k.State == key.Enabled && k.Rotation.Enabled && !k.Rotation.Next.After(now):
		return s.byClock(ctx, k, key.RotateKeyOnDemand, "Rotate", func(v *guard.Visit) error { return s.rotate(ctx, v, e) })
	default:
		return nil
	}
}

// byClock runs a step that nobody asks for now: the key's own rule allows it,
// which its owner has set.
func (s *Service) byClock(ctx context.Context, k *key.Key, action key.Action, operation string, act func(*guard.Visit) error) error {
	call := &key.Call{
		Caller: key.Caller{
			Principal: key.Principal{Realm: k.Name.Realm, Kind: key.Service, Name: "lifecycle"}, Method: "internal",
		},
		RequestID: string(randomID()), API: "holdfast", Operation: operation, Region: k.Name.Region, Time: s.now(),
	}
	_, err := guard.Do(ctx, s.guard, call, action, func(v *guard.Visit) (none struct{}, err error) {
		v.Permit(k.Resource(), "the key's own rule")
		return none, act(v)
	})
	if err != nil {
		return fmt.Errorf("%s of key %s by the clock: %w", operation, k.Name.ID, err)
	}
	return nil
}

// destroy ends a key: its material, its aliases and its record.
func (s *Service) destroy(ctx context.Context, v *guard.Visit, e *entry) error {
	id := e.key.Name.ID
	if _, err := e.key.State.Next(key.Destroy); err != nil {
		return err
	}
	var aliases []*key.Alias
	err := v.Commit(ctx, func() error {
		for _, version := range e.key.Versions {
			wrapped, err := s.material(ctx, id, version.Number)
			if err != nil {
				return err
			}
			if err := s.engine.Destroy(ctx, refOf(e.key, version.Number), wrapped); err != nil {
				return err
			}
		}
		return s.store.Update(ctx, func(tx store.Tx) (err error) {
			aliases, err = deleteKey(tx, e.key)
			return err
		})
	})
	if err != nil {
		return err
	}
	for _, a := range aliases {
		s.memory.dropAlias(a)
	}
	s.memory.remove(id)
	s.opened.drop(e.slots)
	return nil
}

// deleteKey removes all rows of a key and returns the aliases it had.
func deleteKey(tx store.Tx, k *key.Key) ([]*key.Alias, error) {
	var aliases []*key.Alias
	for row, err := range tx.Scan(store.Aliases, store.Query{Column: "target", Equal: string(k.Name.ID)}) {
		if err != nil {
			return nil, err
		}
		a, err := aliasOf(row)
		if err != nil {
			return nil, err
		}
		aliases = append(aliases, a)
	}
	for _, a := range aliases {
		if err := tx.Delete(store.Aliases, aliasID(a.Realm, a.Region, a.Name)); err != nil {
			return nil, err
		}
	}
	for _, v := range k.Versions {
		if err := tx.Delete(store.Materials, materialID(k.Name.ID, v.Number)); err != nil {
			return nil, err
		}
	}
	return aliases, tx.Delete(store.Keys, string(k.Name.ID))
}

// rotate gives a key new material and plans the next rotation.
func (s *Service) rotate(ctx context.Context, v *guard.Visit, e *entry) error {
	k := e.key.Clone()
	material, err := s.addVersion(ctx, k, key.Automatic, s.engine.Generate)
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
	return s.publish(ctx, v, e, k, &change{
		also: func(tx store.Tx, k *key.Key) error { return insertMaterial(tx, k, material) },
	})
}

// digest names a text in the audit log without repeating it.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}
