// Package alias is how callers name keys: by id, or by an alias, which is
// another name within a realm and region. Names finds the key that is meant,
// and makes, changes and removes aliases.
//
// Package kms has a Names in its Service. The package is internal and may
// change with any release.
package alias

import (
	"context"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// Prefix begins every alias name.
const Prefix = "alias/"

// reservedPrefix begins the names kept for a provider's own keys.
const reservedPrefix = "alias/aws/"

// maxAlias is the longest alias name, in characters, with its prefix.
const maxAlias = 256

// Ref is how a caller names a key: by id, or by alias. Realm and Region are
// set when the name says them (a full ARN), else they are the call's own.
type Ref struct {
	Realm  key.RealmID
	Region string
	ID     key.ID // "" when Alias is set
	Alias  string // with its "alias/" prefix
}

// Names are the names of the keys of a catalog. All methods may be called at
// the same time. Errors are *fault.Error.
type Names struct {
	guard *guard.Guard
	keys  *catalog.Catalog
	state func(*catalog.Entry) key.State
	now   func() time.Time
}

// New returns the names of keys. State returns the state that a key is in now.
func New(g *guard.Guard, keys *catalog.Catalog, state func(*catalog.Entry) key.State, now func() time.Time) *Names {
	return &Names{guard: g, keys: keys, state: state, now: now}
}

// CreateAlias names a key. The name must be free in the key's realm and region.
func (s *Names) CreateAlias(ctx context.Context, call *key.Call, name string, target Ref) error {
	return s.putAlias(ctx, call, key.CreateAlias, name, target)
}

// UpdateAlias lets an existing alias name another key of the same usage and
// of the same kind.
func (s *Names) UpdateAlias(ctx context.Context, call *key.Call, name string, target Ref) error {
	return s.putAlias(ctx, call, key.UpdateAlias, name, target)
}

// putAlias creates or updates an alias. The caller needs the action on the
// alias and on each key concerned.
func (s *Names) putAlias(ctx context.Context, call *key.Call, action key.Action, name string, target Ref) error {
	_, err := guard.Do(ctx, s.guard, call, action, func(v *guard.Visit) (none struct{}, err error) {
		if err := Check(name); err != nil {
			return none, err
		}
		e, err := Own(s.keys, v, action, target)
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

// First returns the alias of a key that is being made, if the caller may give
// it. Until unlock is called nobody else gives the name away.
func First(s *Names, v *guard.Visit, e *catalog.Entry, name string) (alias *key.Alias, unlock func(), err error) {
	if err := Check(name); err != nil {
		return nil, nil, err
	}
	n := e.Key.Name
	named := aliasResource(n.Realm, n.Region, name)
	t := e.Target(key.CreateAlias, &policy.Attributes{Alias: name})
	t.Lasting = &named // the key is a new one at each attempt
	if err := s.admitTarget(v, t, e, name); err != nil {
		return nil, nil, err
	}
	now := s.now().UTC()
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
func (s *Names) admitAlias(v *guard.Visit, action key.Action, e *catalog.Entry, name string) error {
	return s.admitTarget(v, e.Target(action, &policy.Attributes{Alias: name}), e, name)
}

// admitTarget asks for the target, which is the key, and for the same on the
// alias.
func (s *Names) admitTarget(v *guard.Visit, t guard.Target, e *catalog.Entry, name string) error {
	if err := v.Authorize(t); err != nil {
		return err
	}
	if err := s.state(e).Manage(t.Action); err != nil {
		return e.At(err)
	}
	v.Note("alias", name)
	return v.Authorize(guard.Target{
		Action: t.Action, Resource: aliasResource(e.Key.Name.Realm, e.Key.Name.Region, name), Attributes: t.Attributes,
	})
}

// retarget asks whether an alias may leave its present key for another.
func (s *Names) retarget(v *guard.Visit, old *key.Alias, to *catalog.Entry) error {
	from, ok := s.keys.Get(old.Target)
	if !ok {
		return nil
	}
	if err := s.admitAlias(v, key.UpdateAlias, from, old.Name); err != nil {
		return err
	}
	if from.Key.Usage != to.Key.Usage || from.Key.Spec.Symmetric() != to.Key.Spec.Symmetric() {
		return to.At(fault.Because(fault.InvalidArgument, fault.WrongUsage,
			"the alias is of a key for %s, the new key is for %s", from.Key.Usage, to.Key.Usage))
	}
	return nil
}

// DeleteAlias takes a name from its key. The key stays.
func (s *Names) DeleteAlias(ctx context.Context, call *key.Call, name string) error {
	_, err := guard.Do(ctx, s.guard, call, key.DeleteAlias, func(v *guard.Visit) (none struct{}, err error) {
		if err := Check(name); err != nil {
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
func (s *Names) ListAliases(ctx context.Context, call *key.Call, target *Ref, page catalog.Page) ([]key.Alias, string, error) {
	type result struct {
		aliases []key.Alias
		next    string
	}
	r, err := guard.Do(ctx, s.guard, call, key.ListAliases, func(v *guard.Visit) (r result, err error) {
		if err := v.Authorize(RealmTarget(call, key.ListAliases, nil)); err != nil {
			return r, err
		}
		if target == nil {
			r.aliases, r.next, err = s.keys.Aliases(ctx, call.Caller.Principal.Realm, call.Region, page)
			return r, err
		}
		e, err := Own(s.keys, v, key.ListAliases, *target)
		if err != nil {
			return r, err
		}
		r.aliases, r.next, err = s.keys.AliasesOf(ctx, e.Key.Name, page)
		return r, err
	})
	return r.aliases, r.next, err
}

// Check refuses names that are no alias: the prefix, then letters,
// digits, "/", "_" and "-".
func Check(name string) error {
	rest, ok := strings.CutPrefix(name, Prefix)
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_-"
	switch {
	case !ok:
		return fault.Because(fault.InvalidArgument, fault.MalformedAlias, "an alias begins with %q", Prefix)
	case strings.HasPrefix(name, reservedPrefix):
		return fault.Because(fault.PermissionDenied, fault.ReservedAlias, "aliases that begin with %s are reserved", reservedPrefix)
	case rest == "" || len(name) > maxAlias || strings.Trim(rest, letters) != "":
		return fault.Because(fault.InvalidArgument, fault.MalformedAlias,
			"an alias has 1 to %d letters, digits, slashes, underscores and dashes after its prefix", maxAlias-len(Prefix))
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

// Called returns how people call a key: by its first alias, else by its id.
func Called(ctx context.Context, keys *catalog.Catalog, k *key.Key) (string, error) {
	list, _, err := keys.AliasesOf(ctx, k.Name, catalog.Page{Limit: 1})
	if err != nil || len(list) == 0 {
		return string(k.Name.ID), err
	}
	return list[0].Name, nil
}
