package material

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Config is what Engines stand on.
type Config struct {
	Keys *catalog.Catalog
	// Default has the keys that are to be in no other engine, and makes the keys
	// that material is encrypted under on its way in. Its material exists only
	// as what it gives to be kept (engine/soft).
	Default engine.Engine
	// Others are found by their names; may be empty.
	Others []engine.Engine
	// Stores are the custom key stores; nil for none.
	Stores Stores
	// Mirror is how old the state that is known of a key in a service gets; 0
	// means DefaultMirror.
	Mirror time.Duration
	// Now is the clock.
	Now func() time.Time
}

// Stores are custom key stores: places for keys that come and go while the
// server runs.
type Stores interface {
	// Engine returns the engine of a store that is connected. One that is not is
	// a WrongState error with the reason KeyStoreDisconnected, one that the realm
	// has not in the region is NotFound with NoSuchKeyStore. It does no I/O. As
	// long as the store stays connected, the engine is the same.
	Engine(realm key.RealmID, region, store string) (engine.Engine, error)
}

// Engines are all the engines of a server, and the material in them. All
// methods may be called at the same time. Errors are *fault.Error.
type Engines struct {
	keys     *catalog.Catalog
	first    engine.Engine
	named    map[string]engine.Engine // with the first one
	stores   Stores
	mirrors  []*mirror // of the engines that are Keepers
	now      func() time.Time
	attempts attempts

	mirrorEvery time.Duration
}

// New returns the engines of a configuration.
func New(c Config) *Engines {
	s := &Engines{keys: c.Keys, first: c.Default, named: map[string]engine.Engine{}, stores: c.Stores, now: c.Now}
	s.mirrorEvery = cmp.Or(c.Mirror, DefaultMirror)
	if c.Default != nil {
		s.named[c.Default.Name()] = c.Default
	}
	for _, e := range c.Others {
		s.named[e.Name()] = e
		if keeper, ok := e.(engine.Keeper); ok {
			s.mirrors = append(s.mirrors, &mirror{in: e, keeper: keeper})
		}
	}
	return s
}

// Default returns the engine of keys that are to be in no other.
func (s *Engines) Default() engine.Engine { return s.first }

// Of returns the engine that has a key.
func (s *Engines) Of(k *key.Key) (engine.Engine, error) {
	if k.Store != "" {
		return s.ofStore(k.Name.Realm, k.Name.Region, k.Store)
	}
	if e, ok := s.named[k.Engine]; ok {
		return e, nil
	}
	return nil, &fault.Error{
		Kind: fault.Unavailable, Resource: k.Name.String(), Public: "the engine " + k.Engine + ", which has the key, is not configured",
	}
}

func (s *Engines) ofStore(realm key.RealmID, region, id string) (engine.Engine, error) {
	if s.stores == nil {
		return nil, fault.Because(fault.NotFound, fault.NoSuchKeyStore, "there is no key store %s", id)
	}
	return s.stores.Engine(realm, region, id)
}

// Place is where a new key is to be: in an engine by its name, in a custom key
// store, or, with neither, in the default engine.
type Place struct {
	Realm         key.RealmID
	Region        string
	Engine, Store string
}

// At returns the engine of a place.
func (s *Engines) At(p Place) (engine.Engine, error) {
	switch {
	case p.Store != "" && p.Engine != "":
		return nil, fault.New(fault.InvalidArgument, "a key lives in a key store or in an engine of the server, not in both")
	case p.Store != "":
		return s.ofStore(p.Realm, p.Region, p.Store)
	case p.Engine == "":
		return s.first, nil
	}
	if e, ok := s.named[p.Engine]; ok {
		return e, nil
	}
	return nil, fault.New(fault.InvalidArgument, "there is no engine %q", p.Engine)
}

// Missing returns how many keys are in each engine that is not configured.
func (s *Engines) Missing() map[string]int {
	missing := map[string]int{}
	s.keys.All(func(e *catalog.Entry) bool {
		if e.Key.Store == "" && s.named[e.Key.Engine] == nil {
			missing[e.Key.Engine]++
		}
		return true
	})
	return missing
}

// Open returns the opened key of a version, from memory or by its engine.
func (s *Engines) Open(ctx context.Context, e *catalog.Entry, n key.VersionNumber) (*engine.Key, error) {
	if e.Key.Store == "" { // a key store has another engine each time it is connected
		if k := e.Opened(n, nil); k != nil {
			return k, nil
		}
	}
	from, err := s.Of(e.Key)
	if err != nil {
		return nil, err
	}
	if k := e.Opened(n, from); k != nil {
		return k, nil
	}
	wrapped, err := s.keys.Material(ctx, e.Key.Name.ID, n)
	if err != nil {
		return nil, err
	}
	k, err := from.Open(ctx, RefOf(e.Key, n), e.Key.Spec, wrapped)
	if err != nil {
		return nil, fmt.Errorf("opening version %d of key %s: %w", n, e.Key.Name.ID, err)
	}
	s.keys.Keep(e, n, k, from)
	return k, nil
}

// End ends the material of some versions of a key. The record goes after it:
// whatever happens in between, a later try ends both.
func (s *Engines) End(ctx context.Context, k *key.Key, versions []key.Version) error {
	in, err := s.Of(k)
	if err != nil {
		return err
	}
	for _, version := range versions {
		if version.Missing {
			continue
		}
		wrapped, err := s.keys.Material(ctx, k.Name.ID, version.Number)
		if err != nil {
			return err
		}
		if err := in.Destroy(ctx, RefOf(k, version.Number), wrapped); err != nil {
			return err
		}
	}
	return nil
}

// KindOf says to the engine what a key is.
func KindOf(k *key.Key) engine.Kind {
	return engine.Kind{Spec: k.Spec, Usage: k.Usage, Exportable: k.Exportable}
}

// RefOf names a version to the engine.
func RefOf(k *key.Key, n key.VersionNumber) engine.Ref {
	return engine.Ref{Realm: k.Name.Realm, ID: k.Name.ID, Version: n}
}

// Protection returns what keeps an engine's keys.
func Protection(e engine.Engine) key.Protection {
	if p, ok := e.(engine.Protector); ok {
		return p.Protection()
	}
	return key.Software
}
