package kms

import (
	"context"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/material"
)

// DeleteMaterial ends imported material of a key: that of an id, or, where id
// is empty, that of the current version. The key cannot be used until the same
// material is imported again; material that waits for a rotation goes for good.
// What is gone already is no error.
func (s *Service) DeleteMaterial(ctx context.Context, call *key.Call, ref Ref, id string) (*MaterialResult, error) {
	result := &MaterialResult{}
	c := &change{ref: ref, action: key.DeleteKeyMaterial}
	c.edit = func(v *guard.Visit, k *key.Key) error {
		if err := takesMaterial(k); err != nil {
			return err
		}
		if id == "" {
			id = k.Current().MaterialID
		}
		versions := k.Materials()
		i := slices.IndexFunc(versions, func(v key.Version) bool { return v.MaterialID == id })
		if i < 0 {
			return fault.New(fault.NotFound, "the key has no material %s", id)
		}
		v.Note("material", id)
		result.Version = versions[i]
		return s.lose(ctx, k, c, versions[i:i+1])
	}
	k, err := s.change(ctx, call, c)
	if err != nil {
		return nil, err
	}
	result.Key = k
	return result, nil
}

// lose takes the material of some versions from a key, in its engine first.
func (s *Service) lose(ctx context.Context, k *key.Key, c *change, lost []key.Version) error {
	lost = slices.DeleteFunc(slices.Clone(lost), func(v key.Version) bool { return v.Missing })
	if len(lost) == 0 {
		return nil
	}
	for _, v := range lost {
		c.store.Lost = append(c.store.Lost, v.Number)
	}
	c.before = func() error { return s.engines.End(ctx, k, lost) }
	return material.Lose(k, lost)
}

// expire forgets the material of a key whose time is over.
func (s *Service) expire(ctx context.Context, v *guard.Visit, e *catalog.Entry) error {
	c := &change{}
	k := e.Key.Clone()
	lost := material.Expired(k, s.now())
	for _, version := range lost {
		v.Note("material", version.MaterialID)
	}
	if err := s.lose(ctx, k, c, lost); err != nil {
		return err
	}
	c.store.Key = k
	return s.publish(ctx, v, e, c)
}
