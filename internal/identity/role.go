package identity

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Limits of roles (IAM and AWS STS quotas, IAM User Guide).
const (
	MaxRoles       = 1000      // of a realm
	MaxRoleName    = 64        // characters, without the path
	MaxRolePath    = 510       // characters
	MaxTrust       = 4096      // bytes of a trust policy
	MaxDescription = 1000      // characters
	MinRoleSession = time.Hour // the least that a role's longest session may be
	MaxRoleSession = 12 * time.Hour
)

// Role is what others assume for a while, to act by its policies.
type Role struct {
	Realm key.RealmID
	// Name has the path, which has no slash at its ends: "ops/Deploy".
	Name        string
	ID          string // stable and unique: "AROA" and 16 letters and digits
	CreatedAt   time.Time
	Description string
	// MaxSession is how long a session may be.
	MaxSession time.Duration
	// Trust says who may assume it, Policies what its sessions may do.
	Trust    key.Document
	Policies map[string]key.Document
	// Tags are also those of its sessions.
	Tags []key.Tag
}

// role is a Role and its policies in their canonical form.
type role struct {
	*Role
	trust    *policy.Policy
	policies []*policy.Policy
}

// ShortName returns the role's name without its path.
func (r *Role) ShortName() string { return r.Name[strings.LastIndexByte(r.Name, '/')+1:] }

// Resource returns the role as policies see it.
func (r *Role) Resource() key.Resource { return roleResource(r.Realm, r.Name) }

func roleResource(realm key.RealmID, name string) key.Resource {
	return key.Resource{Kind: key.KindRole, Realm: realm, ID: name}
}

// NewRole asks for a role.
type NewRole struct {
	Name, Description string
	Trust             key.Document
	// MaxSession is an hour when it is 0.
	MaxSession time.Duration
	Tags       []key.Tag
}

// RoleChange asks for changes of a role; what is nil stays.
type RoleChange struct {
	Description *string
	MaxSession  *time.Duration
}

// CreateRole adds a role without policies, whose sessions may do nothing yet.
func (a *Admin) CreateRole(ctx context.Context, call *key.Call, n *NewRole) (*Role, error) {
	return guard.Do(ctx, a.guard, call, key.CreateRole, func(v *guard.Visit) (*Role, error) {
		a.directory.mu.Lock()
		defer a.directory.mu.Unlock()
		if err := v.Authorize(guard.Target{
			Action: key.CreateRole, Resource: roleResource(call.Caller.Principal.Realm, n.Name), Attributes: &policy.Attributes{Tags: n.Tags},
		}); err != nil {
			return nil, err
		}
		if err := checkRoleName(n.Name); err != nil {
			return nil, err
		}
		tags, err := key.MergeTags(nil, n.Tags)
		if err != nil {
			return nil, err
		}
		r := &Role{
			Realm: call.Caller.Principal.Realm, Name: n.Name, ID: newIdentifier(rolePrefix), CreatedAt: a.directory.now().UTC(),
			Description: n.Description, MaxSession: cmp.Or(n.MaxSession, MinRoleSession), Trust: n.Trust,
			Policies: map[string]key.Document{}, Tags: tags,
		}
		if err := a.directory.current.Load().room(r); err != nil {
			return nil, err
		}
		return r, a.storeRole(ctx, v, r)
	})
}

// room refuses a new role whose short name is taken: names of sessions have no
// path, so that policies could not tell two such roles apart. IAM refuses it,
// too.
func (s *state) room(n *Role) error {
	count := 0
	for _, r := range s.roles {
		if r.Realm != n.Realm {
			continue
		}
		if strings.EqualFold(r.ShortName(), n.ShortName()) {
			return fault.New(fault.AlreadyExists, "role %s exists", r.Name)
		}
		count++
	}
	if count >= MaxRoles {
		return fault.New(fault.LimitExceeded, "a realm has at most %d roles", MaxRoles)
	}
	return nil
}

// Role returns a role of the caller's realm, by its name or short name.
func (a *Admin) Role(ctx context.Context, call *key.Call, name string) (*Role, error) {
	return guard.Do(ctx, a.guard, call, key.GetRole, func(v *guard.Visit) (*Role, error) {
		r, name, missing := a.findRole(call, name)
		if err := v.Authorize(a.roleTarget(call, key.GetRole, name, r)); err != nil {
			return nil, err
		}
		return r, missing
	})
}

