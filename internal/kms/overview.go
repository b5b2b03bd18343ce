package kms

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/alias"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Overview is a key as an overview of all shows it.
type Overview struct {
	// Key has the rotation that a rule gives it, where it has none of its own.
	Key *key.Key
	// Name is the key's first alias, or its id.
	Name string
	// Target has what decides on the key: its policy and its grants. Its Action
	// is key.DescribeKey.
	Target guard.Target
}

// Each calls f for each key of the realm of a visit's caller, in all regions
// and in no order, which the caller may describe, and returns how many others
// there are. The visit authorises itself and is recorded as one call. An error
// of f ends it.
func (s *Service) Each(ctx context.Context, v *guard.Visit, f func(*Overview) error) (hidden int, err error) {
	for e := range s.keys.All {
		if e.Key.Name.Realm != v.Call.Caller.Principal.Realm {
			continue
		}
		if err := ctx.Err(); err != nil {
			return hidden, err
		}
		t := e.Target(key.DescribeKey, nil)
		if !v.May(t) {
			hidden++
			continue
		}
		k, err := s.withRules(ctx, s.seen(e))
		if err != nil {
			return hidden, err
		}
		name, err := alias.Called(ctx, s.keys, k)
		if err == nil {
			err = f(&Overview{k, name, t})
		}
		if err != nil {
			return hidden, err
		}
	}
	return hidden, nil
}
