// Package managed keeps certificates together with their keys: a managed
// certificate is an id that stays while what is behind it is renewed. It is
// either asked of an authority, with a key that Holdfast makes, or brought by
// its owner with its key.
//
// Start with Service. request.go and imports.go make managed certificates,
// read.go shows them, change.go has the rest of their life. Renewals: outlook.go
// says when and why, clock.go does what is due, renew.go renews, plan.go lists
// what is to come. record.go has the formats of what is stored.
//
// The package is internal and may change with any release; records that a
// release of v1 wrote stay readable.
package managed

import (
	"cmp"
	"context"
	"crypto"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/lease"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/token"
)

// Keys is what managed certificates need of the door. *kms.Service is it.
type Keys interface {
	// Entrust makes or imports a key that is the grantee's own.
	Entrust(ctx context.Context, call *key.Call, grantee string, req *kms.ImportKeyRequest) (*key.Key, error)
	// DelegatedSigner signs with it.
	DelegatedSigner(ctx context.Context, call *key.Call, grantee string, id key.ID, a alg.Algorithm) (crypto.Signer, error)
	// ExportEntrusted returns its material.
	ExportEntrusted(ctx context.Context, call *key.Call, grantee string, id key.ID) (*kms.ExportedKey, error)
	// EndEntrusted has it destroyed after the shortest waiting period.
	EndEntrusted(ctx context.Context, call *key.Call, grantee string, id key.ID) error
}

// Authorities is what managed certificates need of the authorities.
// *ca.Service is it.
type Authorities interface {
	Issue(ctx context.Context, call *key.Call, req *ca.IssueRequest) (*ca.Issued, error)
	Revoke(ctx context.Context, call *key.Call, authority, serial string, reason ca.Reason) (*ca.Certificate, error)
	ByID(id string) (*ca.Authority, bool)
	FindProfile(realm key.RealmID, name string) (*profile.Profile, bool)
	// Outlook is another text when anything has changed that renewals depend on.
	Outlook() string
}

// Config says what a Service works with. All fields but Principal, PerMinute
// and Now are needed.
type Config struct {
	Keys        Keys
	Authorities Authorities
	Guard       *guard.Guard
	Store       store.Store
	// Principal is the name of the service as whom certificates are renewed:
	// the one that an authority's permissions name. Empty means "managed".
	Principal string
	// PerMinute is how many renewals the clock begins in any minute, over all
	// servers of the store; DefaultPerMinute when it is 0.
	PerMinute int
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// DefaultPerMinute is how many renewals a minute has unless it is configured.
const DefaultPerMinute = 1000

// Service keeps managed certificates. All methods may be called at the same
// time. Errors are *fault.Error.
type Service struct {
	keys        Keys
	authorities Authorities
	guard       *guard.Guard
	store       store.Store
	tokens      *token.Book
	leases      *lease.Holder
	budget      lease.Budget
	principal   string
	now         func() time.Time
	locks       locks
	// looked is the authorities' Outlook that every certificate is known to be
	// looked at with.
	looked atomic.Pointer[string]
}

// New returns a Service. It reads nothing yet.
func New(c Config) *Service {
	s := &Service{
		keys: c.Keys, authorities: c.Authorities, guard: c.Guard, store: c.Store, principal: c.Principal, now: c.Now,
		locks: locks{seed: maphash.MakeSeed()},
	}
	if s.principal == "" {
		s.principal = "managed"
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.tokens, s.leases = token.New(c.Store, s.now), lease.New(c.Store, s.now)
	s.budget = lease.Budget{Name: "budget/renewal", PerMinute: cmp.Or(c.PerMinute, DefaultPerMinute)}
	return s
}

// locks serialises the changes of each certificate, and the requests with one
// idempotency token, by one of a fixed number of mutexes.
type locks struct {
	seed maphash.Seed
	set  [64]sync.Mutex // guard the certificates and tokens that hash to them
}

// lock locks a name and returns how to unlock it.
func (l *locks) lock(name string) (unlock func()) {
	m := &l.set[maphash.String(l.seed, name)%uint64(len(l.set))]
	m.Lock()
	return m.Unlock
}

// grantee is the name of a managed certificate as the owner of its keys.
func grantee(id string) string { return "managed/" + id }

// newID returns an id whose order is that of the ids' making (RFC 9562 section
// 5.7), which is the order of listings.
func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", &fault.Error{Kind: fault.Internal, Op: "making an id", Err: err}
	}
	return id.String(), nil
}

// realmTarget is what to authorise where no certificate is concerned yet.
func realmTarget(call *key.Call, action key.Action) guard.Target {
	return guard.Target{Action: action, Resource: key.Resource{Realm: call.Caller.Principal.Realm, Region: call.Region}}
}

// resource returns a managed certificate as the object of a decision.
func resource(realm key.RealmID, region, id string) key.Resource {
	return key.Resource{Kind: key.KindManaged, Realm: realm, Region: region, ID: id}
}

// dry ends a dry run: every check has passed.
func dry(call *key.Call) error {
	if call.DryRun {
		return fault.Because(fault.InvalidArgument, fault.DryRun, "the call would have succeeded, had it not been a dry run")
	}
	return nil
}

// find reads a certificate of the call's realm and region.
func (s *Service) find(ctx context.Context, call *key.Call, id string) (*Certificate, error) {
	c, err := s.load(ctx, id)
	missing := err != nil && fault.KindOf(err) == fault.NotFound
	if missing || err == nil && (c.Realm != call.Caller.Principal.Realm || c.Region != call.Region) {
		return nil, &fault.Error{
			Kind: fault.NotFound, Resource: resource(call.Caller.Principal.Realm, call.Region, id).String(),
			Public: "the managed certificate does not exist",
		}
	}
	return c, err
}

// load reads a certificate of any realm.
func (s *Service) load(ctx context.Context, id string) (c *Certificate, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		row, err := r.Get(store.Managed, id)
		if err != nil {
			return err
		}
		c, err = s.current(r, row)
		return err
	})
	return c, err
}

// current reads a certificate as it is now: whether it is revoked, its
// authority knows, whoever revoked it or, from a hold, released it.
func (s *Service) current(r store.Reader, row store.Row) (*Certificate, error) {
	c, err := readCertificate(row)
	if err != nil {
		return nil, err
	}
	if c.Kind == Private && c.DER != nil {
		if err := c.ask(r); err != nil {
			return nil, err
		}
	}
	s.look(c)
	return c, nil
}

// ask takes in what the certificate's authority knows of its revocation.
func (c *Certificate) ask(r store.Reader) error {
	issued, err := r.Get(store.Certificates, ca.CertificateID(c.Authority, c.Serial))
	if err != nil {
		if fault.KindOf(err) == fault.NotFound { // the authority is gone
			return nil
		}
		return err
	}
	known, err := ca.ReadCertificate(issued)
	if err != nil {
		return err
	}
	c.RevokedAt, c.Reason = time.Time{}, ca.Unspecified
	if known.RevokedAt != nil {
		c.RevokedAt, c.Reason = *known.RevokedAt, known.Reason
	}
	return nil
}

// visit finds a certificate and authorises an action on it.
func (s *Service) visit(ctx context.Context, v *guard.Visit, action key.Action, id string) (*Certificate, error) {
	c, err := s.find(ctx, v.Call, id)
	if err != nil {
		v.About(resource(v.Call.Caller.Principal.Realm, v.Call.Region, id))
		return nil, err
	}
	return c, v.Authorize(guard.Target{Action: action, Resource: c.Resource()})
}
