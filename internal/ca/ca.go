// Package ca is the certificate authority: it issues and revokes. Every
// certificate is linted before its signature exists (package lint), recorded
// before it leaves, and stored (package ledger).
//
// Start with Service. issue.go makes certificates, of the kinds that package
// profile describes and profiles.go stores; revoke.go is about their end. What
// authorities are is in package authority, how they are made and changed in
// package hierarchy: whoever stands above finds all of it here, see names.go.
package ca

import (
	"context"
	"crypto"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/authority"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/hierarchy"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/ledger"
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

// Service is the certificate authority: what package hierarchy does, and
// issuing and revoking. All methods may be called at the same time.
type Service struct {
	*hierarchy.Service
	r         *authority.Registry
	keys      Keys
	ledger    *ledger.Ledger
	tokens    *token.Book
	onRevoked []func(*Certificate, time.Time)

	mu       sync.Mutex // held while profiles is replaced
	profiles atomic.Pointer[profiles]
}

// New loads the authorities and the profiles and returns the Service.
func New(ctx context.Context, c Config) (*Service, error) {
	r, err := authority.Open(ctx, authority.Config{
		Keys: c.Keys, Guard: c.Guard, Store: c.Store, PublicURL: c.PublicURL, Compile: c.Compile, WeakKeys: c.WeakKeys, Now: c.Now,
	})
	if err != nil {
		return nil, err
	}
	s := &Service{r: r, keys: c.Keys, ledger: ledger.New(c.Store), tokens: token.New(c.Store, r.Now)}
	s.Service = hierarchy.New(r, c.Keys, s.ledger, s.tokens)
	known, err := loadProfiles(ctx, c.Store)
	if err != nil {
		return nil, fmt.Errorf("loading profiles: %w", err)
	}
	s.profiles.Store(known)
	return s, nil
}

// What the packages built on authorities (status, inventory, managed) need
// of them beside the operations that callers ask for.

// ByID returns the authority with the id, of any realm, for what is published
// to everybody. It asks for no decision.
func (s *Service) ByID(id string) (*Authority, bool) {
	a, ok := s.r.Entry(id)
	if !ok {
		return nil, false
	}
	return a.At(s.r.Now()), true
}

// All returns every authority of every realm in the order of their ids. It
// asks for no decision.
func (s *Service) All() []*Authority { return s.r.All() }

// Find returns the authority that a call names, for whoever then authorises
// Authority.Target. Those of other realms are found by their ids alone, and
// only if their policies know the caller.
func (s *Service) Find(call *key.Call, idOrName string) (*Authority, error) {
	a, err := s.r.Find(call, idOrName)
	if err != nil {
		return nil, err
	}
	return a.At(s.r.Now()), nil
}

// Authorize asks for a target of Authority.Target.
func (s *Service) Authorize(v *guard.Visit, t guard.Target) error { return authority.Authorize(v, t) }

// Sign has the authority with the id sign what passed the lint, by the grant
// that it holds on its key. Whoever calls has authorised it.
func (s *Service) Sign(ctx context.Context, call *key.Call, id string, t *lint.Token) ([]byte, error) {
	a, ok := s.r.Entry(id)
	if !ok {
		return nil, authority.NotFound()
	}
	return s.r.Sign(ctx, call, a, t)
}

// OwnCall returns the envelope of what an authority does by itself.
func (s *Service) OwnCall(a *Authority, operation string) *key.Call { return s.r.OwnCall(a, operation) }

// ListURLs returns where everybody finds a list, see authority.Registry.
func (s *Service) ListURLs(a *Authority, shard string, delta bool) []string {
	return s.r.ListURLs(a, shard, delta)
}

// ResponderURL returns where everybody asks for the status of one of the
// authority's certificates (RFC 6960), "" where no public address is
// configured.
func (s *Service) ResponderURL(a *Authority) string { return s.r.ResponderURL(a) }

// OnIssued has f called with each certificate that is stored from now on, see
// ledger.Ledger.
func (s *Service) OnIssued(f func(*Certificate)) { s.ledger.OnIssued(f) }
