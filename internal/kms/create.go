package kms

import (
	"context"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// CreateKey makes a key with new material in the caller's realm and the
// request's region. The key is enabled at once.
func (s *Service) CreateKey(ctx context.Context, call *key.Call, req *CreateKeyRequest) (*key.Key, error) {
	return guard.Do(ctx, s.guard, call, key.CreateKey, func(v *guard.Visit) (*key.Key, error) {
		return s.create(ctx, v, &creation{CreateKeyRequest: req, action: key.CreateKey, source: s.engine.Generate, origin: key.Generated})
	})
}

// source is where a version's material comes from: engine.Engine.Generate, or
// what was brought.
type source func(ctx context.Context, ref engine.Ref, kind engine.Kind) (engine.Material, error)

// creation is a request for a key, whichever way its material comes.
type creation struct {
	*CreateKeyRequest
	action key.Action
	source source
	origin key.Origin
}

// create makes a key that the caller must be allowed to make.
func (s *Service) create(ctx context.Context, v *guard.Visit, c *creation) (*key.Key, error) {
	k, err := s.newKey(v, c)
	if denied := s.admitCreation(v, c); denied != nil {
		return nil, denied
	}
	if err != nil {
		return nil, err
	}
	compiled, err := s.checkPolicy(v, k, k.Policy, c.BypassLockout)
	if err != nil {
		return nil, err
	}
	var alias *key.Alias
	if c.Alias != "" {
		var unlock func()
		if alias, unlock, err = s.firstAlias(v, catalog.NewEntry(k, compiled), c.Alias); err != nil {
			return nil, err
		}
		defer unlock()
	}
	if err := dry(v.Call); err != nil {
		return nil, err
	}
	v.About(k.Resource())
	if err := s.make(ctx, v, catalog.NewEntry(k, compiled), alias, c.source); err != nil {
		return nil, err
	}
	return k, nil
}

// admitCreation asks whether the caller may make such a key; tags need their
// own permission.
func (s *Service) admitCreation(v *guard.Visit, c *creation) error {
	attributes := &policy.Attributes{Spec: c.Spec, Usage: c.Usage, Tags: c.Tags, BypassLockout: c.BypassLockout}
	if len(c.Tags) > 0 {
		if err := v.Authorize(s.realmTarget(v.Call, key.TagResource, attributes)); err != nil {
			return err
		}
	}
	return v.Authorize(s.realmTarget(v.Call, c.action, attributes))
}

// newKey checks a request and returns the key it asks for, without material.
func (s *Service) newKey(v *guard.Visit, req *creation) (*key.Key, error) {
	usage, err := usageOf(req.Spec, req.Usage)
	if err != nil {
		return nil, err
	}
	if !s.engine.Supports(req.Spec, usage) {
		return nil, fault.New(fault.Unsupported, "engine %s does not make keys of spec %s", s.engine.Name(), req.Spec)
	}
	if req.Exportable && !s.exports(req.Spec) {
		return nil, fault.New(fault.Unsupported, "engine %s does not give keys of spec %s away", s.engine.Name(), req.Spec)
	}
	if err := checkDescription(req.Description); err != nil {
		return nil, err
	}
	tags, err := key.MergeTags(nil, req.Tags)
	if err != nil {
		return nil, err
	}
	v.Note("spec", req.Spec.String())
	v.Note("usage", usage.String())
	if req.Exportable {
		v.Note("exportable", "true")
	}
	realm := v.Call.Caller.Principal.Realm
	k := &key.Key{
		Name: key.Name{Realm: realm, Region: v.Call.Region, ID: randomID()},
		Spec: req.Spec, Usage: usage, Origin: req.origin, Protection: key.Software, Engine: s.engine.Name(),
		Exportable: req.Exportable, State: key.Creating, Description: req.Description, CreatedAt: s.now().UTC(), Tags: tags,
		Revision: 1, Policy: s.defaultPolicy(realm),
	}
	if req.Policy != nil {
		k.Policy = *req.Policy
	}
	return k, nil
}

// usageOf returns the usage of a new key: the one asked for, or encryption,
// which alone needs no asking and only for symmetric keys.
func usageOf(spec alg.Spec, usage alg.Usage) (alg.Usage, error) {
	if spec == alg.NoSpec {
		return 0, fault.New(fault.InvalidArgument, "a key needs a spec")
	}
	if usage == alg.NoUsage {
		if spec != alg.AES256 {
			return 0, fault.Because(fault.InvalidArgument, fault.UsageRequired, "a key of spec %s needs a usage", spec)
		}
		usage = alg.EncryptDecrypt
	}
	if !spec.Allows(usage) {
		return 0, fault.Because(fault.InvalidArgument, fault.IncompatibleUsage, "usage %s does not go with spec %s", usage, spec)
	}
	return usage, nil
}

func checkDescription(text string) error {
	if utf8.RuneCountInString(text) > MaxDescription {
		return fault.New(fault.InvalidArgument, "the description has more than %d characters", MaxDescription)
	}
	return nil
}

// make gives a new key its first material and stores both, with its alias if
// it has one.
func (s *Service) make(ctx context.Context, v *guard.Visit, e *catalog.Entry, alias *key.Alias, from source) error {
	k := e.Key
	material, err := s.addVersion(ctx, k, key.First, from)
	if err != nil {
		return err
	}
	if k.State, err = k.State.Next(key.Made); err != nil {
		return err
	}
	return v.Commit(ctx, func() error {
		return s.keys.Insert(ctx, &catalog.Change{Key: k, Policy: e.Policy, Put: newest(k, material), Alias: alias})
	})
}

// addVersion makes new material and adds its version to the key.
func (s *Service) addVersion(ctx context.Context, k *key.Key, cause key.RotationCause, from source) (engine.Material, error) {
	n := key.VersionNumber(len(k.Versions) + 1) //nolint:gosec // rotations are limited and periods are days
	material, err := from(ctx, refOf(k, n), kindOf(k))
	if err != nil {
		return engine.Material{}, err
	}
	k.Versions = append(k.Versions, key.Version{
		Number: n, CreatedAt: s.now().UTC(), RotatedBy: cause, MaterialID: randomMaterialID(), Public: material.Public,
	})
	return material, nil
}

// newest returns the material of a key's newest version, to be stored.
func newest(k *key.Key, m engine.Material) []catalog.Material {
	return []catalog.Material{{Version: k.Current().Number, Wrapped: m.Wrapped}}
}

// DescribeKey returns a key's metadata.
func (s *Service) DescribeKey(ctx context.Context, call *key.Call, ref Ref) (*key.Key, error) {
	return s.read(ctx, call, ref, key.DescribeKey)
}

// read authorises an action that only reads metadata.
func (s *Service) read(ctx context.Context, call *key.Call, ref Ref, action key.Action) (*key.Key, error) {
	return guard.Do(ctx, s.guard, call, action, func(v *guard.Visit) (*key.Key, error) {
		e, err := s.readable(v, action, ref)
		if err != nil {
			return nil, err
		}
		if err := v.Authorize(target(e, action, &policy.Attributes{Alias: ref.Alias})); err != nil {
			return nil, err
		}
		return e.Key, nil
	})
}

// readable finds a key to read metadata of. Two of the actions are part of a
// key's use, which other realms can be let to.
func (s *Service) readable(v *guard.Visit, action key.Action, ref Ref) (*catalog.Entry, error) {
	if action == key.DescribeKey || action == key.GetKeyRotationStatus {
		return s.resolve(v.Call, ref)
	}
	return s.own(v, action, ref)
}

// ListKeys returns the ids of the caller's keys in the request's region, in
// their order, and where the next page begins ("" at the end).
func (s *Service) ListKeys(ctx context.Context, call *key.Call, page Page) ([]key.ID, string, error) {
	type result struct {
		ids  []key.ID
		next string
	}
	r, err := guard.Do(ctx, s.guard, call, key.ListKeys, func(v *guard.Visit) (r result, err error) {
		if err := v.Authorize(s.realmTarget(call, key.ListKeys, nil)); err != nil {
			return r, err
		}
		r.ids, r.next, err = s.keys.Keys(ctx, call.Caller.Principal.Realm, call.Region, page)
		return r, err
	})
	return r.ids, r.next, err
}
