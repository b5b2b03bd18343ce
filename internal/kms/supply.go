package kms

import (
	"context"
	"log/slog"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/weakkey"
)

// supply says where the material of a new version comes from.
type supply struct {
	from source
	// in is the engine that is to have it.
	in engine.Engine
	// cause is why there is a new version.
	cause key.RotationCause
	// plain is what is brought, where it comes to be seen.
	plain []byte
}

// source makes material in an engine.
type source func(ctx context.Context, in engine.Engine, ref engine.Ref, kind engine.Kind) (engine.Material, error)

// generate is the source of new material.
func generate(ctx context.Context, in engine.Engine, ref engine.Ref, kind engine.Kind) (engine.Material, error) {
	return in.Generate(ctx, ref, kind)
}

// importing returns the source of plain material.
func importing(plain []byte) source {
	return func(ctx context.Context, in engine.Engine, ref engine.Ref, kind engine.Kind) (engine.Material, error) {
		importer, ok := in.(engine.Importer)
		if !ok || !importer.Imports(kind.Spec) {
			return engine.Material{}, fault.New(fault.Unsupported, "engine %s takes no material of spec %s", in.Name(), kind.Spec)
		}
		return importer.Import(ctx, ref, kind, plain)
	}
}

func imports(in engine.Engine, spec alg.Spec) bool {
	e, ok := in.(engine.Importer)
	return ok && e.Imports(spec)
}

// exports reports whether an engine can give material of a spec away.
func exports(from engine.Engine, spec alg.Spec) bool {
	if e, ok := from.(engine.Exporter); ok && e.Exports(spec) {
		return true
	}
	_, wrapped := from.(engine.WrapExporter)
	return wrapped
}

// addVersion gives a key a new version. If the key is not stored with it
// after all, undo ends the material.
func (s *Service) addVersion(ctx context.Context, k *key.Key, from *supply) (put []catalog.Material, undo func(), err error) {
	v := key.Version{
		Number: k.NextVersion(), CreatedAt: s.now().UTC(), RotatedBy: from.cause,
	}
	m, undo, err := s.supplied(ctx, k, v.Number, from)
	if err != nil {
		return nil, nil, err
	}
	v.Public, v.MaterialID = m.Public, randomMaterialID()
	if from.plain != nil {
		if v.MaterialID, err = s.materialID(ctx, k, from.plain, m.Public); err != nil {
			undo()
			return nil, nil, err
		}
	}
	k.Versions = append(k.Versions, v)
	return []catalog.Material{catalogMaterial(v.Number, m)}, undo, nil
}

func catalogMaterial(n key.VersionNumber, m engine.Material) catalog.Material {
	return catalog.Material{Version: n, Wrapped: m.Wrapped}
}

// supplied makes the material of a version. What was made elsewhere may be a
// weak key.
func (s *Service) supplied(
	ctx context.Context, k *key.Key, n key.VersionNumber, from *supply,
) (m engine.Material, undo func(), err error) {
	ref := refOf(k, n)
	if m, err = from.from(ctx, from.in, ref, kindOf(k)); err != nil {
		return m, nil, err
	}
	undo = func() { discard(ctx, from.in, ref, m) }
	if k.Origin != key.Generated && m.Public != nil {
		if err = sound(k.Spec, m.Public); err != nil {
			undo()
			return m, nil, err
		}
	}
	return m, undo, nil
}

// sound refuses the public half of a weak key.
func sound(spec alg.Spec, spki []byte) error {
	p, err := engine.ParsePublic(spec, spki)
	if err != nil {
		return err
	}
	return weakkey.Check(p, nil)
}

// discardTimeout bounds the removal of material that was made in vain.
const discardTimeout = 10 * time.Second

// discard ends material that no record names. That the caller has gone away
// does not keep it from that.
func discard(ctx context.Context, from engine.Engine, ref engine.Ref, m engine.Material) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	if err := from.Destroy(ctx, ref, m.Wrapped); err != nil {
		slog.ErrorContext(ctx, "key material that no record names is still in its engine",
			slog.String("engine", from.Name()), slog.String("material", ref.String()), slog.Any("cause", err))
	}
}
