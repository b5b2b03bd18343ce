// Package ca is the certificate authority: authorities whose keys are
// ordinary keys behind the door (package kms), issuing, revoking and
// revocation lists. Every certificate is linted before its signature
// exists (package lint), recorded before it leaves, and stored.
//
// Start with Service. authority.go and create.go make authorities, issue.go
// certificates, of the kinds that package profile describes and profiles.go
// stores; revoke.go and crl.go are about the end of a
// certificate. record.go has the formats of what is stored.
package ca

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/lint"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/token"
	"github.com/holdfast-kms/holdfast/internal/weakkey"
)

// Keys is what authorities need of the door. *kms.Service is it. It has six
// methods because issuing for a key that Holdfast makes is two of them, and
// an authority's own key two.
type Keys interface {
	// Delegate lets the grantee ("ca/" and the authority's id) sign with the
	// caller's key from now on.
	Delegate(ctx context.Context, call *key.Call, ref kms.Ref, grantee string) (*key.Key, error)
	// DelegatedSigner signs with that key, as the grantee, whoever calls. Each
	// signature is authorised, checked against the key's state and recorded.
	DelegatedSigner(ctx context.Context, call *key.Call, grantee string, id key.ID, a alg.Algorithm) (crypto.Signer, error)
	// CreateKey makes a key as the caller, with its alias or not at all.
	CreateKey(ctx context.Context, call *key.Call, req *kms.CreateKeyRequest) (*key.Key, error)
	// PublicKey returns a key's public half as the caller.
	PublicKey(ctx context.Context, call *key.Call, ref kms.Ref) (*kms.PublicKeyResult, error)
	// Entrust makes a key that is the grantee's own.
	Entrust(ctx context.Context, call *key.Call, grantee string, req *kms.ImportKeyRequest) (*key.Key, error)
	// EndEntrusted schedules the deletion of such a key.
	EndEntrusted(ctx context.Context, call *key.Call, grantee string, id key.ID) error
}

