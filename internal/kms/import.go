package kms

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/importtoken"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/transfer"
)

// ImportParameters returns an RSA key of the spec under, made for this, to
// encrypt a key's material to in the way how, and the token that goes with it.
// Nothing of them is kept here. See docs/design/2026-11-22-imported-keys.md.
func (s *Service) ImportParameters(
	ctx context.Context, call *key.Call, ref Ref, how alg.Wrapping, under alg.Spec,
) (*ImportParameters, error) {
	const action = key.GetImportParameters
	return guard.Do(ctx, s.guard, call, action, func(v *guard.Visit) (*ImportParameters, error) {
		e, err := s.own(v, action, ref)
		if err != nil {
			return nil, err
		}
		attributes := &policy.Attributes{Alias: ref.Alias, Wrapping: how, WrappingSpec: under}
		if err := v.Authorize(target(e, action, attributes)); err != nil {
			return nil, err
		}
		if err := takesMaterial(e.Key); err != nil {
			return nil, at(e, err)
		}
		if err := s.state(e).Manage(action); err != nil {
			return nil, at(e, err)
		}
		if !transfer.Fits(e.Key.Spec, how, under) {
			return nil, at(e, fault.New(fault.InvalidArgument, "a key of spec %s does not travel by %s under a key of spec %s", e.Key.Spec, how, under))
		}
		if err := dry(call); err != nil {
			return nil, err
		}
		v.Note("wrapping", how.String())
		v.Note("wrapping-key", under.String())
		return s.importParameters(ctx, e.Key, how, under)
	})
}

