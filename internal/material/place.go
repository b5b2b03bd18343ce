package material

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Residence is where a key is, if its engine is over a service that keeps a
// state of each key itself (engine.Keeper).
type Residence struct {
	// Provider is the engine's name, "" for any other engine.
	Provider string
	// Name is what the service calls the current version, Condition how that was
	// when it was asked last; "" where it is not known.
	Name, Condition string
}

// Residence returns where a key is. It asks no service.
func (s *Engines) Residence(ctx context.Context, k *key.Key) Residence {
	in, err := s.Of(k)
	if err != nil || !kept(in) {
		return Residence{}
	}
	r := Residence{Provider: k.Engine}
	if e, ok := s.keys.Get(k.Name.ID); ok {
		r.Condition = e.Condition().String()
	}
	r.Name = s.nameOf(ctx, in, k)
	return r
}

// nameOf returns what a service calls the current version of a key, "" where
// that is not known.
func (s *Engines) nameOf(ctx context.Context, in engine.Engine, k *key.Key) string {
	namer, ok := in.(engine.Namer)
	n := k.Current()
	if !ok || n.Missing {
		return ""
	}
	wrapped, err := s.keys.Material(ctx, k.Name.ID, n.Number)
	if err != nil {
		return ""
	}
	name, err := namer.NameOf(RefOf(k, n.Number), k.Spec, wrapped)
	if err != nil {
		return ""
	}
	return name
}

// Named yields the keys of an engine with the names that its service has for
// their current versions.
func (s *Engines) Named(ctx context.Context, in engine.Engine) map[string]key.ID {
	all := map[string]key.ID{}
	s.keys.All(func(e *catalog.Entry) bool {
		if e.Key.Store == "" && e.Key.Engine == in.Name() {
			if name := s.nameOf(ctx, in, e.Key); name != "" {
				all[name] = e.Key.Name.ID
			}
		}
		return ctx.Err() == nil
	})
	return all
}

// Kept reports whether the engine of a name is over a service that keeps a
// state of each key itself.
func (s *Engines) Kept(name string) bool { return kept(s.named[name]) }

func kept(in engine.Engine) bool {
	_, ok := in.(engine.Keeper)
	return ok
}

// SetEnabled disables or enables a key in the service that has it: all of its
// versions, or none. Where there is no such service, or the key is somebody
// else's as well (key.External), it does nothing. A key that was deleted there is
// recovered before it is enabled. Undo takes it back.
func (s *Engines) SetEnabled(ctx context.Context, e *catalog.Entry, enabled bool) (undo func(), err error) {
	nothing := func() {}
	in, err := s.Of(e.Key)
	if err != nil {
		return nothing, nil //nolint:nilerr // what cannot be reached from here is not used from here
	}
	keeper, ok := in.(engine.Keeper)
	if !ok || e.Key.Origin == key.External {
		return nothing, nil
	}
	t := &turn{keeper: keeper, entry: e}
	undo = func() {
		if was := e.Key.State == key.Enabled; was != enabled {
			t.back(ctx, was)
		}
	}
	for _, v := range e.Key.Materials() {
		if v.Missing {
			continue
		}
		wrapped, err := s.keys.Material(ctx, e.Key.Name.ID, v.Number)
		if err == nil {
			err = t.set(ctx, v.Number, wrapped, enabled)
		}
		if err != nil {
			undo()
			return nothing, fmt.Errorf("version %d of the key in %s: %w", v.Number, in.Name(), err)
		}
	}
	return undo, nil
}

// turn is a key that is being disabled or enabled in its service.
type turn struct {
	keeper engine.Keeper
	entry  *catalog.Entry
	// done are the versions that are, or may be.
	done []catalog.Material
}

// set disables or enables one version.
func (t *turn) set(ctx context.Context, n key.VersionNumber, wrapped []byte, enabled bool) error {
	k := t.entry.Key
	ref := RefOf(k, n)
	is, err := t.keeper.Condition(ctx, ref, k.Spec, wrapped)
	if err != nil {
		return err
	}
	t.entry.Note(n, is)
	switch {
	case is != engine.Deleted && is != engine.Gone:
	case !enabled:
		return nil // it does nothing as it is
	case is == engine.Gone:
		return fault.Because(fault.WrongState, fault.KeyUnavailable, "the key is gone from %s", k.Engine)
	default:
		if err := t.keeper.Recover(ctx, ref, k.Spec, wrapped); err != nil {
			return err
		}
	}
	m := catalog.Material{Version: n, Wrapped: wrapped}
	err = t.keeper.SetEnabled(ctx, ref, k.Spec, wrapped, enabled)
	switch {
	case err != nil && fault.KindOf(err) == fault.Unsupported:
		return nil // the service has no such state: that of the record is the only one
	case err != nil && fault.KindOf(err) == fault.Unavailable:
		t.done = append(t.done, m) // perhaps: only the answer may be lost
		return err
	case err != nil:
		return err
	}
	t.done = append(t.done, m)
	t.entry.Note(n, conditionOf(enabled))
	return nil
}

func conditionOf(enabled bool) engine.Condition {
	if enabled {
		return engine.Usable
	}
	return engine.Disabled
}

// back takes back what set has done. That the caller has gone away does not
// keep it from that.
func (t *turn) back(ctx context.Context, enabled bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	k := t.entry.Key
	for _, m := range t.done {
		err := t.keeper.SetEnabled(ctx, RefOf(k, m.Version), k.Spec, m.Wrapped, enabled)
		if err != nil {
			slog.ErrorContext(ctx, "a key is not as its record says in the service that has it", slog.String("engine", k.Engine),
				slog.String("material", RefOf(k, m.Version).String()), slog.Bool("enabled", !enabled), slog.Any("cause", err))
			continue
		}
		t.entry.Note(m.Version, conditionOf(enabled))
	}
}
