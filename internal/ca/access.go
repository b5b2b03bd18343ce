package ca

import (
	"maps"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// What the packages built on authorities (status, inventory, managed) need
// of them beside the operations that callers ask for.

// ByID returns the authority with the id, of any realm, for what is published
// to everybody. It asks for no decision.
func (s *Service) ByID(id string) (*Authority, bool) {
	a, ok := s.live.Load().byID[id]
	if !ok {
		return nil, false
	}
	return a.at(s.now()), true
}

// All returns every authority of every realm in the order of their ids. It
// asks for no decision.
func (s *Service) All() []*Authority {
	all, now := s.live.Load().byID, s.now()
	list := make([]*Authority, 0, len(all))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[id].at(now))
	}
	return list
}

// Find returns the authority that a call names, for whoever then authorises
// Authority.Target. Those of other realms are found by their ids alone, and
// only if their policies know the caller.
func (s *Service) Find(call *key.Call, idOrName string) (*Authority, error) {
	a, err := s.find(call, idOrName)
	if err != nil {
		return nil, err
	}
	return a.at(s.now()), nil
}

// Resource returns the authority as the object of a decision.
func (a *Authority) Resource() key.Resource {
	return resource(a.Realm, a.Region, key.KindAuthority, a.ID)
}

// Target returns what to authorise for an action on the authority.
func (a *Authority) Target(action key.Action) guard.Target {
	return guard.Target{Action: action, Resource: a.Resource()}
}
