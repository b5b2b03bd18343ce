// Package hierarchy makes and changes authorities: roots and those below
// them, certificates from elsewhere, renewal, new keys, cross-signing,
// deletion, and what else the owner of an authority does. What an authority
// is, and what its state allows, is in package authority.
//
// Start with Service; create.go and found.go make authorities, import.go and
// renew.go give them certificates, change.go changes the rest.
package hierarchy

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/authority"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/ledger"
	"github.com/holdfast-kms/holdfast/internal/token"
)

// Keys is what making authorities needs of the door. *kms.Service is it.
type Keys interface {
	// Delegate lets the grantee ("ca/" and the authority's id) sign with the
	// caller's key from now on.
	Delegate(ctx context.Context, call *key.Call, ref kms.Ref, grantee string) (*key.Key, error)
	// Entrust makes a key that is the grantee's own.
	Entrust(ctx context.Context, call *key.Call, grantee string, req *kms.ImportKeyRequest) (*key.Key, error)
	// EndEntrusted schedules the deletion of such a key.
	EndEntrusted(ctx context.Context, call *key.Call, grantee string, id key.ID) error
}

// Service makes and changes the authorities of a registry. All methods may be
// called at the same time.
type Service struct {
	r      *authority.Registry
	keys   Keys
	ledger *ledger.Ledger
	tokens *token.Book
}

// New returns the Service for the registry's authorities. Their certificates
// go to the ledger, idempotency tokens to the book.
func New(r *authority.Registry, keys Keys, l *ledger.Ledger, tokens *token.Book) *Service {
	return &Service{r: r, keys: keys, ledger: l, tokens: tokens}
}

// day is the unit of certificates' lives.
const day = 24 * time.Hour

// Authority returns the authority with the id or name.
func (s *Service) Authority(ctx context.Context, call *key.Call, idOrName string) (*authority.Authority, error) {
	return s.read(ctx, call, key.DescribeAuthority, idOrName)
}

// read authorises an action that only reads the authority's record.
func (s *Service) read(ctx context.Context, call *key.Call, action key.Action, idOrName string) (*authority.Authority, error) {
	return guard.Do(ctx, s.r.Guard, call, action, func(v *guard.Visit) (*authority.Authority, error) {
		a, err := s.r.Admit(v, action, idOrName)
		if err != nil {
			return nil, err
		}
		now := s.r.Now()
		return a.At(now), a.Permit(action, now)
	})
}

// AuthorityCertificate returns an authority that has a certificate, to a
// caller who may read that.
func (s *Service) AuthorityCertificate(ctx context.Context, call *key.Call, idOrName string) (*authority.Authority, error) {
	a, err := s.read(ctx, call, key.GetAuthorityCertificate, idOrName)
	if err == nil && a.X509() == nil { // its key went before its certificate came
		return nil, authority.Pending.Refusal()
	}
	return a, err
}

// Authorities returns a page of the realm's authorities in the order of their
// ids, and where the next page begins, "" at the end.
func (s *Service) Authorities(ctx context.Context, call *key.Call, page kms.Page) ([]*authority.Authority, string, error) {
	type listing struct {
		list []*authority.Authority
		next string
	}
	out, err := guard.Do(ctx, s.r.Guard, call, key.ListAuthorities, func(v *guard.Visit) (listing, error) {
		realm := call.Caller.Principal.Realm
		if err := v.Authorize(guard.Target{Action: key.ListAuthorities, Resource: key.Resource{Realm: realm, Region: call.Region}}); err != nil {
			return listing{}, err
		}
		var l listing
		for _, a := range s.r.Realm(realm) {
			if a.ID <= page.After {
				continue
			}
			if len(l.list) == Limit(page) {
				l.next = l.list[len(l.list)-1].ID
				break
			}
			l.list = append(l.list, a.At(s.r.Now()))
		}
		return l, nil
	})
	return out.list, out.next, err
}

// MaxPage is the largest page of a listing.
const MaxPage = 1000

// Limit returns how many entries a page has.
func Limit(p kms.Page) int {
	if p.Limit < 1 || p.Limit > MaxPage {
		return MaxPage
	}
	return p.Limit
}
