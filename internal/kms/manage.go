package kms

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// change is one alteration of a key's metadata.
type change struct {
	ref        Ref
	action     key.Action
	attributes policy.Attributes
	// inUse asks for an enabled key, where otherwise the state's own rules for
	// the action decide.
	inUse bool
	// edit changes the copy of the key that is to be stored. The Visit is for
	// notes.
	edit func(v *guard.Visit, k *key.Key) error
	// also writes what belongs to the change beside the key; it may be nil.
	also func(tx store.Tx, k *key.Key) error
	// policy is the key's new policy, nil where it stays.
	policy *policy.Policy
}

// change runs an alteration as a call of its own and returns the key after it.
func (s *Service) change(ctx context.Context, call *key.Call, c *change) (*key.Key, error) {
	return guard.Do(ctx, s.guard, call, c.action, func(v *guard.Visit) (*key.Key, error) {
		e, err := s.own(v, c.action, c.ref)
		if err != nil {
			return nil, err
		}
		return s.alter(ctx, v, e.key.Name, c)
	})
}

// alter changes a key under its lock: it authorises, checks the state, edits
// a copy, records, stores and publishes it.
func (s *Service) alter(ctx context.Context, v *guard.Visit, name key.Name, c *change) (*key.Key, error) {
	lock := s.locks.key(name.ID)
	lock.Lock()
	defer lock.Unlock()
	e, err := s.find(name)
	if err != nil {
		return nil, err
	}
	c.attributes.Alias = c.ref.Alias
	if err := v.Authorize(e.target(c.action, &c.attributes)); err != nil {
		return nil, err
	}
	if err := c.permitted(e.key); err != nil {
		return nil, e.at(err)
	}
	k := e.key.Clone()
	if err := c.edit(v, k); err != nil {
		return nil, e.at(err)
	}
	if err := dry(v.Call); err != nil {
		return nil, err
	}
	return k, s.publish(ctx, v, e, k, c)
}

func (c *change) permitted(k *key.Key) error {
	if c.inUse {
		return k.State.Use()
	}
	return k.State.Manage(c.action)
}

// publish records and stores a changed key and makes it visible.
func (s *Service) publish(ctx context.Context, v *guard.Visit, e *entry, k *key.Key, c *change) error {
	k.Revision++
	row, err := keyRow(k)
	if err != nil {
		return err
	}
	p := e.policy
	if c.policy != nil {
		p = c.policy
	}
	return v.Commit(ctx, func() error {
		err := s.store.Update(ctx, func(tx store.Tx) error {
			if err := tx.Put(store.Keys, row); err != nil || c.also == nil {
				return err
			}
			return c.also(tx, k)
		})
		if err == nil {
			s.memory.put(newEntry(k, p, e))
		}
		return err
	})
}

// UpdateDescription replaces a key's description.
func (s *Service) UpdateDescription(ctx context.Context, call *key.Call, ref Ref, text string) error {
	_, err := s.change(ctx, call, &change{
		ref: ref, action: key.UpdateKeyDescription,
		edit: func(_ *guard.Visit, k *key.Key) error {
			k.Description = text
			return checkDescription(text)
		},
	})
	return err
}

// EnableKey lets a disabled key be used again.
func (s *Service) EnableKey(ctx context.Context, call *key.Call, ref Ref) error {
	_, err := s.change(ctx, call, &change{ref: ref, action: key.EnableKey, edit: moved(key.Enable)})
	return err
}

// DisableKey stops all use of a key.
func (s *Service) DisableKey(ctx context.Context, call *key.Call, ref Ref) error {
	_, err := s.change(ctx, call, &change{ref: ref, action: key.DisableKey, edit: moved(key.Disable)})
	return err
}

// moved returns the edit that an event of the state machine makes.
func moved(e key.Event) func(*guard.Visit, *key.Key) error {
	return func(_ *guard.Visit, k *key.Key) (err error) {
		k.State, err = k.State.Next(e)
		return err
	}
}

// ScheduleDeletion stops all use of a key and has it destroyed after so many
// days (MinDeletion to MaxDeletion; 0 means MaxDeletion).
func (s *Service) ScheduleDeletion(ctx context.Context, call *key.Call, ref Ref, days int) (*key.Key, error) {
	if days == 0 {
		days = MaxDeletion
	}
	return s.change(ctx, call, &change{
		ref: ref, action: key.ScheduleKeyDeletion, attributes: policy.Attributes{WaitDays: days},
		edit: func(v *guard.Visit, k *key.Key) error {
			if days < MinDeletion || days > MaxDeletion {
				return fault.New(fault.InvalidArgument, "the waiting period must be %d to %d days", MinDeletion, MaxDeletion)
			}
			k.DeleteAt = daysFrom(s.now().UTC(), days)
			v.NoteInt("days", days)
			return moved(key.ScheduleDeletion)(v, k)
		},
	})
}

// CancelDeletion takes a scheduled deletion back. The key is disabled then.
func (s *Service) CancelDeletion(ctx context.Context, call *key.Call, ref Ref) (*key.Key, error) {
	return s.change(ctx, call, &change{
		ref: ref, action: key.CancelKeyDeletion,
		edit: func(v *guard.Visit, k *key.Key) error {
			if err := moved(key.CancelDeletion)(v, k); err != nil {
				return err
			}
			k.DeleteAt = time.Time{}
			return nil
		},
	})
}
