package secret

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// DeleteRequest ends a secret.
type DeleteRequest struct {
	Secret Ref
	// Days is how long the secret can be restored, MaxRecovery when 0.
	Days int
	// Force destroys it at once. Days is 0 then. A secret that is not there is no
	// error.
	Force bool
}

// Deleted is a secret that is deleted, and when it is gone.
type Deleted struct {
	// Secret is nil for one that was not there.
	*Secret
	At time.Time
}

// Delete has a secret destroyed by the clock, or destroys it at once. Until
// then its values are not to be had, and Restore takes the deletion back. The
// caller needs DeleteSecret on it.
func (s *Service) Delete(ctx context.Context, call *key.Call, req *DeleteRequest) (*Deleted, error) {
	days := req.Days
	if days == 0 && !req.Force {
		days = MaxRecovery
	}
	a := &policy.Attributes{WaitDays: days, Secret: &policy.Secret{Forced: req.Force}}
	return guard.Do(ctx, s.Guard, call, key.DeleteSecret, func(v *guard.Visit) (*Deleted, error) {
		x, unlock, err := s.visitLocked(ctx, v, key.DeleteSecret, req.Secret, a)
		defer unlock()
		if req.Force && fault.KindOf(err) == fault.NotFound && err != nil {
			return &Deleted{At: s.Now().UTC()}, nil
		}
		if err != nil {
			return nil, err
		}
		if !req.Force && (days < MinRecovery || days > MaxRecovery) || req.Force && days != 0 {
			return nil, fault.New(fault.InvalidArgument, "a deleted secret is kept for %d to %d days, or, by force, not at all", MinRecovery, MaxRecovery)
		}
		if x.deleted() && !req.Force {
			return nil, x.refuseDeleted()
		}
		if err := dry(call); err != nil {
			return nil, err
		}
		now := s.Now().UTC()
		if req.Force {
			v.Note("force", "true")
			return &Deleted{x, now}, v.Commit(ctx, func() error { return s.destroy(ctx, x) })
		}
		v.NoteInt("days", days)
		next := x.clone()
		next.DeletedAt, next.DeleteAt = now, now.AddDate(0, 0, days)
		return &Deleted{next, next.DeleteAt}, s.put(ctx, v, next, nil)
	})
}

// Restore takes a deletion back. A secret that is not deleted is left as it
// is. The caller needs RestoreSecret on it.
func (s *Service) Restore(ctx context.Context, call *key.Call, ref Ref) (*Secret, error) {
	return s.change(ctx, call, &change{
		ref: ref, action: key.RestoreSecret, deleted: true,
		edit: func(_ *guard.Visit, x *Secret) error {
			x.DeletedAt, x.DeleteAt = time.Time{}, time.Time{}
			return nil
		},
	})
}

// destroy removes a secret and its values, unless it was changed meanwhile.
func (s *Service) destroy(ctx context.Context, x *Secret) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		have, err := s.read(tx, x.Realm, x.Region, x.Name)
		if err != nil {
			return err
		}
		if have == nil || have.Suffix != x.Suffix || have.deleted() != x.deleted() {
			return fault.New(fault.Conflict, "the secret was changed meanwhile")
		}
		var rows []string
		for row, err := range tx.Scan(store.SecretVersions, store.Query{Column: "secret", Equal: x.versions()}) {
			if err != nil {
				return err
			}
			rows = append(rows, row.ID)
		}
		for _, id := range rows {
			if err := tx.Delete(store.SecretVersions, id); err != nil {
				return err
			}
		}
		return tx.Delete(store.Secrets, x.row())
	})
}

// dueBatch is how many secrets one Tick destroys at most, so that a tick is
// short.
const dueBatch = 100

// Tick destroys secrets whose recovery window is over; more says that there
// are more.
func (s *Service) Tick(ctx context.Context) (more bool, err error) {
	var due []*Secret
	err = s.Store.View(ctx, func(r store.Reader) error {
		q := store.Query{Column: "due", From: "0", To: s.Now().Add(1).UTC().Format(store.TimeFormat), Limit: dueBatch}
		for row, err := range r.Scan(store.Secrets, q) {
			if err != nil {
				return err
			}
			x, err := readSecret(row)
			if err != nil {
				return err
			}
			due = append(due, x)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	var failures []error
	for _, x := range due {
		if err := s.end(ctx, x); err != nil {
			failures = append(failures, fmt.Errorf("destroying secret %s by the clock: %w", x.row(), err))
		}
	}
	return len(due) == dueBatch && len(failures) == 0, errors.Join(failures...)
}

// end destroys a secret that is due.
func (s *Service) end(ctx context.Context, x *Secret) error {
	call := guard.OwnCall(x.Realm, x.Region, guard.Lifecycle, "Destroy", s.Now())
	_, err := guard.Do(ctx, s.Guard, call, key.DeleteSecret, func(v *guard.Visit) (none struct{}, err error) {
		defer s.lock(x.row())()
		v.Permit(x.Resource(), "the secret's own rule")
		return none, v.Commit(ctx, func() error { return s.destroy(ctx, x) })
	})
	return err
}