// ListRoles returns a page of the caller's realm's roles by name, and the
// After of the next one.
func (a *Admin) ListRoles(ctx context.Context, call *key.Call, page Page) ([]*Role, string, error) {
	return list(ctx, a, call, key.ListRoles, key.Resource{Realm: call.Caller.Principal.Realm}, page, func(s *state) (all []*Role) {
		for _, r := range s.roles {
			all = append(all, r.Role)
		}
		return all
	}, func(r *Role) (key.RealmID, string) { return r.Realm, r.Name })
}

// list returns a page of what a realm has of something, by name.
func list[T any](
	ctx context.Context, a *Admin, call *key.Call, action key.Action, of key.Resource, page Page,
	all func(*state) []T, name func(T) (key.RealmID, string),
) ([]T, string, error) {
	next := ""
	found, err := guard.Do(ctx, a.guard, call, action, func(v *guard.Visit) (found []T, err error) {
		if err := v.Authorize(guard.Target{Action: action, Resource: of}); err != nil {
			return nil, err
		}
		for _, t := range all(a.directory.current.Load()) {
			if realm, n := name(t); realm == call.Caller.Principal.Realm && n > page.After {
				found = append(found, t)
			}
		}
		slices.SortFunc(found, func(x, y T) int {
			_, m := name(x)
			_, n := name(y)
			return strings.Compare(m, n)
		})
		if page.Limit > 0 && len(found) > page.Limit {
			found = found[:page.Limit]
			_, next = name(found[page.Limit-1])
		}
		return found, nil
	})
	return found, next, err
}

// UpdateRole changes what a role says of itself.
func (a *Admin) UpdateRole(ctx context.Context, call *key.Call, name string, c RoleChange) (*Role, error) {
	return a.changeRole(ctx, call, key.UpdateRole, name, func(v *guard.Visit, r *Role) error {
		if c.Description != nil {
			r.Description = *c.Description
		}
		if c.MaxSession != nil {
			r.MaxSession = *c.MaxSession
			v.Note("longest session", r.MaxSession.String())
		}
		return a.storeRole(ctx, v, r)
	})
}

// DeleteRole removes a role with its policies, and ends its sessions.
func (a *Admin) DeleteRole(ctx context.Context, call *key.Call, name string) error {
	_, err := a.changeRole(ctx, call, key.DeleteRole, name, func(v *guard.Visit, r *Role) error {
		row := userRow(r.Realm, r.Name)
		return a.remove(ctx, v, store.Roles, row, func(s *state) { delete(s.roles, row) })
	})
	return err
}

// remove records and stores the end of a row, and takes it from the state. The
// lock is held.
func (a *Admin) remove(ctx context.Context, v *guard.Visit, t *store.Table, row string, take func(*state)) error {
	return v.Commit(ctx, func() error {
		err := a.directory.store.Update(ctx, func(tx store.Tx) error { return tx.Delete(t, row) })
		if err != nil {
			return err
		}
		next := a.directory.current.Load().clone()
		take(next)
		a.directory.current.Store(next)
		return nil
	})
}

// PutRolePolicy attaches a policy to a role, or replaces the one of that name.
// It holds for the sessions that there are, too.
func (a *Admin) PutRolePolicy(ctx context.Context, call *key.Call, name, policyName string, doc key.Document) error {
	_, err := a.changeRole(ctx, call, key.PutRolePolicy, name, func(v *guard.Visit, r *Role) error {
		v.Note("policy", policyName)
		err := a.directory.attach(r.Policies, policyName, doc)
		if err != nil {
			return err
		}
		return a.storeRole(ctx, v, r)
	})
	return err
}

// DeleteRolePolicy takes a policy from a role.
func (a *Admin) DeleteRolePolicy(ctx context.Context, call *key.Call, name, policyName string) error {
	_, err := a.changeRole(ctx, call, key.DeleteRolePolicy, name, func(v *guard.Visit, r *Role) error {
		v.Note("policy", policyName)
		if _, ok := r.Policies[policyName]; !ok {
			return fault.New(fault.NotFound, "role %s has no policy %s", r.Name, policyName)
		}
		delete(r.Policies, policyName)
		return a.storeRole(ctx, v, r)
	})
	return err
}

