package material

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/weakkey"
)

// Supply says where the material of a new version comes from.
type Supply struct {
	From Source
	// In is the engine that is to have it.
	In engine.Engine
	// Cause is why there is a new version.
	Cause key.RotationCause
	// Plain is what is brought, where it comes to be seen.
	Plain []byte
}

// Source makes material in an engine.
type Source func(ctx context.Context, in engine.Engine, ref engine.Ref, kind engine.Kind) (engine.Material, error)

// Generate is the source of new material.
func Generate(ctx context.Context, in engine.Engine, ref engine.Ref, kind engine.Kind) (engine.Material, error) {
	return in.Generate(ctx, ref, kind)
}

// Importing returns the source of plain material.
func Importing(plain []byte) Source {
	return func(ctx context.Context, in engine.Engine, ref engine.Ref, kind engine.Kind) (engine.Material, error) {
		importer, ok := in.(engine.Importer)
		if !ok || !importer.Imports(kind.Spec) {
			return engine.Material{}, fault.New(fault.Unsupported, "engine %s takes no material of spec %s", in.Name(), kind.Spec)
		}
		return importer.Import(ctx, ref, kind, plain)
	}
}

// Imports reports whether an engine takes material of a spec.
func Imports(in engine.Engine, spec alg.Spec) bool {
	e, ok := in.(engine.Importer)
	return ok && e.Imports(spec)
}

// Exports reports whether an engine can give material of a spec away, be it
// only encrypted.
func Exports(from engine.Engine, spec alg.Spec) bool {
	if e, ok := from.(engine.Exporter); ok && e.Exports(spec) {
		return true
	}
	_, wrapped := from.(engine.WrapExporter)
	return wrapped
}

// AddVersion gives a key a new version. If the key is not stored with it
// after all, undo ends the material.
func (s *Engines) AddVersion(ctx context.Context, k *key.Key, from *Supply) (put []catalog.Material, undo func(), err error) {
	v := key.Version{
		Number: k.NextVersion(), CreatedAt: s.now().UTC(), RotatedBy: from.Cause,
	}
	m, undo, err := s.Make(ctx, k, v.Number, from)
	if err != nil {
		return nil, nil, err
	}
	v.Public, v.MaterialID = m.Public, randomID()
	if from.Plain != nil {
		if v.MaterialID, err = s.ID(ctx, k, from.Plain, m.Public); err != nil {
			undo()
			return nil, nil, err
		}
	}
	k.Versions = append(k.Versions, v)
	return []catalog.Material{Stored(v.Number, m)}, undo, nil
}

// Stored returns material as it is stored of a version.
func Stored(n key.VersionNumber, m engine.Material) catalog.Material {
	return catalog.Material{Version: n, Wrapped: m.Wrapped}
}

// Make makes the material of a version. What was made elsewhere may be a
// weak key.
func (s *Engines) Make(
	ctx context.Context, k *key.Key, n key.VersionNumber, from *Supply,
) (m engine.Material, undo func(), err error) {
	ref := RefOf(k, n)
	if m, err = from.From(ctx, from.In, ref, KindOf(k)); err != nil {
		return m, nil, err
	}
	undo = func() { Discard(ctx, from.In, ref, m) }
	if k.Origin != key.Generated && m.Public != nil {
		if err = sound(k.Spec, m.Public); err != nil {
			undo()
			return m, nil, err
		}
	}
	return m, undo, nil
}

// randomID returns a new id for a version's material.
func randomID() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand.Read)
	return hex.EncodeToString(b[:])
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

// Discard ends material that no record names. That the caller has gone away
// does not keep it from that.
func Discard(ctx context.Context, from engine.Engine, ref engine.Ref, m engine.Material) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	if err := from.Destroy(ctx, ref, m.Wrapped); err != nil {
		slog.ErrorContext(ctx, "key material that no record names is still in its engine",
			slog.String("engine", from.Name()), slog.String("material", ref.String()), slog.Any("cause", err))
	}
}
