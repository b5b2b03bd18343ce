package kms

import (
	"bytes"
	"context"

	"github.com/holdfast-kms/holdfast/internal/alias"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/material"
	"github.com/holdfast-kms/holdfast/internal/operation"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// ImportKey makes a key of material that its owner brings, whole and at once.
// The key is enabled at once, its origin is key.Imported, and it does not
// rotate. The caller needs ImportKey. Material that is no sound key of the
// spec is an InvalidArgument.
func (s *Service) ImportKey(ctx context.Context, call *key.Call, req *ImportKeyRequest) (*key.Key, error) {
	return guard.Do(ctx, s.guard, call, key.ImportKey, func(v *guard.Visit) (*key.Key, error) {
		return s.create(ctx, v, s.bringing(req))
	})
}

// bringing returns what makes a key of material that is made already.
func (s *Service) bringing(req *ImportKeyRequest) *creation {
	c := &creation{CreateKeyRequest: &req.CreateKeyRequest, action: key.ImportKey, origin: key.Imported}
	bring := material.Importing(req.Material)
	c.Plain = req.Material
	c.From = func(ctx context.Context, in engine.Engine, ref engine.Ref, kind engine.Kind) (engine.Material, error) {
		m, err := bring(ctx, in, ref, kind)
		if err == nil && req.Public != nil && !bytes.Equal(m.Public, req.Public) {
			material.Discard(ctx, in, ref, m)
			return engine.Material{}, fault.Because(fault.InvalidArgument, fault.IncorrectKey, "the private key is not that of the public key")
		}
		return m, err
	}
	return c
}

// ExportKey returns the material of an exportable key's current version, for
// the caller to Wipe. The key must be enabled, and the caller needs ExportKey
// on it. See docs/design/2026-11-22-key-export.md.
func (s *Service) ExportKey(ctx context.Context, call *key.Call, ref Ref) (*ExportedKey, error) {
	return guard.Do(ctx, s.guard, call, key.ExportKey, func(v *guard.Visit) (*ExportedKey, error) {
		e, err := alias.Own(s.keys, v, key.ExportKey, ref)
		if err != nil {
			return nil, err
		}
		return s.export(ctx, v, e, ref.Alias)
	})
}

// export gives a key's material away if the call may have it.
func (s *Service) export(ctx context.Context, v *guard.Visit, e *catalog.Entry, alias string) (*ExportedKey, error) {
	in, wrapped, err := s.leave(ctx, v, e, alias)
	if err != nil {
		return nil, err
	}
	version := e.Key.Current()
	from, ok := in.(engine.Exporter)
	if !ok {
		return nil, e.At(fault.New(fault.Unsupported, "engine %s gives keys away only wrapped", in.Name()))
	}
	plain, err := from.Export(ctx, material.RefOf(e.Key, version.Number), e.Key.Spec, wrapped)
	if err != nil {
		return nil, err
	}
	return &ExportedKey{Key: e.Key, Version: version, Material: key.NewSecret(plain)}, nil
}

// leave asks whether a call may have a key's material, in whatever form, and
// returns the engine that has it and the current version's.
func (s *Service) leave(ctx context.Context, v *guard.Visit, e *catalog.Entry, alias string) (engine.Engine, []byte, error) {
	if err := v.Authorize(e.Target(key.ExportKey, &policy.Attributes{Alias: alias})); err != nil {
		return nil, nil, err
	}
	if err := s.usable(e); err != nil {
		return nil, nil, err
	}
	if !e.Key.Exportable {
		return nil, nil, e.At(fault.Because(fault.WrongState, fault.NotExportable, "the key was not made exportable"))
	}
	in, err := s.engines.Of(e.Key)
	if err != nil {
		return nil, nil, err
	}
	if err := operation.Dry(v.Call); err != nil {
		return nil, nil, err
	}
	version := e.Key.Current()
	v.Note("spec", e.Key.Spec.String())
	v.NoteInt("version", int(version.Number))
	wrapped, err := s.keys.Material(ctx, e.Key.Name.ID, version.Number)
	return in, wrapped, err
}