// PutTrustPolicy says anew who may assume a role. Sessions that there are stay.
func (a *Admin) PutTrustPolicy(ctx context.Context, call *key.Call, name string, doc key.Document) error {
	_, err := a.changeRole(ctx, call, key.PutTrustPolicy, name, func(v *guard.Visit, r *Role) error {
		r.Trust = doc
		return a.storeRole(ctx, v, r)
	})
	return err
}

// findRole returns a role of the caller's realm by its name or its short name,
// its whole name where it is found, and an error where it is not.
func (a *Admin) findRole(call *key.Call, name string) (*Role, string, error) {
	realm := call.Caller.Principal.Realm
	s := a.directory.current.Load()
	if r, ok := s.roles[userRow(realm, name)]; ok {
		return r.Role, r.Name, nil
	}
	for _, r := range s.roles {
		if r.Realm == realm && r.ShortName() == name {
			return r.Role, r.Name, nil
		}
	}
	return nil, name, &fault.Error{
		Kind: fault.NotFound, Resource: roleResource(realm, name).String(), Public: "role " + name + " does not exist",
	}
}

// roleTarget is the target of an action on a role, which may be missing.
func (a *Admin) roleTarget(call *key.Call, action key.Action, name string, r *Role) guard.Target {
	t := guard.Target{Action: action, Resource: roleResource(call.Caller.Principal.Realm, name)}
	if r != nil {
		t.Attributes = &policy.Attributes{ResourceTags: r.Tags}
	}
	return t
}

// changeRole authorises an action on a role and runs change, under the lock,
// with a copy of the role.
func (a *Admin) changeRole(
	ctx context.Context, call *key.Call, action key.Action, name string, change func(*guard.Visit, *Role) error,
) (*Role, error) {
	return guard.Do(ctx, a.guard, call, action, func(v *guard.Visit) (*Role, error) {
		a.directory.mu.Lock() // before judging, as changeUser says
		defer a.directory.mu.Unlock()
		r, name, missing := a.findRole(call, name)
		if err := v.Authorize(a.roleTarget(call, action, name, r)); err != nil {
			return nil, err
		}
		if missing != nil {
			return nil, missing
		}
		changed := *r
		changed.Policies = maps.Clone(r.Policies)
		return &changed, change(v, &changed)
	})
}

// storeRole checks, records and stores a role and makes it visible. The lock
// is held.
func (a *Admin) storeRole(ctx context.Context, v *guard.Visit, r *Role) error {
	switch {
	case len(r.Trust.Text) > MaxTrust:
		return fault.Because(fault.LimitExceeded, fault.PolicyTooLong, "a trust policy has at most %d bytes", MaxTrust)
	case len([]rune(r.Description)) > MaxDescription:
		return fault.New(fault.InvalidArgument, "a description has at most %d characters", MaxDescription)
	case r.MaxSession < MinRoleSession || r.MaxSession > MaxRoleSession:
		return fault.New(fault.InvalidArgument, "the longest session of a role is from %s to %s", MinRoleSession, MaxRoleSession)
	}
	row, err := rowOfRole(r)
	if err != nil {
		return err
	}
	next := a.directory.current.Load().clone()
	if err := a.directory.setRole(next, r); err != nil {
		return err
	}
	return a.put(ctx, v, store.Roles, row, next)
}

// put records and stores a row and makes the state with it visible. The lock
// is held.
func (a *Admin) put(ctx context.Context, v *guard.Visit, t *store.Table, row store.Row, next *state) error {
	return v.Commit(ctx, func() error {
		err := a.directory.store.Update(ctx, func(tx store.Tx) error { return tx.Put(t, row) })
		if err == nil {
			a.directory.current.Store(next)
		}
		return err
	})
}

// checkRoleName refuses names of roles that IAM would, and some more in paths.
func checkRoleName(name string) error {
	parts := strings.Split(name, "/")
	path := len(name) - len(parts[len(parts)-1])
	for _, part := range parts {
		if checkName(part) != nil || path > MaxRolePath {
			return fault.New(fault.InvalidArgument,
				"a role's name, and each part of the path before it, has 1 to %d letters, digits and +=,.@_- characters", MaxRoleName)
		}
	}
	return nil
}
