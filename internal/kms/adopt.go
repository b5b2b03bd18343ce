package kms

import (
	"bytes"
	"context"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/alias"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// AdoptKey makes a key of one that is in an engine already, and stays there
// when the new key is destroyed. The key is enabled at once; its origin is
// key.External, and it does not rotate. The caller needs AdoptKey in its realm,
// and its realm must be one of the engine's (Config.Adopting).
// An asymmetric key that is a key here already is AlreadyExists.
func (s *Service) AdoptKey(ctx context.Context, call *key.Call, req *AdoptKeyRequest) (*key.Key, error) {
	return guard.Do(ctx, s.guard, call, key.AdoptKey, func(v *guard.Visit) (*key.Key, error) {
		asked := req.CreateKeyRequest
		c := &creation{CreateKeyRequest: &asked, action: key.AdoptKey, origin: key.External, id: randomID()}
		v.Note("name", req.Name)
		if err := s.admitCreation(v, c); err != nil {
			return nil, err
		}
		if asked.Store == "" && !s.mayAdopt(v.Call.Caller.Principal.Realm, asked.Engine) {
			target := alias.RealmTarget(v.Call, key.AdoptKey, nil)
			return nil, v.Deny(target, fault.NoIdentityPolicyAllows, "the realm adopts no keys from engine "+asked.Engine)
		}
		defer s.keys.Begin(asked.Store)()
		kind, err := s.adopted(ctx, v, c, req.Name)
		if err != nil {
			return nil, err
		}
		if err := c.becomes(kind); err != nil {
			return nil, err
		}
		return s.create(ctx, v, c)
	})
}

// mayAdopt reports whether what is in an engine already may be the realm's.
func (s *Service) mayAdopt(realm key.RealmID, name string) bool {
	realms, ok := s.adopting[name]
	if !ok {
		return realm == key.DefaultRealm
	}
	return slices.Contains(realms, realm)
}

// adopted finds the key in the engine, and makes it what c is of.
func (s *Service) adopted(ctx context.Context, v *guard.Visit, c *creation, name string) (engine.Kind, error) {
	if c.External {
		return engine.Kind{}, fault.New(fault.InvalidArgument, "an adopted key has its material")
	}
	in, err := s.engines.At(c.place(v.Call))
	if err != nil {
		return engine.Kind{}, err
	}
	from, ok := in.(engine.Adopter)
	if !ok {
		return engine.Kind{}, fault.New(fault.Unsupported, "engine %s has no keys that it did not make", in.Name())
	}
	kind, m, err := from.Adopt(ctx, engine.Ref{Realm: v.Call.Caller.Principal.Realm, ID: c.id, Version: 1}, name)
	if err != nil {
		return kind, err
	}
	if s.known(in, m.Public) {
		return kind, fault.New(fault.AlreadyExists, "the key is a key of Holdfast already")
	}
	c.In = in
	c.From = func(context.Context, engine.Engine, engine.Ref, engine.Kind) (engine.Material, error) { return m, nil }
	return kind, nil
}

// becomes says what the key is that was found; what was asked for must agree.
// Keys of other makers often do several things, of which the engine names one
// and the caller may choose another: what the key does not do, the engine refuses.
func (c *creation) becomes(kind engine.Kind) error {
	switch {
	case c.Spec != alg.NoSpec && c.Spec != kind.Spec:
		return fault.New(fault.InvalidArgument, "the key is of spec %s, not %s", kind.Spec, c.Spec)
	case c.Exportable && !kind.Exportable:
		return fault.New(fault.Unsupported, "the key does not leave the engine it is in")
	}
	c.Spec = kind.Spec
	if c.Usage == alg.NoUsage {
		c.Usage = kind.Usage
	}
	return nil
}

// known reports whether a key with this public half is in an engine: of two
// keys over one material, the first one's owner knew nothing of the second.
func (s *Service) known(in engine.Engine, public []byte) (found bool) {
	if public == nil {
		return false
	}
	s.keys.All(func(e *catalog.Entry) bool {
		for _, v := range e.Key.Versions {
			found = found || e.Key.Engine == in.Name() && bytes.Equal(v.Public, public)
		}
		return !found
	})
	return found
}
