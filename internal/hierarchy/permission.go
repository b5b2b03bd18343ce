package hierarchy

import (
	"cmp"
	"context"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/authority"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// CreatePermission lets a service of a realm ("" for the authority's own) do
// some of PermissionActions with the authority. A service has one permission
// for a realm; a second one is an AlreadyExists error.
func (s *Service) CreatePermission(ctx context.Context, call *key.Call, idOrName string, p authority.Permission) (*authority.Authority, error) {
	return s.change(ctx, call, &change{
		authority: idOrName, action: key.CreatePermission,
		edit: func(a *authority.Entry) error {
			if err := p.Check(); err != nil {
				return err
			}
			p.Realm = cmp.Or(p.Realm, a.Realm)
			p.CreatedAt = s.r.Now().UTC()
			if a.Permission(p.Principal, p.Realm) >= 0 {
				return fault.New(fault.AlreadyExists, "the authority has a permission for %s", p.Principal)
			}
			if len(a.Permissions) >= authority.MaxPermissions {
				return fault.New(fault.LimitExceeded, "an authority has at most %d permissions", authority.MaxPermissions)
			}
			a.Permissions = append(slices.Clone(a.Permissions), p)
			slices.SortFunc(a.Permissions, func(p, q authority.Permission) int {
				return cmp.Or(cmp.Compare(p.Principal, q.Principal), cmp.Compare(p.Realm, q.Realm))
			})
			return nil
		},
	})
}

// DeletePermission takes a service's permission for a realm ("" for the
// authority's own) back. One that is not there is a NotFound error.
func (s *Service) DeletePermission(ctx context.Context, call *key.Call, idOrName, principal string, realm key.RealmID) (*authority.Authority, error) {
	return s.change(ctx, call, &change{
		authority: idOrName, action: key.DeletePermission,
		edit: func(a *authority.Entry) error {
			i := a.Permission(principal, cmp.Or(realm, a.Realm))
			if i < 0 {
				return fault.New(fault.NotFound, "the authority has no permission for %s", principal)
			}
			a.Permissions = slices.Delete(slices.Clone(a.Permissions), i, i+1)
			return nil
		},
	})
}

// ListPermissions returns an authority with its permissions.
func (s *Service) ListPermissions(ctx context.Context, call *key.Call, idOrName string) (*authority.Authority, error) {
	return s.read(ctx, call, key.ListPermissions, idOrName)
}
