package ca

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Tick does what the clock has to do with authorities: it destroys those that
// were deleted and whose time to be restored is over, and forgets idempotency
// tokens. The clock (package lifecycle) calls it every few seconds; more says
// that there is more to do at once. It returns all failures, joined.
func (s *Service) Tick(ctx context.Context) (more bool, err error) {
	var failures []error
	now := s.now()
	for _, a := range s.live.Load().byID {
		if a.State == Deleted && !a.DeleteAt.After(now) {
			if err := s.destroy(ctx, a.ID); err != nil {
				failures = append(failures, fmt.Errorf("destroying authority %s: %w", a.ID, err))
			}
		}
	}
	more, err = s.tokens.Tick(ctx)
	return more, errors.Join(append(failures, err)...)
}

// destroy ends a deleted authority: its record, its name, and its own key. The
// certificates that it issued stay in the inventory. The key's end comes
// first, and is left alone the second time, should the rest fail.
func (s *Service) destroy(ctx context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.live.Load().byID[id]
	if !ok || a.State != Deleted || a.DeleteAt.After(s.now()) {
		return nil // restored meanwhile
	}
	call := s.OwnCall(&a.Authority, "Destroy")
	_, err := guard.Do(ctx, s.guard, call, key.DeleteAuthority, func(v *guard.Visit) (none struct{}, err error) {
		v.Permit(a.Resource(), "the authority's own rule")
		if a.KeyOwned {
			if err := s.keys.EndEntrusted(ctx, call, grantee(a.ID), a.Key); err != nil {
				return none, err
			}
			v.Note("key", string(a.Key))
		}
		return none, v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error {
				return tx.Delete(store.Authorities, a.ID) // package status sees to the rows beside it
			})
		})
	})
	if err == nil {
		s.withdraw(id)
	}
	return err
}
