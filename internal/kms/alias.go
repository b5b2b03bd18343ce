package kms

import (
	"context"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
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
		r := e.key.Name
		defer s.locks.both(aliasID(r.Realm, r.Region, name), r.ID)()
		// The key is looked up again: it may have changed, or be gone, since.
		if e, err = s.find(r); err != nil {
			return none, err
		}
		old, exists := s.memory.alias(r.Realm, r.Region, name)
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
		return none, s.storeAlias(ctx, v, a)
	})
	return err
}

// firstAlias returns the alias of a key that is being made, if the caller may
// give it. Until unlock is called nobody else gives the name away.
func (s *Service) firstAlias(v *guard.Visit, e *entry, name string) (alias *key.Alias, unlock func(), err error) {
	if err := CheckAlias(name); err != nil {
		return nil, nil, err
	}
	if err := s.admitAlias(v, key.CreateAlias, e, name); err != nil {
		return nil, nil, err
	}
	n, now := e.key.Name, s.now().UTC()
	lock := s.locks.alias(aliasID(n.Realm, n.Region, name))
	lock.Lock()
	if _, exists := s.memory.alias(n.Realm, n.Region, name); exists {
		lock.Unlock()
		return nil, nil, aliasExists(n.Realm, n.Region, name)
	}
	return &key.Alias{Realm: n.Realm, Region: n.Region, Name: name, Target: n.ID, CreatedAt: now, UpdatedAt: now}, lock.Unlock, nil
}

func aliasExists(realm key.RealmID, region, name string) error {
	return &fault.Error{
		Kind: fault.AlreadyExists, Resource: aliasResource(realm, region, name).String(), Public: "the alias " + name + " exists",
	}
}

func insertAlias(tx store.Tx, a *key.Alias) error {
	row, err := aliasRow(a)
	if err != nil {
		return err
	}
	return tx.Insert(store.Aliases, row)
}

// admitAlias asks for the action on the alias and on the key.
func (s *Service) admitAlias(v *guard.Visit, action key.Action, e *entry, name string) error {
	attributes := &policy.Attributes{Alias: name}
	if err := v.Authorize(e.target(action, attributes)); err != nil {
		return err
	}
	if err := e.key.State.Manage(action); err != nil {
		return e.at(err)
	}
	v.Note("alias", name)
	return v.Authorize(guard.Target{
		Action: action, Resource: aliasResource(e.key.Name.Realm, e.key.Name.Region, name), Attributes: attributes,
	})
}

// retarget asks whether an alias may leave its present key for another.
func (s *Service) retarget(v *guard.Visit, old *key.Alias, to *entry) error {
	from, ok := s.memory.get(old.Target)
	if !ok {
		return nil
	}
	if err := s.admitAlias(v, key.UpdateAlias, from, old.Name); err != nil {
		return err
	}
	if from.key.Usage != to.key.Usage || from.key.Spec.Symmetric() != to.key.Spec.Symmetric() {
		return to.at(fault.Because(fault.InvalidArgument, fault.WrongUsage,
			"the alias is of a key for %s, the new key is for %s", from.key.Usage, to.key.Usage))
	}
	return nil
}

func (s *Service) storeAlias(ctx context.Context, v *guard.Visit, a *key.Alias) error {
	row, err := aliasRow(a)
	if err != nil {
		return err
	}
	return v.Commit(ctx, func() error {
		err := s.store.Update(ctx, func(tx store.Tx) error {
			if _, err := tx.Get(store.Keys, string(a.Target)); err != nil {
				return err
			}
			return tx.Put(store.Aliases, row)
		})
		if err == nil {
			s.memory.putAlias(a)
		}
		return err
	})
}

// DeleteAlias takes a name from its key. The key stays.
func (s *Service) DeleteAlias(ctx context.Context, call *key.Call, name string) error {
	_, err := guard.Do(ctx, s.guard, call, key.DeleteAlias, func(v *guard.Visit) (none struct{}, err error) {
		if err := CheckAlias(name); err != nil {
			return none, err
		}
		realm, region := call.Caller.Principal.Realm, call.Region
		id := aliasID(realm, region, name)
		lock := s.locks.alias(id)
		lock.Lock()
		defer lock.Unlock()
		a, ok := s.memory.alias(realm, region, name)
		if !ok {
			return none, aliasNotFound(realm, region, name)
		}
		e, err := s.find(key.Name{Realm: realm, Region: region, ID: a.Target})
		if err != nil {
			return none, err
		}
		if err := s.admitAlias(v, key.DeleteAlias, e, name); err != nil {
			return none, err
		}
		return none, v.Commit(ctx, func() error {
			err := s.store.Update(ctx, func(tx store.Tx) error { return tx.Delete(store.Aliases, id) })
			if err == nil {
				s.memory.removeAlias(realm, region, name)
			}
			return err
		})
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
		scope := scopeOf(call.Caller.Principal.Realm, call.Region)
		column, value := "scope", scope
		if target != nil {
			e, err := s.own(v, key.ListAliases, *target)
			if err != nil {
				return r, err
			}
			column, value = "target", string(e.key.Name.ID)
		}
		if page.After != "" {
			page.After = scope + "/" + page.After
		}
		rows, next, err := s.page(ctx, store.Aliases, column, value, page)
		for _, row := range rows {
			a, err := aliasOf(row)
			if err != nil {
				return r, err
			}
			r.aliases = append(r.aliases, *a)
		}
		r.next = strings.TrimPrefix(next, scope+"/")
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
