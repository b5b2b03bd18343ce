package ca

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Permission lets a service use an authority beside what its policy says.
type Permission struct {
	// Principal is the service's name, in the words of whoever set it.
	Principal string
	// Realm is that of the things for which the service acts.
	Realm     key.RealmID
	Actions   []key.Action // in the order of package key
	CreatedAt time.Time
}

// Limits of permissions.
const (
	maxPermissions = 20
	maxPrincipal   = 128 // bytes
)

// PermissionActions returns the actions that a permission may have.
func PermissionActions() []key.Action {
	return []key.Action{key.IssueCertificate, key.GetCertificate, key.ListPermissions}
}

// grants returns the permissions as what a decision knows.
func (a *Authority) grants() []key.Grant {
	if len(a.Permissions) == 0 {
		return nil
	}
	list := make([]key.Grant, len(a.Permissions))
	for i, p := range a.Permissions {
		list[i] = key.Grant{
			ID: "permission of " + p.Principal, Actions: p.Actions, CreatedAt: p.CreatedAt,
			Grantee: key.Principal{Realm: p.Realm, Kind: key.Service, Name: p.Principal},
		}
	}
	return list
}

// CreatePermission lets a service of a realm ("" for the authority's own) do
// some of PermissionActions with the authority. A service has one permission
// for a realm; a second one is an AlreadyExists error.
func (s *Service) CreatePermission(ctx context.Context, call *key.Call, idOrName string, p Permission) (*Authority, error) {
	return s.change(ctx, call, &change{
		authority: idOrName, action: key.CreatePermission,
		edit: func(a *authority) error {
			if err := p.check(); err != nil {
				return err
			}
			p.Realm = cmp.Or(p.Realm, a.Realm)
			p.CreatedAt = s.now().UTC()
			if a.permission(p.Principal, p.Realm) >= 0 {
				return fault.New(fault.AlreadyExists, "the authority has a permission for %s", p.Principal)
			}
			if len(a.Permissions) >= maxPermissions {
				return fault.New(fault.LimitExceeded, "an authority has at most %d permissions", maxPermissions)
			}
			a.Permissions = append(slices.Clone(a.Permissions), p)
			slices.SortFunc(a.Permissions, func(p, q Permission) int {
				return cmp.Or(cmp.Compare(p.Principal, q.Principal), cmp.Compare(p.Realm, q.Realm))
			})
			return nil
		},
	})
}

// check refuses what is no permission, and brings its actions in order.
func (p *Permission) check() error {
	if p.Principal == "" || len(p.Principal) > maxPrincipal ||
		slices.ContainsFunc([]byte(p.Principal), func(b byte) bool { return b <= ' ' || b > '~' }) {
		return fault.New(fault.InvalidArgument, "a permission is for a service with a name of 1 to %d printable characters", maxPrincipal)
	}
	if p.Realm != "" && !p.Realm.Valid() {
		return fault.New(fault.InvalidArgument, "%q is no realm", p.Realm)
	}
	for _, action := range p.Actions {
		if !slices.Contains(PermissionActions(), action) {
			return fault.New(fault.InvalidArgument, "a permission is not for the action %s", action)
		}
	}
	if len(p.Actions) == 0 {
		return fault.New(fault.InvalidArgument, "a permission has at least one action")
	}
	p.Actions = slices.Compact(slices.Sorted(slices.Values(p.Actions)))
	return nil
}

// permission returns the place of a service's permission, or -1.
func (a *Authority) permission(principal string, realm key.RealmID) int {
	return slices.IndexFunc(a.Permissions, func(p Permission) bool { return p.Principal == principal && p.Realm == realm })
}

// DeletePermission takes a service's permission for a realm ("" for the
// authority's own) back. One that is not there is a NotFound error.
func (s *Service) DeletePermission(ctx context.Context, call *key.Call, idOrName, principal string, realm key.RealmID) (*Authority, error) {
	return s.change(ctx, call, &change{
		authority: idOrName, action: key.DeletePermission,
		edit: func(a *authority) error {
			i := a.permission(principal, cmp.Or(realm, a.Realm))
			if i < 0 {
				return fault.New(fault.NotFound, "the authority has no permission for %s", principal)
			}
			a.Permissions = slices.Delete(slices.Clone(a.Permissions), i, i+1)
			return nil
		},
	})
}

// ListPermissions returns an authority with its permissions.
func (s *Service) ListPermissions(ctx context.Context, call *key.Call, idOrName string) (*Authority, error) {
	return s.read(ctx, call, key.ListPermissions, idOrName)
}
