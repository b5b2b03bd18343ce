package identity

import (
	"cmp"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// Holder is somebody who has policies: a user or a role.
type Holder struct {
	// Principal is who it is, Acts who decisions are about: of a role, a session.
	Principal, Acts key.Principal
	Policies        []*policy.Policy
}

// Holders returns the users and roles of a realm that have policies, in order
// of their names. It asks for no decision.
func (d *Directory) Holders(realm key.RealmID) []Holder {
	var list []Holder
	s := d.current.Load()
	for row, u := range s.users {
		if p := s.policies[row]; u.Realm == realm && len(p) > 0 {
			who := key.Principal{Realm: realm, Kind: key.User, Name: u.Name}
			list = append(list, Holder{who, who, p})
		}
	}
	for _, r := range s.roles {
		if r.Realm == realm && len(r.policies) > 0 {
			who := key.Principal{Realm: realm, Kind: key.Role, Name: r.Name}
			list = append(list, Holder{who, key.Principal{Realm: realm, Kind: key.Session, Name: r.Name + "/compliance"}, r.policies})
		}
	}
	slices.SortFunc(list, func(a, b Holder) int { return cmp.Compare(a.Principal.String(), b.Principal.String()) })
	return list
}
