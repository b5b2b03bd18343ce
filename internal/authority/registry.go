package authority

import (
	"context"
	"crypto"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/lint"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/weakkey"
)

// Signers signs with the keys of authorities. *kms.Service is one.
type Signers interface {
	// DelegatedSigner signs with a key that was delegated to the grantee, as
	// the grantee, whoever calls. Each signature is authorised, checked against
	// the key's state and recorded.
	DelegatedSigner(ctx context.Context, call *key.Call, grantee string, id key.ID, a alg.Algorithm) (crypto.Signer, error)
}

// Config says what a Registry works with. All fields but PublicURL, Compile,
// WeakKeys and Now are needed.
type Config struct {
	Keys  Signers
	Guard *guard.Guard
	Store store.Store
	// PublicURL is where everybody reaches what authorities publish, "" for
	// nowhere.
	PublicURL string
	// Compile turns the policy of an authority into its canonical form, in
	// whatever dialect it was written. Without it authorities have no policies.
	Compile func(key.Document) (*policy.Policy, error)
	// WeakKeys are keys that nobody gets a certificate for, beside those that
	// the lint finds weak by itself. It may be nil.
	WeakKeys *weakkey.Blocklist
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// Registry has all authorities in memory, as they are stored. All methods may
// be called at the same time; those that change something say who has to hold
// the registry.
type Registry struct {
	Config
	// Lints judges what an authority is about to sign; it knows the authorities.
	Lints *lint.Linter

	mu    sync.Mutex // held while live is replaced, see Hold
	live  atomic.Pointer[snapshot]
	known known
}

// Open loads the authorities of the store.
func Open(ctx context.Context, c Config) (*Registry, error) {
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Compile == nil {
		c.Compile = func(key.Document) (*policy.Policy, error) {
			return nil, fault.New(fault.Unsupported, "authorities have no policies here")
		}
	}
	s := &Registry{Config: c, Lints: lint.New()}
	s.known.registry = s
	s.Lints.Know(s.knowledge(c.WeakKeys))
	if err := s.load(ctx); err != nil {
		return nil, fmt.Errorf("loading authorities: %w", err)
	}
	return s, nil
}

// Hold keeps all others from changing authorities until release is called.
func (s *Registry) Hold() (release func()) {
	s.mu.Lock()
	return s.mu.Unlock
}

// Commit records the call and then stores and publishes new states of
// authorities, with what also writes in the same transaction; also may be
// nil. The registry is held, and was since the states were read.
func (s *Registry) Commit(ctx context.Context, v *guard.Visit, also func(store.Tx) error, list ...*Entry) error {
	err := v.Commit(ctx, func() error {
		return s.Store.Update(ctx, func(tx store.Tx) error {
			if also != nil {
				if err := also(tx); err != nil {
					return err
				}
			}
			return put(tx, list...)
		})
	})
	if err == nil {
		s.Publish(list...)
	}
	return err
}

// put stores new states of authorities.
func put(tx store.Tx, list ...*Entry) error {
	for _, a := range list {
		row, err := a.Row()
		if err != nil {
			return err
		}
		if err := tx.Put(store.Authorities, row); err != nil {
			return err
		}
	}
	return nil
}

// Entry returns the authority with the id, of any realm.
func (s *Registry) Entry(id string) (*Entry, bool) {
	a, ok := s.live.Load().byID[id]
	return a, ok
}

// Entries returns all authorities of every realm by their ids. The map is not
// to be changed.
func (s *Registry) Entries() map[string]*Entry { return s.live.Load().byID }

// Realm returns a realm's authorities in the order of their ids.
func (s *Registry) Realm(realm key.RealmID) []*Entry {
	var list []*Entry
	for _, a := range s.sorted() {
		if a.Realm == realm {
			list = append(list, a)
		}
	}
	return list
}

// sorted returns all authorities in the order of their ids.
func (s *Registry) sorted() []*Entry {
	all := s.Entries()
	list := make([]*Entry, 0, len(all))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[id])
	}
	return list
}

// Named reports whether an authority of the realm has the name.
func (s *Registry) Named(realm key.RealmID, name string) bool {
	_, taken := s.live.Load().byName[nameKey(realm, name)]
	return taken && name != ""
}

// Find returns the authority of the call's realm that has the id or name. One
// of another realm is found by its id, and only if its policy knows the
// caller: to all others it does not exist.
func (s *Registry) Find(call *key.Call, idOrName string) (*Entry, error) {
	snap, realm := s.live.Load(), call.Caller.Principal.Realm
	a, ok := snap.byID[idOrName]
	if ok && (a.Realm == realm || a.compiled != nil && a.compiled.Knows(call.Caller.Principal, a.Realm)) {
		return a, nil
	}
	if a, ok := snap.byName[nameKey(realm, idOrName)]; ok && idOrName != "" {
		return a, nil
	}
	return nil, &fault.Error{
		Kind: fault.NotFound, Resource: Resource(realm, call.Region, idOrName).String(), Public: "the authority does not exist",
	}
}

