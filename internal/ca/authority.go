package ca

import (
	"context"
	"crypto/x509"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// Type says where an authority's certificate comes from.
type Type string

// The types.
const (
	Root        Type = "root"        // signs its own certificate
	Subordinate Type = "subordinate" // has it from another authority, here or elsewhere
)

// Mode says what an authority issues.
type Mode string

// The modes.
const (
	GeneralPurpose Mode = "general-purpose"
	ShortLived     Mode = "short-lived" // certificates for at most MaxShortLife
)

// MaxShortLife is the longest validity of what a ShortLived authority issues.
const MaxShortLife = 7 * day

// Authority is a certificate authority. It is never changed once handed out.
type Authority struct {
	// Name is unique in the realm, "" for an authority that is known by its id
	// alone.
	ID, Name string
	Realm    key.RealmID
	Region   string
	Type     Type
	Mode     Mode
	// Key is the CA key's id; Spec and Algorithm say what it is and how it
	// signs. KeyOwned tells that the authority made the key for itself: it goes
	// when the authority goes.
	Key       key.ID
	KeyOwned  bool
	Spec      alg.Spec
	Algorithm alg.Algorithm
	// KeyStandard is a standard for the storage of the key that was asked for,
	// in the words of the API that has such: kept to be told again, no promise.
	KeyStandard string
	// Parent is the issuing authority's id, "" for a root and for one whose
	// issuer is not here.
	Parent string
	// Certificate is the authority's own, in DER, nil before it has one; Chain
	// are those of its issuers, up to and including the root's.
	Certificate []byte
	Chain       [][]byte
	// Past are the certificates for the same key that Certificate took the
	// place of, oldest first; Cross are those that other issuers gave to it
	// beside (RFC 4158 section 1.5.2).
	Past, Cross [][]byte
	// CSR is the request (PKCS #10 in DER) with which the authority was made,
	// nil if it was made with its certificate.
	CSR []byte
	// Subject is known from the start, Serial and the rest with the
	// certificate.
	Subject, Serial     string
	NotBefore, NotAfter time.Time
	// PathLen is how many authorities may stand below, -1 for no limit.
	PathLen    int
	State      State
	Revocation RevocationConfig
	Tags       []key.Tag // sorted by their keys
	// Policy is the authority's own, with an empty Text where it has none.
	Policy      key.Document
	Permissions []Permission // sorted by their principals
	// Predecessor is the authority that this one takes over from with a new
	// key, Successor the one that took over from this one.
	Predecessor, Successor string
	CreatedAt, UpdatedAt   time.Time
	// StateChangedAt is when State began, DeleteAt when a deleted authority is
	// destroyed.
	StateChangedAt, DeleteAt time.Time

	cert     *x509.Certificate // nil before there is one
	public   *engine.PublicKey // of the CA key
	compiled *policy.Policy    // of Policy, nil where there is none
}

// X509 returns the authority's certificate, parsed; nil before it has one.
// Nobody changes it.
func (a *Authority) X509() *x509.Certificate { return a.cert }

// Public returns the public half of the CA key; nil while the authority is
// Creating.
func (a *Authority) Public() *engine.PublicKey { return a.public }

// Resource returns the authority as the object of a decision.
func (a *Authority) Resource() key.Resource {
	return resource(a.Realm, a.Region, key.KindAuthority, a.ID)
}

// Target returns what to authorise for an action on the authority: with its
// own policy and its permissions.
func (a *Authority) Target(action key.Action) guard.Target {
	return guard.Target{Action: action, Resource: a.Resource(), Policy: a.compiled, Grants: a.grants()}
}

// Publishes reports whether the authority has anything to publish: once it
// had a certificate, its CRL and OCSP answers go on until it is destroyed.
func (a *Authority) Publishes() bool {
	return a.cert != nil && a.State != Creating && a.State != Failed
}

// Presented returns the certificates that a server presents beside one of the
// authority's: the authority's and its issuers', without the root's.
func (a *Authority) Presented() [][]byte {
	if len(a.Chain) == 0 {
		return nil
	}
	return append([][]byte{a.Certificate}, a.Chain[:len(a.Chain)-1]...)
}

// describe fills the fields that the certificate tells.
func (a *Authority) describe() {
	a.Subject, a.Serial = a.cert.Subject.String(), cert.SerialText(a.cert.SerialNumber)
	a.NotBefore, a.NotAfter, a.PathLen = a.cert.NotBefore, a.cert.NotAfter, a.cert.MaxPathLen
}

// at returns the authority as it is at a time.
func (a *authority) at(now time.Time) *Authority {
	state := a.state(now)
	if state == a.State {
		return &a.Authority
	}
	out := a.Authority
	if out.State = state; state == Expired {
		out.StateChangedAt = a.NotAfter
	}
	return &out
}

// usable returns nil when the authority may issue, else a WrongState error.
func (a *authority) usable(now time.Time) error {
	if err := a.permit(key.IssueCertificate, now); err != nil {
		return err
	}
	if now.Before(a.NotBefore) {
		return fault.New(fault.WrongState, "the authority's certificate is not valid yet")
	}
	return nil
}

// short returns the longest validity that the authority's mode allows, 0 for
// any.
func (a *authority) short() time.Duration {
	if a.Mode == ShortLived {
		return MaxShortLife
	}
	return 0
}

// Authority returns the authority with the id or name.
func (s *Service) Authority(ctx context.Context, call *key.Call, idOrName string) (*Authority, error) {
	return s.read(ctx, call, key.DescribeAuthority, idOrName)
}

// read authorises an action that only reads the authority's record.
func (s *Service) read(ctx context.Context, call *key.Call, action key.Action, idOrName string) (*Authority, error) {
	return guard.Do(ctx, s.guard, call, action, func(v *guard.Visit) (*Authority, error) {
		a, err := s.visit(call, v, action, idOrName)
		if err != nil {
			return nil, err
		}
		now := s.now()
		return a.at(now), a.permit(action, now)
	})
}

// AuthorityCertificate returns an authority that has a certificate, to a
// caller who may read that.
func (s *Service) AuthorityCertificate(ctx context.Context, call *key.Call, idOrName string) (*Authority, error) {
	a, err := s.read(ctx, call, key.GetAuthorityCertificate, idOrName)
	if err == nil && a.cert == nil { // its key went before its certificate came
		return nil, Pending.refuse()
	}
	return a, err
}

// visit finds an authority and authorises an action on it.
func (s *Service) visit(call *key.Call, v *guard.Visit, action key.Action, idOrName string) (*authority, error) {
	a, err := s.find(call, idOrName)
	if err != nil {
		v.About(resource(call.Caller.Principal.Realm, call.Region, key.KindAuthority, idOrName))
		return nil, err
	}
	return a, s.authorize(v, a.Target(action))
}

// authorize asks for a target that may be another realm's. An authority's
// policy can let callers of other realms use it; it cannot let them manage it.
func (s *Service) authorize(v *guard.Visit, t guard.Target) error {
	if t.Resource.Realm != v.Call.Caller.Principal.Realm && !shared(t.Action) {
		return v.Deny(t, fault.NoResourcePolicyAllows, "the action is for callers of the authority's own realm")
	}
	return v.Authorize(t)
}

// shared reports whether an authority's policy can allow the action to
// callers of other realms ("Resource-based policies", AWS Private CA User
// Guide; there as well it is all that shared authorities are for).
func shared(action key.Action) bool {
	switch action { //nolint:exhaustive // the rest is for the authority's realm
	case key.DescribeAuthority, key.GetAuthorityCertificate, key.ListPermissions, key.ListAuthorityTags,
		key.IssueCertificate, key.GetCertificate, key.ListCertificates, key.RevokeCertificate, key.GetCRL:
		return true
	}
	return false
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
