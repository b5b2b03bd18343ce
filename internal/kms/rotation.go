package kms

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/alias"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/material"
	"github.com/holdfast-kms/holdfast/internal/operation"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/succession"
)

// EnableRotation has the clock give a symmetric key new material every so
// many days (MinRotation to MaxRotation; 0 keeps the key's period, at first
// DefaultRotate). Old material keeps decrypting; the key's id stays.
func (s *Service) EnableRotation(ctx context.Context, call *key.Call, ref Ref, days int) error {
	_, err := s.change(ctx, call, &change{
		ref: ref, action: key.EnableKeyRotation, attributes: policy.Attributes{PeriodDays: days}, inUse: true,
		edit: func(v *guard.Visit, k *key.Key) error {
			if err := rotates(k, true); err != nil {
				return err
			}
			if days == 0 {
				days = periodOf(k)
			}
			if days < MinRotation || days > MaxRotation {
				return fault.New(fault.InvalidArgument, "the rotation period must be %d to %d days", MinRotation, MaxRotation)
			}
			v.NoteInt("days", days)
			if k.Rotation.Enabled && k.Rotation.PeriodDays == days {
				return nil
			}
			k.Rotation.Enabled, k.Rotation.PeriodDays = true, days
			k.Rotation.Next = daysFrom(s.now().UTC(), days)
			return nil
		},
	})
	return err
}

// DisableRotation stops the rotation by the clock.
func (s *Service) DisableRotation(ctx context.Context, call *key.Call, ref Ref) error {
	_, err := s.change(ctx, call, &change{
		ref: ref, action: key.DisableKeyRotation, inUse: true,
		edit: func(_ *guard.Visit, k *key.Key) error {
			if err := rotates(k, true); err != nil {
				return err
			}
			k.Rotation.Enabled, k.Rotation.Next = false, time.Time{}
			return nil
		},
	})
	return err
}

// RotationStatus returns a key with its rotation rule: its own, or else what a
// rule of its realm comes to for it.
func (s *Service) RotationStatus(ctx context.Context, call *key.Call, ref Ref) (*key.Key, error) {
	k, err := s.read(ctx, call, ref, key.GetKeyRotationStatus)
	if err != nil {
		return k, err
	}
	return s.withRules(ctx, k)
}

// withRules returns a key with what a rule of its realm comes to for it, if it
// has none of its own.
func (s *Service) withRules(ctx context.Context, k *key.Key) (*key.Key, error) {
	if s.ruled == nil || k.Rotation.Enabled {
		return k, nil
	}
	r, err := s.ruled(ctx, k)
	if err != nil || !r.Enabled {
		return k, err
	}
	k = k.Clone()
	k.Rotation = r
	return k, nil
}

// FollowRules has RotationStatus tell of rules, too. It is for before the
// Service is used.
func (s *Service) FollowRules(of func(context.Context, *key.Key) (key.Rotation, error)) { s.ruled = of }

// RotateOnDemand gives a symmetric key new material now, at most MaxOnDemand
// times in its life. The rotation by the clock goes on as planned.
func (s *Service) RotateOnDemand(ctx context.Context, call *key.Call, ref Ref) (*key.Key, error) {
	c := &change{
		ref: ref, action: key.RotateKeyOnDemand, inUse: true,
	}
	c.edit = func(v *guard.Visit, k *key.Key) (err error) {
		if err := rotates(k, false); err != nil {
			return err
		}
		if k.Rotation.OnDemandCount >= MaxOnDemand {
			return fault.Because(fault.LimitExceeded, fault.TooManyRotations,
				"the key was rotated on demand %d times, which is the limit", MaxOnDemand)
		}
		if err := operation.Dry(call); err != nil {
			return err
		}
		k.Rotation.OnDemandCount++
		if k.Origin == key.Imported {
			err = material.Promote(k, s.now().UTC())
		} else {
			c.store.Put, c.undo, err = s.renew(ctx, k, key.OnDemand)
		}
		if err == nil {
			c.store.Events, err = succession.Rotated(ctx, s.keys, k, "")
		}
		v.NoteInt("version", len(k.Versions))
		return err
	}
	return s.change(ctx, call, c)
}

