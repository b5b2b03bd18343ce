package kms

import (
	"context"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// resolve finds the key that a caller names.
func (s *Service) resolve(call *key.Call, ref Ref) (*catalog.Entry, error) {
	realm, region := ref.Realm, ref.Region
	if realm == "" {
		realm = call.Caller.Principal.Realm
	}
	if region == "" {
		region = call.Region
	}
	if region != call.Region {
		return nil, &fault.Error{
			Kind: fault.NotFound, Reason: fault.ForeignRegion, Resource: region,
			Public: "the key is named in region " + region + ", the request is for region " + call.Region,
		}
	}
	id := ref.ID
	if ref.Alias != "" {
		a, ok := s.keys.Alias(realm, region, ref.Alias)
		if !ok {
			return nil, aliasNotFound(realm, region, ref.Alias)
		}
		id = a.Target
	}
	return s.keys.Find(key.Name{Realm: realm, Region: region, ID: id})
}

// own is resolve for an action that only the key's own realm may do. A key's
// policy can let callers of other realms use the key; it cannot let them
// manage it, name it, or read how it is managed ("Allowing users in other
// accounts to use a KMS key", AWS KMS Developer Guide).
func (s *Service) own(v *guard.Visit, action key.Action, ref Ref) (*catalog.Entry, error) {
	e, err := s.resolve(v.Call, ref)
	if err != nil {
		return nil, err
	}
	if e.Key.Name.Realm != v.Call.Caller.Principal.Realm {
		return nil, v.Deny(target(e, action, nil), fault.NoResourcePolicyAllows, "the action is for callers of the key's own realm")
	}
	return e, nil
}

// open returns the opened key of a version, from memory or by the engine.
func (s *Service) open(ctx context.Context, e *catalog.Entry, n key.VersionNumber) (*engine.Key, error) {
	if e.Key.Store == "" { // a key store has another engine each time it is connected
		if k := e.Opened(n, nil); k != nil {
			return k, nil
		}
	}
	from, err := s.engineOf(e.Key)
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
	k, err := from.Open(ctx, refOf(e.Key, n), e.Key.Spec, wrapped)
	if err != nil {
		return nil, fmt.Errorf("opening version %d of key %s: %w", n, e.Key.Name.ID, err)
	}
	s.keys.Keep(e, n, k, from)
	return k, nil
}

// kindOf says to the engine what a key is.
func kindOf(k *key.Key) engine.Kind {
	return engine.Kind{Spec: k.Spec, Usage: k.Usage, Exportable: k.Exportable}
}

// refOf names a version to the engine.
func refOf(k *key.Key, n key.VersionNumber) engine.Ref {
	return engine.Ref{Realm: k.Name.Realm, ID: k.Name.ID, Version: n}
}
