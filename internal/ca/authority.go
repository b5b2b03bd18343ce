package ca

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
)

// State is an authority's place in its life.
type State string

// The states.
const (
	Active  State = "active"
	Expired State = "expired" // its certificate's time is over
	Revoked State = "revoked" // its parent revoked its certificate
)

// Authority is a certificate authority. It is never changed once handed out.
type Authority struct {
	ID, Name string
	Realm    key.RealmID
	Region   string
	// Key is the CA key's id; Spec and Algorithm say what it is and how it
	// signs.
	Key       key.ID
	Spec      alg.Spec
	Algorithm alg.Algorithm
	// Parent is the issuing authority's id, "" for a root.
	Parent string
	// Certificate is the authority's own, in DER; Chain are those of its
	// issuers, up to and including the root's.
	Certificate         []byte
	Chain               [][]byte
	Subject, Serial     string
	NotBefore, NotAfter time.Time
	// PathLen is how many authorities may stand below, -1 for no limit.
	PathLen   int
	State     State
	CreatedAt time.Time
	CRLNumber uint64
}

// describe fills the fields that the certificate tells.
func (a *authority) describe() {
	a.Subject, a.Serial = a.cert.Subject.String(), cert.SerialText(a.cert.SerialNumber)
	a.NotBefore, a.NotAfter, a.PathLen = a.cert.NotBefore, a.cert.NotAfter, a.cert.MaxPathLen
}

// at returns the authority as it is at a time.
func (a *authority) at(now time.Time) *Authority {
	out := a.Authority
	if out.State == Active && now.After(out.NotAfter) {
		out.State = Expired
	}
	return &out
}

// usable returns nil when the authority may issue, else a WrongState error.
func (a *authority) usable(now time.Time) error {
	switch {
	case a.State == Revoked:
		return fault.New(fault.WrongState, "the authority's certificate is revoked")
	case now.After(a.cert.NotAfter):
		return fault.New(fault.WrongState, "the authority's certificate has expired")
	case now.Before(a.cert.NotBefore):
		return fault.New(fault.WrongState, "the authority's certificate is not valid yet")
	}
	return nil
}

// Authority returns the authority with the id or name.
func (s *Service) Authority(ctx context.Context, call *key.Call, idOrName string) (*Authority, error) {
	return guard.Do(ctx, s.guard, call, key.DescribeAuthority, func(v *guard.Visit) (*Authority, error) {
		a, err := s.visit(call, v, key.DescribeAuthority, idOrName)
		if err != nil {
			return nil, err
		}
		return a.at(s.now()), nil
	})
}

// visit finds an authority and authorises an action on it.
func (s *Service) visit(call *key.Call, v *guard.Visit, action key.Action, idOrName string) (*authority, error) {
	a, err := s.find(call, idOrName)
	if err != nil {
		v.About(resource(call.Caller.Principal.Realm, call.Region, key.KindAuthority, idOrName))
		return nil, err
	}
	return a, v.Authorize(guard.Target{Action: action, Resource: a.resource()})
}

// Authorities returns a page of the realm's authorities in the order of their
// ids, and where the next page begins, "" at the end.
func (s *Service) Authorities(ctx context.Context, call *key.Call, page kms.Page) ([]*Authority, string, error) {
	type listing struct {
		list []*Authority
		next string
	}
	out, err := guard.Do(ctx, s.guard, call, key.ListAuthorities, func(v *guard.Visit) (listing, error) {
		realm := call.Caller.Principal.Realm
		if err := v.Authorize(guard.Target{Action: key.ListAuthorities, Resource: key.Resource{Realm: realm, Region: call.Region}}); err != nil {
			return listing{}, err
		}
		var l listing
		for _, a := range s.realm(realm) {
			if a.ID <= page.After {
				continue
			}
			if len(l.list) == limitOf(page) {
				l.next = l.list[len(l.list)-1].ID
				break
			}
			l.list = append(l.list, a.at(s.now()))
		}
		return l, nil
	})
	return out.list, out.next, err
}

// realm returns a realm's authorities in the order of their ids.
func (s *Service) realm(realm key.RealmID) []*authority {
	all := s.live.Load().byID
	var list []*authority
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if all[id].Realm == realm {
			list = append(list, all[id])
		}
	}
	return list
}

// MaxPage is the largest page of a listing.
const MaxPage = 1000

// limitOf returns how many entries a page has.
func limitOf(p kms.Page) int {
	if p.Limit < 1 || p.Limit > MaxPage {
		return MaxPage
	}
	return p.Limit
}

// dryRun is the answer to a call that asked for every check and no effect.
func dryRun() error {
	return fault.Because(fault.InvalidArgument, fault.DryRun, "the call would have succeeded, had it not been a dry run")
}