// renew gives a key new material of its engine.
func (s *Service) renew(ctx context.Context, k *key.Key, cause key.RotationCause) ([]catalog.Material, func(), error) {
	in, err := s.engines.Of(k)
	if err != nil {
		return nil, nil, err
	}
	return s.engines.AddVersion(ctx, k, &material.Supply{From: material.Generate, In: in, Cause: cause})
}

// ListRotations returns a key and a page of the versions that rotations made,
// oldest first. After is a version number in decimal.
func (s *Service) ListRotations(ctx context.Context, call *key.Call, ref Ref, page Page) (*key.Key, []key.Version, string, error) {
	return s.listVersions(ctx, call, ref, page, func(k *key.Key) []key.Version { return k.Versions[1:] })
}

// ListMaterials is ListRotations for all materials of a key: the first one,
// and the one that waits for a rotation, as well. Key.MaterialState says what
// each is for.
func (s *Service) ListMaterials(ctx context.Context, call *key.Call, ref Ref, page Page) (*key.Key, []key.Version, string, error) {
	return s.listVersions(ctx, call, ref, page, (*key.Key).Materials)
}

// listVersions returns a key and a page of some of its versions.
func (s *Service) listVersions(
	ctx context.Context, call *key.Call, ref Ref, page Page, of func(*key.Key) []key.Version,
) (*key.Key, []key.Version, string, error) {
	type result struct {
		key     *key.Key
		rotated []key.Version
		next    string
	}
	r, err := guard.Do(ctx, s.guard, call, key.ListKeyRotations, func(v *guard.Visit) (r result, err error) {
		e, err := alias.Own(s.keys, v, key.ListKeyRotations, ref)
		if err != nil {
			return r, err
		}
		if err := v.Authorize(e.Target(key.ListKeyRotations, &policy.Attributes{Alias: ref.Alias})); err != nil {
			return r, err
		}
		if err := rotates(e.Key, false); err != nil {
			return r, err
		}
		r.key = s.seen(e)
		r.rotated, r.next, err = versions(of(r.key), page)
		return r, err
	})
	return r.key, r.rotated, r.next, err
}

// versions returns a page of a list of versions.
func versions(all []key.Version, page Page) (some []key.Version, next string, err error) {
	if page.After != "" {
		after, err := strconv.Atoi(page.After)
		i := slices.IndexFunc(all, func(v key.Version) bool { return int(v.Number) == after })
		if err != nil || i < 0 {
			return nil, "", fault.Because(fault.InvalidArgument, fault.MalformedMarker, "not a marker of this listing")
		}
		all = all[i+1:]
	}
	if len(all) <= page.Limit {
		return all, "", nil
	}
	return all[:page.Limit], strconv.Itoa(int(all[page.Limit-1].Number)), nil
}

// rotates refuses keys that get no new material: only symmetric encryption
// keys do, outside of key stores: the ciphertexts of a raw one do not say which
// version made them. By the clock, only those that an engine makes
// material for.
func rotates(k *key.Key, byClock bool) error {
	if k.Spec != alg.AES256 || k.Usage == alg.RawEncryptDecrypt || k.Origin == key.External || k.Store != "" {
		return &fault.Error{
			Kind: fault.Unsupported, Resource: k.Name.String(), Public: "a key of spec " + k.Spec.String() + " for " + k.Usage.String() + " does not rotate",
		}
	}
	if byClock && k.Origin != key.Generated {
		return fault.Because(fault.WrongState, fault.OriginForbids, "the key's origin is %s: it has no material of its own to rotate to", k.Origin)
	}
	return nil
}

func periodOf(k *key.Key) int {
	if k.Rotation.PeriodDays != 0 {
		return k.Rotation.PeriodDays
	}
	return DefaultRotate
}
