package kms

import (
	"context"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// AliasPrefix begins every alias name.
const AliasPrefix = "alias/"

// reservedPrefix begins the names kept for a provider's own keys.
const reservedPrefix = "alias/aws/"

// maxAlias is the longest alias name, in characters, with its prefix.
const maxAlias = 256

// CreateAlias names a key. The name must be free in the key's realm and region.
func (s *Service) CreateAlias(ctx context.Context, call *key.Call, name string, target Ref) error {
	return s.putAlias(ctx, call, key.CreateAlias, name, target)
}

// UpdateAlias lets an existing alias name another key of the same usage and
// of the same kind.
func (s *Service) UpdateAlias(ctx context.Context, call *key.Call, name string, target Ref) error {
	return s.putAlias(ctx, call, key.UpdateAlias, name, target)
}

// putAlias creates or updates an alias. The caller needs the action on the
// alias and on each key concerned.
func (s *Service) putAlias(ctx context.Context, call *key.Call, action key.Action, name string, target Ref) error {
	_, err := guard.Do(ctx, s.guard, call, action, func(v *guard.Visit) (none struct{}, err error) {
		if err := CheckAlias(name); err != nil {
			return none, err
		}
		e, err := s.own(v, action, target)
		if err != nil {
			return none, err
		}
		r := e.Key.Name
		defer s.keys.LockAlias(r.Realm, r.Region, name)()
		defer s.keys.Lock(r.ID)()
		// The key is looked up again: it may have changed, or be gone, since.
		if e, err = s.keys.Find(r); err != nil {
			return none, err
		}
		old, exists := s.keys.Alias(r.Realm, r.Region, name)
		if action == key.UpdateAlias && !exists {
			return none, aliasNotFound(r.Realm, r.Region, name)
		}
		if err := s.admitAlias(v, action, e, name); err != nil {
			return none, err
		}
		if action == key.CreateAlias && exists {
			return none, aliasExists(r.Realm, r.Region, name)
		}
		now := s.now().UTC()
		a := &key.Alias{Realm: r.Realm, Region: r.Region, Name: name, Target: r.ID, CreatedAt: now, UpdatedAt: now}
		if exists {
			a.CreatedAt = old.CreatedAt
			if err := s.retarget(v, old, e); err != nil {
				return none, err
			}
		}
		return none, v.Commit(ctx, func() error { return s.keys.PutAlias(ctx, a) })
	})
	return err
}

// firstAlias returns the alias of a key that is being made, if the caller may
// give it. Until unlock is called nobody else gives the name away.
func (s *Service) firstAlias(v *guard.Visit, e *catalog.Entry, name string) (alias *key.Alias, unlock func(), err error) {
	if err := CheckAlias(name); err != nil {
		return nil, nil, err
	}
	if err := s.admitAlias(v, key.CreateAlias, e, name); err != nil {
		return nil, nil, err
	}
	n, now := e.Key.Name, s.now().UTC()
	unlock = s.keys.LockAlias(n.Realm, n.Region, name)
	if _, exists := s.keys.Alias(n.Realm, n.Region, name); exists {
		unlock()
		return nil, nil, aliasExists(n.Realm, n.Region, name)
	}
	return &key.Alias{Realm: n.Realm, Region: n.Region, Name: name, Target: n.ID, CreatedAt: now, UpdatedAt: now}, unlock, nil
}

func aliasExists(realm key.RealmID, region, name string) error {
	return &fault.Error{
		Kind: fault.AlreadyExists, Resource: aliasResource(realm, region, name).String(), Public: "the alias " + name + " exists",
	}
}

// admitAlias asks for the action on the alias and on the key.
func (s *Service) admitAlias(v *guard.Visit, action key.Action, e *catalog.Entry, name string) error {
	attributes := &policy.Attributes{Alias: name}
	if err := v.Authorize(target(e, action, attributes)); err != nil {
		return err
	}
	if err := s.state(e).Manage(action); err != nil {
		return at(e, err)
	}
	v.Note("alias", name)
	return v.Authorize(guard.Target{
		Action: action, Resource: aliasResource(e.Key.Name.Realm, e.Key.Name.Region, name), Attributes: attributes,
	})
}

// retarget asks whether an alias may leave its present key for another.
func (s *Service) retarget(v *guard.Visit, old *key.Alias, to *catalog.Entry) error {
	from, ok := s.keys.Get(old.Target)
	if !ok {
		return nil
	}
	if err := s.admitAlias(v, key.UpdateAlias, from, old.Name); err != nil {
		return err
	}
	if from.Key.Usage != to.Key.Usage || from.Key.Spec.Symmetric() != to.Key.Spec.Symmetric() {
		return at(to, fault.Because(fault.InvalidArgument, fault.WrongUsage,
			"the alias is of a key for %s, the new key is for %s", from.Key.Usage, to.Key.Usage))
	}
	return nil
}

// DeleteAlias takes a name from its key. The key stays.
func (s *Service) DeleteAlias(ctx context.Context, call *key.Call, name string) error {
	_, err := guard.Do(ctx, s.guard, call, key.DeleteAlias, func(v *guard.Visit) (none struct{}, err error) {
		if err := CheckAlias(name); err != nil {
			return none, err
		}
		realm, region := call.Caller.Principal.Realm, call.Region
		defer s.keys.LockAlias(realm, region, name)()
		a, ok := s.keys.Alias(realm, region, name)
		if !ok {
			return none, aliasNotFound(realm, region, name)
		}
		e, err := s.keys.Find(key.Name{Realm: realm, Region: region, ID: a.Target})
		if err != nil {
			return none, err
		}
		if err := s.admitAlias(v, key.DeleteAlias, e, name); err != nil {
			return none, err
		}
		return none, v.Commit(ctx, func() error { return s.keys.RemoveAlias(ctx, a) })
	})
	return err
}

// ListAliases returns a page of the aliases in the caller's realm and the
// request's region, or of those of one key. After is an alias name.
func (s *Service) ListAliases(ctx context.Context, call *key.Call, target *Ref, page Page) ([]key.Alias, string, error) {
	type result struct {
		aliases []key.Alias
		next    string
	}
	r, err := guard.Do(ctx, s.guard, call, key.ListAliases, func(v *guard.Visit) (r result, err error) {
		if err := v.Authorize(s.realmTarget(call, key.ListAliases, nil)); err != nil {
			return r, err
		}
		if target == nil {
			r.aliases, r.next, err = s.keys.Aliases(ctx, call.Caller.Principal.Realm, call.Region, page)
			return r, err
		}
		e, err := s.own(v, key.ListAliases, *target)
		if err != nil {
			return r, err
		}
		r.aliases, r.next, err = s.keys.AliasesOf(ctx, e.Key.Name, page)
		return r, err
	})
	return r.aliases, r.next, err
}

// CheckAlias refuses names that are no alias: the prefix, then letters,
// digits, "/", "_" and "-".
func CheckAlias(name string) error {
	rest, ok := strings.CutPrefix(name, AliasPrefix)
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_-"
	switch {
	case !ok:
		return fault.Because(fault.InvalidArgument, fault.MalformedAlias, "an alias begins with %q", AliasPrefix)
	case strings.HasPrefix(name, reservedPrefix):
		return fault.Because(fault.PermissionDenied, fault.ReservedAlias, "aliases that begin with %s are reserved", reservedPrefix)
	case rest == "" || len(name) > maxAlias || strings.Trim(rest, letters) != "":
		return fault.Because(fault.InvalidArgument, fault.MalformedAlias,
			"an alias has 1 to %d letters, digits, slashes, underscores and dashes after its prefix", maxAlias-len(AliasPrefix))
	default:
		return nil
	}
}

func aliasNotFound(realm key.RealmID, region, name string) error {
	return &fault.Error{
		Kind: fault.NotFound, Resource: aliasResource(realm, region, name).String(), Public: name + " does not exist",
	}
}

func aliasResource(realm key.RealmID, region, name string) key.Resource {
	return key.Resource{Kind: key.KindAlias, Realm: realm, Region: region, ID: name}
}