// importParameters makes the RSA key and the token.
func (s *Service) importParameters(ctx context.Context, k *key.Key, how alg.Wrapping, under alg.Spec) (*ImportParameters, error) {
	t := &importtoken.Token{Expires: s.now().UTC().Add(ImportLife).Truncate(time.Second), Wrapping: how, Spec: under}
	_, _ = rand.Read(t.ID[:]) // never fails (crypto/rand.Read)
	m, err := s.engine.Generate(ctx, t.Ref(k.Name), engine.Kind{Spec: under, Usage: alg.KeyTransfer})
	if err != nil {
		return nil, err
	}
	t.Wrapped = m.Wrapped
	return &ImportParameters{Key: k, Public: m.Public, Token: t.Marshal(), Expires: t.Expires}, nil
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
		plain, m, err := s.receive(ctx, v, k, req)
		if err != nil {
			return err
		}
		defer clear(plain)
		if err := dry(call); err != nil {
			return err
		}
		id, err := s.materialID(ctx, k, plain, m.Public)
		if err != nil {
			return err
		}
		v.Note("material", id)
		result.Version, err = s.settle(ctx, k, c, req, id, plain)
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

// receive decrypts material that comes with a token. It is material of the
// default engine for a moment, which has checked it, and of which nothing is
// kept; the plain form is the caller's, who overwrites it.
func (s *Service) receive(
	ctx context.Context, v *guard.Visit, k *key.Key, req *ImportMaterialRequest,
) (plain []byte, m engine.Material, err error) {
	t, opened, err := s.redeem(ctx, k, req.Token)
	if err != nil {
		return nil, m, err
	}
	v.Note("wrapping", t.Wrapping.String())
	v.Note("wrapping-key", t.Spec.String())
	if !req.ExpiresAt.IsZero() {
		v.Note("expires", req.ExpiresAt.UTC().Format(time.RFC3339))
	}
	from, ok := s.engine.(engine.Exporter)
	if !ok || opened.Unwrapper == nil {
		return nil, m, fault.New(fault.Unsupported, "engine %s takes no material from elsewhere", s.engine.Name())
	}
	ref := t.Ref(k.Name)
	ref.Version++ // of the material, beside that of the RSA key
	m, err = opened.Unwrapper.Unwrap(ctx, ref, kindOf(k), t.Wrapping, req.Encrypted)
	if err != nil {
		return nil, m, s.attempts.failed(t, s.now(), unfit(err))
	}
	plain, err = from.Export(ctx, ref, k.Spec, m.Wrapped)
	return plain, m, err
}

// unfit says in the terms of an import that material is not what the key takes.
func unfit(err error) error {
	if f, ok := err.(*fault.Error); ok && f.Kind == fault.InvalidArgument && f.Reason == fault.Unspecified { //nolint:errorlint // only the fault itself
		f.Reason = fault.IncorrectMaterial
	}
	return err
}

// redeem opens the RSA key of a token.
func (s *Service) redeem(ctx context.Context, k *key.Key, token []byte) (*importtoken.Token, *engine.Key, error) {
	t, err := importtoken.Parse(token)
	if err != nil {
		return nil, nil, err
	}
	opened, err := s.engine.Open(ctx, t.Ref(k.Name), t.Spec, t.Wrapped)
	switch {
	case fault.KindOf(err) == fault.Unavailable:
		return nil, nil, err
	case err != nil: // changed, of another key, or of another server
		return nil, nil, importtoken.Invalid()
	case !s.now().Before(t.Expires):
		return nil, nil, fault.Because(fault.InvalidArgument, fault.ExpiredImportToken, "the import token has expired")
	case s.attempts.spent(t):
		return nil, nil, importtoken.Invalid()
	}
	return t, opened, nil
}

// settle puts material where it belongs: into the version that had it, into
// the first one, or beside them for a rotation.
func (s *Service) settle(
	ctx context.Context, k *key.Key, c *change, req *ImportMaterialRequest, id string, plain []byte,
) (key.Version, error) {
	v, err := s.versionFor(k, req, id)
	if err != nil {
		return key.Version{}, err
	}
	if v.Missing {
		in, err := s.engineOf(k)
		if err != nil {
			return key.Version{}, err
		}
		m, undo, err := s.supplied(ctx, k, v.Number, &supply{from: importing(plain), in: in})
		if err != nil {
			return key.Version{}, err
		}
		c.undo = undo
		c.store.Put = append(c.store.Put, catalogMaterial(v.Number, m))
		v.Public, v.Missing = m.Public, false
	}
	v.MaterialID, v.ExpiresAt = id, req.ExpiresAt.UTC()
	if req.ExpiresAt.IsZero() {
		v.ExpiresAt = time.Time{}
	}
	if req.Description != "" {
		v.Description = req.Description
	}
	if k.State == key.PendingImport && k.Complete() {
		return *v, moved(key.GainMaterial)(nil, k)
	}
	return *v, nil
}

// versionFor returns the version of a key that material with an id is for. One
// that has no material is Missing.
func (s *Service) versionFor(k *key.Key, req *ImportMaterialRequest, id string) (*key.Version, error) {
	incorrect := func(format string, args ...any) error {
		return fault.Because(fault.InvalidArgument, fault.IncorrectMaterial, format, args...)
	}
	if req.MaterialID != "" && req.MaterialID != id {
		return nil, incorrect("the material is not %s", req.MaterialID)
	}
	for i := range k.Versions {
		v := &k.Versions[i]
		switch {
		case v.MaterialID == "": // nothing was ever imported
			return v, nil
		case v.MaterialID == id && req.Rotate:
			return nil, incorrect("the material is not new to the key")
		case v.MaterialID == id:
			return v, nil
		}
	}
	switch {
	case k.Pending != nil && k.Pending.MaterialID == id:
		return k.Pending, nil
	case !req.Rotate:
		return nil, incorrect("the material is not one that the key had before")
	case k.Spec != alg.AES256:
		return nil, fault.New(fault.Unsupported, "a key of spec %s takes no new material", k.Spec)
	case k.Pending != nil:
		f := fault.Because(fault.WrongState, fault.MaterialPending, "other material waits for its rotation")
		f.Err = &key.MaterialConflict{New: id, Pending: k.Pending.MaterialID}
		return nil, f
	}
	k.Pending = &key.Version{Number: k.NextVersion(), CreatedAt: s.now().UTC(), Missing: true}
	return k.Pending, nil
}