// Config says what a Service works with. All fields but PublicURL, Compile,
// WeakKeys and Now are needed.
type Config struct {
	Keys  Keys
	Guard *guard.Guard
	Store store.Store
	// PublicURL is where everybody reaches front/pki, such as
	// "http://pki.example.com": certificates name their issuer's CRL and
	// certificate under it. Empty leaves these names out.
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

// Service is the certificate authority. All methods may be called at the same
// time.
type Service struct {
	keys      Keys
	guard     *guard.Guard
	store     store.Store
	publicURL string
	compile   func(key.Document) (*policy.Policy, error)
	now       func() time.Time
	lints     *lint.Linter
	onRevoked []func(*Certificate, time.Time)
	tokens    *token.Book

	mu       sync.Mutex // held while live or profiles is replaced
	live     atomic.Pointer[snapshot]
	profiles atomic.Pointer[profiles]
	issued   atomic.Pointer[func(*Certificate)] // see OnIssued
	known    known
}

// snapshot is all authorities at one time. It is never changed.
type snapshot struct {
	byID   map[string]*authority
	byName map[string]*authority // by realm, "/" and name; those that have one
}

// authority is an Authority ready for use. It is never changed.
type authority struct {
	Authority
	// path is the certificate and its chain, parsed.
	path []*x509.Certificate
	// lost says that the CA key turned out to be gone.
	lost bool
	// before is the state that a deleted authority had.
	before State
	// held is the state before its certificate was revoked, perhaps not for
	// good.
	held State
	// changed is when the authority revoked or released last. It never stands
	// still, so that it tells which changes a list has seen.
	changed time.Time
}

// New loads the authorities and returns the Service.
func New(ctx context.Context, c Config) (*Service, error) {
	s := &Service{
		keys: c.Keys, guard: c.Guard, store: c.Store, publicURL: strings.TrimSuffix(c.PublicURL, "/"), now: c.Now,
		compile: c.Compile, lints: lint.New(),
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.tokens = token.New(c.Store, s.now)
	if s.compile == nil {
		s.compile = func(key.Document) (*policy.Policy, error) {
			return nil, fault.New(fault.Unsupported, "authorities have no policies here")
		}
	}
	s.known.service = s
	s.lints.Know(s.knowledge(c.WeakKeys))
	if err := s.load(ctx); err != nil {
		return nil, fmt.Errorf("loading authorities: %w", err)
	}
	known, err := loadProfiles(ctx, c.Store)
	if err != nil {
		return nil, fmt.Errorf("loading profiles: %w", err)
	}
	s.profiles.Store(known)
	return s, nil
}

// publish makes authorities, or new states of them, visible. s.mu is held.
func (s *Service) publish(list ...*authority) {
	next := s.live.Load().clone()
	for _, a := range list {
		next.remove(a.ID)
	}
	for _, a := range list {
		next.add(a)
	}
	s.live.Store(next)
}

// withdraw makes an authority invisible. s.mu is held.
func (s *Service) withdraw(id string) {
	next := s.live.Load().clone()
	next.remove(id)
	s.live.Store(next)
}

func (n *snapshot) clone() *snapshot {
	return &snapshot{byID: maps.Clone(n.byID), byName: maps.Clone(n.byName)}
}

func (n *snapshot) add(a *authority) {
	n.byID[a.ID] = a
	if a.Name != "" {
		n.byName[nameKey(a.Realm, a.Name)] = a
	}
}

// remove takes an authority out, and its name if that is still its own.
func (n *snapshot) remove(id string) {
	a, ok := n.byID[id]
	if !ok {
		return
	}
	delete(n.byID, id)
	if name := nameKey(a.Realm, a.Name); n.byName[name] == a {
		delete(n.byName, name)
	}
}

func nameKey(realm key.RealmID, name string) string { return string(realm) + "/" + name }

// find returns the authority of the call's realm that has the id or name. One
// of another realm is found by its id, and only if its policy knows the
// caller: to all others it does not exist.
func (s *Service) find(call *key.Call, idOrName string) (*authority, error) {
	snap, realm := s.live.Load(), call.Caller.Principal.Realm
	a, ok := snap.byID[idOrName]
	if ok && (a.Realm == realm || a.compiled != nil && a.compiled.Knows(call.Caller.Principal, a.Realm)) {
		return a, nil
	}
	if a, ok := snap.byName[nameKey(realm, idOrName)]; ok && idOrName != "" {
		return a, nil
	}
	return nil, &fault.Error{
		Kind: fault.NotFound, Resource: resource(realm, call.Region, key.KindAuthority, idOrName).String(),
		Public: "the authority does not exist",
	}
}

// usable returns nil when the authority may issue at a time, else a
// WrongState error. What a revoked authority issued is good for nobody, nor
// what those below it did.
func (s *Service) usable(a *authority, now time.Time) error {
	if err := a.usable(now); err != nil {
		return err
	}
	snap := s.live.Load()
	for up := snap.byID[a.Parent]; up != nil; up = snap.byID[up.Parent] {
		if up.State == Revoked {
			return fault.New(fault.WrongState, "the certificate of an authority above, %s, is revoked", up.Name)
		}
	}
	return nil
}

func resource(realm key.RealmID, region string, kind key.ResourceKind, id string) key.Resource {
	return key.Resource{Kind: kind, Realm: realm, Region: region, ID: id}
}

// certificate returns one of the authority's certificates as the object of a
// decision.
func (a *authority) certificate(serial string) key.Resource {
	return resource(a.Realm, a.Region, key.KindCertificate, CertificateID(a.ID, serial))
}

// grantee is the name of an authority as the holder of a grant.
func grantee(id string) string { return "ca/" + id }

// newID returns the id of a new authority.
func newID() (string, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return "", fmt.Errorf("making an id: %w", err)
	}
	return id.String(), nil
}
