package ca

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// change is one alteration of an authority's record.
type change struct {
	authority  string // id or name
	action     key.Action
	attributes *policy.Attributes
	// check is for what needs the visit before the edit; it may be nil.
	check func(v *guard.Visit, a *authority) error
	// edit changes the copy of the authority that is to be stored. What it
	// points to is shared with the authority as it was.
	edit func(a *authority) error
}

// change runs an alteration as a call of its own and returns the authority
// after it. Alterations run one after another.
func (s *Service) change(ctx context.Context, call *key.Call, c *change) (*Authority, error) {
	return guard.Do(ctx, s.guard, call, c.action, func(v *guard.Visit) (*Authority, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		a, err := s.find(call, c.authority)
		if err != nil {
			v.About(resource(call.Caller.Principal.Realm, call.Region, key.KindAuthority, c.authority))
			return nil, err
		}
		t := a.Target(c.action)
		t.Attributes = c.attributes
		if err := s.authorize(v, t); err != nil {
			return nil, err
		}
		now := s.now().UTC()
		if err := a.permit(c.action, now); err != nil {
			return nil, err
		}
		if c.check != nil {
			if err := c.check(v, a); err != nil {
				return nil, err
			}
		}
		next := *a
		if err := c.edit(&next); err != nil {
			return nil, err
		}
		if call.DryRun {
			return nil, dryRun()
		}
		return next.at(now), s.commit(ctx, v, now, nil, &next)
	})
}

// commit records the call and then stores and publishes new states of
// authorities, with what also writes in the same transaction; also may be
// nil. s.mu is held, and was since the states were read.
func (s *Service) commit(ctx context.Context, v *guard.Visit, now time.Time, also func(store.Tx) error, list ...*authority) error {
	for _, a := range list {
		a.UpdatedAt = now
	}
	err := v.Commit(ctx, func() error {
		return s.store.Update(ctx, func(tx store.Tx) error {
			if also != nil {
				if err := also(tx); err != nil {
					return err
				}
			}
			return putAuthorities(tx, list...)
		})
	})
	if err == nil {
		s.publish(list...)
	}
	return err
}

// enter puts the authority into a state.
func (a *authority) enter(state State, now time.Time) {
	if a.State != state {
		a.State, a.StateChangedAt = state, now
	}
}

// Deletion of authorities.
const (
	MinDeletion = 7  // days
	MaxDeletion = 30 // days, and the default
)

// Update says what UpdateAuthority changes. A nil field stays as it is.
type Update struct {
	// State is Active or Disabled.
	State      *State
	Revocation *RevocationConfig
}

// UpdateAuthority enables or disables an authority, or changes how it
// publishes revocations. A disabled authority issues nothing; its
// certificates stay valid, can be revoked, and their status is published.
func (s *Service) UpdateAuthority(ctx context.Context, call *key.Call, idOrName string, u Update) (*Authority, error) {
	return s.change(ctx, call, &change{
		authority: idOrName, action: key.UpdateAuthority,
		check: func(v *guard.Visit, _ *authority) error {
			if u.State != nil {
				v.Note("state", string(*u.State))
			}
			return nil
		},
		edit: func(a *authority) error {
			if u.State != nil {
				if *u.State != Active && *u.State != Disabled {
					return fault.New(fault.InvalidArgument, "an authority is set to be %s or %s", Active, Disabled)
				}
				a.enter(*u.State, s.now().UTC())
			}
			if u.Revocation == nil {
				return nil
			}
			a.Revocation = *u.Revocation
			return a.Revocation.Check()
		},
	})
}

// DeleteAuthority puts an authority to rest for so many days (MinDeletion to
// MaxDeletion; 0 means MaxDeletion), in which RestoreAuthority brings it back;
// then the clock destroys it, and the key that it made for itself. An active
// authority has to be disabled first. Until it is destroyed, the status of its
// certificates is published: they are out there, and whoever checks them has
// to have an answer. Its name is free at once.
func (s *Service) DeleteAuthority(ctx context.Context, call *key.Call, idOrName string, days int) (*Authority, error) {
	if days == 0 {
		days = MaxDeletion
	}
	return s.change(ctx, call, &change{
		authority: idOrName, action: key.DeleteAuthority, attributes: &policy.Attributes{WaitDays: days},
		check: func(v *guard.Visit, _ *authority) error {
			v.NoteInt("days", days)
			return nil
		},
		edit: func(a *authority) error {
			if days < MinDeletion || days > MaxDeletion {
				return fault.New(fault.InvalidArgument, "a deleted authority can be restored for %d to %d days", MinDeletion, MaxDeletion)
			}
			now := s.now().UTC()
			a.before = a.State
			a.DeleteAt = now.AddDate(0, 0, days)
			a.enter(Deleted, now)
			return nil
		},
	})
}

// RestoreAuthority takes a deletion back. The authority is what it was, and
// has its name again unless another one has taken it meanwhile.
func (s *Service) RestoreAuthority(ctx context.Context, call *key.Call, idOrName string) (*Authority, error) {
	return s.change(ctx, call, &change{
		authority: idOrName, action: key.RestoreAuthority,
		edit: func(a *authority) error {
			a.enter(a.before, s.now().UTC())
			a.before, a.DeleteAt = "", time.Time{}
			return nil
		},
	})
}