// NotFound is the error of an authority that does not exist.
func NotFound() error { return fault.New(fault.NotFound, "the authority does not exist") }

// Resource returns an authority as the object of a decision, whether it
// exists or not.
func Resource(realm key.RealmID, region, id string) key.Resource {
	return key.Resource{Kind: key.KindAuthority, Realm: realm, Region: region, ID: id}
}

// Visit finds the authority that the visit's call names.
func (s *Registry) Visit(v *guard.Visit, idOrName string) (*Entry, error) {
	a, err := s.Find(v.Call, idOrName)
	if err != nil {
		v.About(Resource(v.Call.Caller.Principal.Realm, v.Call.Region, idOrName))
	}
	return a, err
}

// Admit finds the authority that the visit's call names and authorises an
// action on it.
func (s *Registry) Admit(v *guard.Visit, action key.Action, idOrName string) (*Entry, error) {
	a, err := s.Visit(v, idOrName)
	if err != nil {
		return nil, err
	}
	return a, Authorize(v, a.Target(action))
}

// Authorize asks for a target that may be another realm's. An authority's
// policy can let callers of other realms use it; it cannot let them manage it.
func Authorize(v *guard.Visit, t guard.Target) error {
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

// AdmitIssue asks whether the call may have the issuer sign a certificate of
// the profile.
func AdmitIssue(v *guard.Visit, issuer *Entry, profileName string) error {
	t := issuer.Target(key.IssueCertificate)
	t.Attributes = &policy.Attributes{Profile: profileName}
	return Authorize(v, t)
}

// Usable returns nil when the authority may issue at a time, else a
// WrongState error. What a revoked authority issued is good for nobody, nor
// what those below it did.
func (s *Registry) Usable(a *Entry, now time.Time) error {
	if err := a.usable(now); err != nil {
		return err
	}
	all := s.Entries()
	for up := all[a.Parent]; up != nil; up = all[up.Parent] {
		if up.State == Revoked {
			return fault.New(fault.WrongState, "the certificate of an authority above, %s, is revoked", up.Name)
		}
	}
	return nil
}

// Compiled returns the canonical form of an authority's policy, nil for none.
func (s *Registry) Compiled(realm key.RealmID, doc key.Document) (*policy.Policy, error) {
	if doc.Text == "" {
		return nil, nil //nolint:nilnil // no policy is a policy
	}
	p, err := s.Compile(doc)
	if err != nil {
		return nil, err
	}
	return p.Beside(realm, "authority policy"), nil
}

// Sign has the authority's key sign what passed the lint, by the grant that
// the authority holds on it. Whoever calls has authorised it. The first time
// that the key turns out to be gone, the authority is Failed from then on.
func (s *Registry) Sign(ctx context.Context, call *key.Call, a *Entry, t *lint.Token) ([]byte, error) {
	signer, err := s.Keys.DelegatedSigner(ctx, call, Grantee(a.ID), a.Key, t.Algorithm())
	if err != nil {
		if fault.KindOf(err) == fault.NotFound {
			s.lose(a.ID)
			return nil, Failed.Refusal()
		}
		return nil, err
	}
	return t.Sign(signer)
}

// lose notes that an authority's key does not exist any more. It is not
// stored: the door knows it after a restart as well.
func (s *Registry) lose(id string) {
	defer s.Hold()()
	if a, ok := s.Entry(id); ok && !a.lost {
		next := *a
		next.lost, next.StateChangedAt = true, s.Now().UTC()
		s.Publish(&next)
	}
}

// OwnCall returns the envelope of what an authority does by itself.
func (s *Registry) OwnCall(a *Authority, operation string) *key.Call {
	call := guard.OwnCall(a.Realm, a.Region, Grantee(a.ID), operation, s.Now())
	call.Secure = true
	return call
}

// Grantee is the name of an authority as the holder of a grant.
func Grantee(id string) string { return "ca/" + id }

// NewID returns the id of a new authority.
func NewID() (string, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return "", fmt.Errorf("making an id: %w", err)
	}
	return id.String(), nil
}

// DryRun is the answer to a call that asked for every check and no effect.
func DryRun() error {
	return fault.Because(fault.InvalidArgument, fault.DryRun, "the call would have succeeded, had it not been a dry run")
}
