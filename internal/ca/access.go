package ca

import (
	"context"
	"maps"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/lint"
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

// Authorize asks for a target of Authority.Target.
func (s *Service) Authorize(v *guard.Visit, t guard.Target) error { return s.authorize(v, t) }

// Sign has the authority with the id sign what passed the lint, by the grant
// that it holds on its key. Whoever calls has authorised it.
func (s *Service) Sign(ctx context.Context, call *key.Call, id string, t *lint.Token) ([]byte, error) {
	a, ok := s.live.Load().byID[id]
	if !ok {
		return nil, noAuthority()
	}
	return s.sign(ctx, call, a, t)
}

// sign has the authority's key sign what passed the lint. The first time that
// the key turns out to be gone, the authority is Failed from then on.
func (s *Service) sign(ctx context.Context, call *key.Call, a *authority, t *lint.Token) ([]byte, error) {
	signer, err := s.keys.DelegatedSigner(ctx, call, grantee(a.ID), a.Key, t.Algorithm())
	if err != nil {
		if fault.KindOf(err) == fault.NotFound {
			s.lose(a.ID)
			return nil, Failed.refuse()
		}
		return nil, err
	}
	return t.Sign(signer)
}

// lose notes that an authority's key does not exist any more. It is not
// stored: the door knows it after a restart as well.
func (s *Service) lose(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.live.Load().byID[id]; ok && !a.lost {
		next := *a
		next.lost, next.StateChangedAt = true, s.now().UTC()
		s.publish(&next)
	}
}

// OwnCall returns the envelope of what an authority does by itself.
func (s *Service) OwnCall(a *Authority, operation string) *key.Call {
	id, err := newID()
	if err != nil {
		id = a.ID // only a name in the log
	}
	return &key.Call{
		Caller: key.Caller{Principal: a.principal(), Method: "internal"}, RequestID: id,
		API: "holdfast", Operation: operation, Region: a.Region, Secure: true, Time: s.now(),
	}
}

// principal is the authority as the one who acts.
func (a *Authority) principal() key.Principal {
	return key.Principal{Realm: a.Realm, Kind: key.Service, Name: grantee(a.ID)}
}

// OwnGrant returns the grant by which an authority acts on itself: it lets
// OwnCall be authorised for UpdateAuthority, which is what making a CRL or an
// OCSP answer is.
func (a *Authority) OwnGrant() key.Grant {
	return key.Grant{ID: a.ID, Grantee: a.principal(), Actions: []key.Action{key.UpdateAuthority}}
}

func noAuthority() error { return fault.New(fault.NotFound, "the authority does not exist") }
