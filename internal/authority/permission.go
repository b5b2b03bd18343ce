package authority

import (
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
	MaxPermissions = 20  // of an authority
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

// Check refuses what is no permission, and brings its actions in order.
func (p *Permission) Check() error {
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

// Permission returns the place of a service's permission, or -1.
func (a *Authority) Permission(principal string, realm key.RealmID) int {
	return slices.IndexFunc(a.Permissions, func(p Permission) bool { return p.Principal == principal && p.Realm == realm })
}
