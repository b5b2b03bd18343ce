package kms

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/alias"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/material"
	"github.com/holdfast-kms/holdfast/internal/operation"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// ImportParameters returns an RSA key of the spec under, made for this, to
// encrypt a key's material to in the way how, and the token that goes with it.
// Nothing of them is kept here. See docs/design/2026-11-22-imported-keys.md.
func (s *Service) ImportParameters(
	ctx context.Context, call *key.Call, ref Ref, how alg.Wrapping, under alg.Spec,
) (*ImportParameters, error) {
	const action = key.GetImportParameters
	return guard.Do(ctx, s.guard, call, action, func(v *guard.Visit) (*ImportParameters, error) {
		e, err := alias.Own(s.keys, v, action, ref)
		if err != nil {
			return nil, err
		}
		attributes := &policy.Attributes{Alias: ref.Alias, Wrapping: how, WrappingSpec: under}
		if err := v.Authorize(e.Target(action, attributes)); err != nil {
			return nil, err
		}
		if err := takesMaterial(e.Key); err != nil {
			return nil, e.At(err)
		}
		if err := s.state(e).Manage(action); err != nil {
			return nil, e.At(err)
		}
		if err := operation.Dry(call); err != nil {
			return nil, err
		}
		v.Note("wrapping", how.String())
		v.Note("wrapping-key", under.String())
		p, err := s.engines.Parameters(ctx, e.Key, how, under)
		if err != nil {
			return nil, e.At(err)
		}
		return &ImportParameters{Key: e.Key, Parameters: *p}, nil
	})
}

// takesMaterial refuses keys whose material is not brought by their owners.
func takesMaterial(k *key.Key) error {
	if k.Origin == key.Imported {
		return nil
	}
	return fault.Because(fault.WrongState, fault.OriginForbids, "the key's origin is %s: it takes no material from elsewhere", k.Origin)
}

// ImportMaterial brings the material of a key whose origin is key.Imported:
// its first one, the one that it had before, or, with Rotate, a new one for the
// next rotation. A key that misses no material then is enabled. It is stored
// whole or not at all.
func (s *Service) ImportMaterial(ctx context.Context, call *key.Call, req *ImportMaterialRequest) (*MaterialResult, error) {
	result := &MaterialResult{}
	c := &change{
		ref: req.Key, action: key.ImportKeyMaterial,
		attributes: policy.Attributes{Expiry: &policy.Expiry{At: req.ExpiresAt}},
	}
	c.edit = func(v *guard.Visit, k *key.Key) (err error) {
		if err := s.checkImport(k, req); err != nil {
			return err
		}
		a, err := s.engines.Receive(ctx, k, req.Token, req.Encrypted)
		if err != nil {
			return err
		}
		defer a.Wipe()
		noteArrival(v, a, req)
		if err := operation.Dry(call); err != nil {
			return err
		}
		result.Version, err = s.settle(ctx, k, c, req, a)
		return err
	}
	k, err := s.change(ctx, call, c)
	if err != nil {
		return nil, err
	}
	result.Key = k
	return result, nil
}

// checkImport checks a request as far as it goes without the material.
func (s *Service) checkImport(k *key.Key, req *ImportMaterialRequest) error {
	if err := takesMaterial(k); err != nil {
		return err
	}
	if !req.ExpiresAt.IsZero() && !req.ExpiresAt.After(s.now()) {
		return fault.New(fault.InvalidArgument, "the material would be expired at once")
	}
	return checkText("the description of the material", req.Description, MaxMaterialText)
}

// noteArrival records what came, and how.
func noteArrival(v *guard.Visit, a *material.Arrival, req *ImportMaterialRequest) {
	v.Note("material", a.ID)
	v.Note("wrapping", a.Wrapping.String())
	v.Note("wrapping-key", a.Under.String())
	if !req.ExpiresAt.IsZero() {
		v.Note("expires", req.ExpiresAt.UTC().Format(time.RFC3339))
	}
}

// settle puts what arrived where it belongs. Material that is there already is
// the same, so that only what is said of it changes.
func (s *Service) settle(
	ctx context.Context, k *key.Key, c *change, req *ImportMaterialRequest, a *material.Arrival,
) (key.Version, error) {
	v, err := material.VersionFor(k, material.Wish{ID: req.MaterialID, New: req.Rotate}, a.ID, s.now().UTC())
	if err != nil {
		return key.Version{}, err
	}
	if v.Missing {
		in, err := s.engines.Of(k)
		if err != nil {
			return key.Version{}, err
		}
		m, undo, err := s.engines.Make(ctx, k, v.Number, &material.Supply{From: a.Source(), In: in})
		if err != nil {
			return key.Version{}, err
		}
		c.undo = undo
		c.store.Put = append(c.store.Put, material.Stored(v.Number, m))
		v.Public, v.Missing = m.Public, false
	}
	v.MaterialID, v.ExpiresAt = a.ID, req.ExpiresAt
	if !req.ExpiresAt.IsZero() {
		v.ExpiresAt = req.ExpiresAt.UTC()
	}
	if req.Description != "" {
		v.Description = req.Description
	}
	settled := *v
	if k.State == key.PendingImport && k.Complete() {
		return settled, moved(key.GainMaterial)(nil, k)
	}
	return settled, nil
}
