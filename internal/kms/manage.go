package kms

import (
	"context"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alias"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/operation"
	"github.com/holdfast-kms/holdfast/internal/policy"
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
	// store is what is to be stored beside the key: edit may fill it.
	store catalog.Change
	// before is done before the record changes, once the call is on record; edit
	// may set it.
	before func() error
	// undo takes back what edit has made in an engine, if the change fails after
	// all; edit may set it.
	undo func()
}

// change runs an alteration as a call of its own and returns the key after it.
func (s *Service) change(ctx context.Context, call *key.Call, c *change) (*key.Key, error) {
	return guard.Do(ctx, s.guard, call, c.action, func(v *guard.Visit) (*key.Key, error) {
		e, err := alias.Own(s.keys, v, c.action, c.ref)
		if err != nil {
			return nil, err
		}
		return s.alter(ctx, v, e.Key.Name, c)
	})
}

// alter changes a key under its lock: it authorises, checks the state, edits
// a copy, records, stores and publishes it.
func (s *Service) alter(ctx context.Context, v *guard.Visit, name key.Name, c *change) (*key.Key, error) {
	defer s.keys.Lock(name.ID)()
	e, err := s.keys.Find(name)
	if err != nil {
		return nil, err
	}
	c.attributes.Alias = c.ref.Alias
	if err := v.Authorize(e.Target(c.action, &c.attributes)); err != nil {
		return nil, err
	}
	state := s.state(e)
	if err := c.permitted(state); err != nil {
		return nil, e.At(err)
	}
	if c.store.Key, err = s.edited(v, e, c, state); err == nil {
		err = s.publish(ctx, v, e, c)
	}
	if err != nil && c.undo != nil {
		c.undo()
	}
	return c.store.Key, err
}

func (c *change) permitted(state key.State) error {
	if c.inUse {
		return state.Use()
	}
	return state.Manage(c.action)
}

// edited returns the changed copy of a key. The edit sees the state that the
// key is in now; the record gets it only if the edit changes it.
func (s *Service) edited(v *guard.Visit, e *catalog.Entry, c *change, state key.State) (*key.Key, error) {
	k := e.Key.Clone()
	k.State = state
	if err := c.edit(v, k); err != nil {
		return nil, e.At(err)
	}
	if k.State == state {
		k.State = e.Key.State
	}
	return k, operation.Dry(v.Call)
}

// publish records and stores a changed key and makes it visible.
func (s *Service) publish(ctx context.Context, v *guard.Visit, e *catalog.Entry, c *change) error {
	c.store.Key.Revision++
	return v.Commit(ctx, func() error {
		if c.before != nil {
			if err := c.before(); err != nil {
				return err
			}
		}
		return s.keys.Update(ctx, e, &c.store)
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
	c := &change{ref: ref, action: key.ScheduleKeyDeletion, attributes: policy.Attributes{WaitDays: days}}
	c.edit = func(v *guard.Visit, k *key.Key) error {
		if days < MinDeletion || days > MaxDeletion {
			return fault.New(fault.InvalidArgument, "the waiting period must be %d to %d days", MinDeletion, MaxDeletion)
		}
		now := s.now().UTC()
		k.DeleteAt = daysFrom(now, days)
		v.NoteInt("days", days)
		if err := moved(key.ScheduleDeletion)(v, k); err != nil || passing(call) {
			return err
		}
		name, err := alias.Called(ctx, s.keys, k)
		c.store.Events = event.Deletion(k, name, now)
		return err
	}
	return s.change(ctx, call, c)
}

// passing reports whether a call ends a key of a managed certificate, which
// has another one now: that happens at every renewal, and nobody is told.
func passing(call *key.Call) bool {
	p := call.Caller.Principal
	return p.Kind == key.Service && strings.HasPrefix(p.Name, "managed/")
}

// CancelDeletion takes a scheduled deletion back. The key is disabled then.
func (s *Service) CancelDeletion(ctx context.Context, call *key.Call, ref Ref) (*key.Key, error) {
	c := &change{ref: ref, action: key.CancelKeyDeletion}
	c.edit = func(v *guard.Visit, k *key.Key) error {
		if err := moved(key.CancelDeletion)(v, k); err != nil {
			return err
		}
		c.store.Withdrawn = event.DeletionReminders(k)
		k.DeleteAt = time.Time{}
		if !k.Complete() {
			return moved(key.LoseMaterial)(v, k)
		}
		return nil
	}
	return s.change(ctx, call, c)
}
