package kms

import (
	"context"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/alias"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/material"
	"github.com/holdfast-kms/holdfast/internal/operation"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// CreateKey makes a key with new material in the caller's realm and the
// request's region. The key is enabled at once.
func (s *Service) CreateKey(ctx context.Context, call *key.Call, req *CreateKeyRequest) (*key.Key, error) {
	return guard.Do(ctx, s.guard, call, key.CreateKey, func(v *guard.Visit) (*key.Key, error) {
		c := &creation{CreateKeyRequest: req, Supply: material.Supply{From: material.Generate}, action: key.CreateKey, origin: key.Generated}
		if req.External {
			c.origin = key.Imported
		}
		return s.create(ctx, v, c)
	})
}

// creation is a request for a key, whichever way its material comes.
type creation struct {
	*CreateKeyRequest
	material.Supply
	action key.Action
	origin key.Origin
	// id is the key's, where it is known before.
	id key.ID
	// once names what is brought, if it may come only once.
	once *catalog.Import
}

// create makes a key that the caller must be allowed to make.
func (s *Service) create(ctx context.Context, v *guard.Visit, c *creation) (*key.Key, error) {
	defer s.keys.Begin(c.Store)()
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
	var named *key.Alias
	if c.Alias != "" {
		var unlock func()
		if named, unlock, err = alias.First(s.Names, v, catalog.NewEntry(k, compiled), c.Alias); err != nil {
			return nil, err
		}
		defer unlock()
	}
	if err := operation.Dry(v.Call); err != nil {
		return nil, err
	}
	v.About(k.Resource())
	if err := s.make(ctx, v, catalog.NewEntry(k, compiled), named, c); err != nil {
		return nil, err
	}
	return k, nil
}

// admitCreation asks whether the caller may make such a key; tags need their
// own permission.
func (s *Service) admitCreation(v *guard.Visit, c *creation) error {
	attributes := &policy.Attributes{
		Spec: c.Spec, Usage: c.Usage, Origin: c.origin, Store: c.Store, Tags: c.Tags, BypassLockout: c.BypassLockout,
	}
	if len(c.Tags) > 0 {
		if err := v.Authorize(alias.RealmTarget(v.Call, key.TagResource, attributes)); err != nil {
			return err
		}
	}
	return v.Authorize(alias.RealmTarget(v.Call, c.action, attributes))
}

// newKey checks a request and returns the key it asks for, without material.
func (s *Service) newKey(v *guard.Visit, c *creation) (*key.Key, error) {
	usage, err := usageOf(c.Spec, c.Usage)
	if err != nil {
		return nil, err
	}
	if c.In == nil {
		if c.In, err = s.engines.At(c.place(v.Call)); err != nil {
			return nil, err
		}
	}
	if err := c.offered(usage); err != nil {
		return nil, err
	}
	if err := checkDescription(c.Description); err != nil {
		return nil, err
	}
	tags, err := key.MergeTags(nil, c.Tags)
	if err != nil {
		return nil, err
	}
	c.note(v, usage)
	if c.id == "" {
		c.id = randomID()
	}
	realm := v.Call.Caller.Principal.Realm
	k := &key.Key{
		Name: key.Name{Realm: realm, Region: v.Call.Region, ID: c.id},
		Spec: c.Spec, Usage: usage, Origin: c.origin, Protection: material.Protection(c.In), Engine: c.In.Name(), Store: c.Store,
		Exportable: c.Exportable, State: key.Creating, Description: c.Description, CreatedAt: s.now().UTC(), Tags: tags,
		Revision: 1, Policy: s.defaultPolicy(realm),
	}
	if c.Policy != nil {
		k.Policy = *c.Policy
	}
	return k, nil
}

// place is where the key is to be.
func (c *creation) place(call *key.Call) material.Place {
	return material.Place{Realm: call.Caller.Principal.Realm, Region: call.Region, Engine: c.Engine, Store: c.Store}
}

// offered asks whether the key can be made, of what it comes from and where it
// is to be.
func (c *creation) offered(usage alg.Usage) error {
	name := c.In.Name()
	switch {
	case usage == alg.KeyTransfer && (c.Exportable || c.origin == key.Imported):
		return fault.New(fault.Unsupported, "a key exchange key is made where it stays: it is neither imported nor exportable")
	case c.External && c.Store != "":
		return fault.New(fault.Unsupported, "a key in a key store takes no material from elsewhere")
	case c.External && !material.Imports(c.In, c.Spec):
		return fault.New(fault.Unsupported, "engine %s takes no material of spec %s", name, c.Spec)
	case c.origin == key.Generated && !c.In.Supports(c.Spec, usage):
		return fault.New(fault.Unsupported, "engine %s does not make keys of spec %s for %s", name, c.Spec, usage)
	case c.Exportable && !material.Exports(c.In, c.Spec):
		return fault.New(fault.Unsupported, "engine %s does not give keys of spec %s away", name, c.Spec)
	}
	return nil
}

// note records what is asked for.
func (c *creation) note(v *guard.Visit, usage alg.Usage) {
	v.Note("spec", c.Spec.String())
	v.Note("usage", usage.String())
	if c.Engine != "" {
		v.Note("engine", c.Engine)
	}
	if c.Store != "" {
		v.Note("store", c.Store)
	}
	if c.Exportable {
		v.Note("exportable", "true")
	}
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

func checkDescription(text string) error { return checkText("the description", text, MaxDescription) }

func checkText(what, text string, limit int) error {
	if utf8.RuneCountInString(text) > limit {
		return fault.New(fault.InvalidArgument, "%s has more than %d characters", what, limit)
	}
	return nil
}

// make gives a new key its first material, unless that is to come later, and
// stores both, with its alias if it has one.
func (s *Service) make(ctx context.Context, v *guard.Visit, e *catalog.Entry, named *key.Alias, c *creation) (err error) {
	k := e.Key
	change := &catalog.Change{Key: k, Policy: e.Policy, Alias: named, Import: c.once}
	event, undo := key.Made, func() {}
	if c.External {
		event = key.LoseMaterial
		k.Versions = []key.Version{{Number: 1, CreatedAt: k.CreatedAt, Missing: true}}
	} else if change.Put, undo, err = s.engines.AddVersion(ctx, k, &c.Supply); err != nil {
		return err
	}
	if k.State, err = k.State.Next(event); err == nil {
		err = v.Commit(ctx, func() error { return s.keys.Insert(ctx, change) })
	}
	if err != nil {
		undo()
	}
	return err
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
		if err := v.Authorize(e.Target(action, &policy.Attributes{Alias: ref.Alias})); err != nil {
			return nil, err
		}
		return s.seen(e), nil
	})
}

// readable finds a key to read metadata of. Two of the actions are part of a
// key's use, which other realms can be let to.
func (s *Service) readable(v *guard.Visit, action key.Action, ref Ref) (*catalog.Entry, error) {
	if action == key.DescribeKey || action == key.GetKeyRotationStatus {
		return alias.Resolve(s.keys, v.Call, ref)
	}
	return alias.Own(s.keys, v, action, ref)
}

// ListKeys returns the ids of the caller's keys in the request's region, in
// their order, and where the next page begins ("" at the end).
func (s *Service) ListKeys(ctx context.Context, call *key.Call, page Page) ([]key.ID, string, error) {
	type result struct {
		ids  []key.ID
		next string
	}
	r, err := guard.Do(ctx, s.guard, call, key.ListKeys, func(v *guard.Visit) (r result, err error) {
		if err := v.Authorize(alias.RealmTarget(call, key.ListKeys, nil)); err != nil {
			return r, err
		}
		r.ids, r.next, err = s.keys.Keys(ctx, call.Caller.Principal.Realm, call.Region, page)
		return r, err
	})
	return r.ids, r.next, err
}
