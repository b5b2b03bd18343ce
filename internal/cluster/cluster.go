// Package cluster makes clusters of hardware security modules out of a pool
// of PKCS #11 tokens: an HSM of a cluster is a token that the cluster has
// taken. A cluster is claimed by its owner with a certificate for the key that
// its first token made, and leaves backups behind, which say what was in its
// tokens and whose they are.
//
// Start with Service. create.go makes and ends clusters, hsm.go takes tokens
// and gives them back, claim.go initialises, backup.go and backups.go are about
// backups, read.go shows, record.go has the formats of what is stored. Pool is
// the tokens, and Tokens the pool of real ones.
//
// What a token holds is never erased here: PKCS #11 has no backup call, so
// nothing could bring it back. See Backup.
//
// The package is internal and may change with any release; records that a
// release of v1 wrote stay readable.
package cluster

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Config says what a Service works with.
type Config struct {
	Guard *guard.Guard
	Store store.Store
	// Pool are the tokens; nil is a pool without any.
	Pool Pool
	// Compile makes a policy of a document of a resource.
	Compile func(key.Document) (*policy.Policy, error)
	// Changed is told which cluster has got or lost an HSM, or is gone. It may
	// be nil, and must not call the Service before it returns.
	Changed func(id string)
	// Now is the clock, time.Now when nil; Log slog.Default() when nil.
	Now func() time.Time
	Log *slog.Logger
}

// Service keeps clusters and their backups. All methods may be called at the
// same time. Errors are *fault.Error.
type Service struct {
	guard   *guard.Guard
	store   store.Store
	pool    Pool
	compile func(key.Document) (*policy.Policy, error)
	changed func(string)
	now     func() time.Time
	log     *slog.Logger
	looks   looks
	// taking is held while tokens of the pool are looked at to take one.
	taking sync.Mutex
}

// New returns a Service. It reads nothing yet.
func New(c Config) *Service {
	s := &Service{
		guard: c.Guard, store: c.Store, pool: c.Pool, compile: c.Compile, changed: c.Changed, now: c.Now, log: c.Log,
		looks: looks{known: map[string]seen{}},
	}
	if s.pool == nil {
		s.pool = noTokens{}
	}
	if s.changed == nil {
		s.changed = func(string) {}
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	return s
}

// idLength is the length of an id of a cluster, an HSM or a backup: 55 random
// bits in base 32 (RFC 4648 section 6), in lower case.
const idLength = 11

var lower = base32.StdEncoding.WithPadding(base32.NoPadding)

func newID() string {
	var b [7]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand.Read)
	return strings.ToLower(lower.EncodeToString(b[:]))[:idLength]
}

// resource returns a thing of this package as the object of a decision.
func resource(kind key.ResourceKind, realm key.RealmID, region, id string) key.Resource {
	return key.Resource{Kind: kind, Realm: realm, Region: region, ID: id}
}

// scopeOf is the value of the scope columns: the rows of one listing.
func scopeOf(realm key.RealmID, region string) string { return string(realm) + "/" + region }

// realmTarget is what to authorise where no cluster is concerned yet.
func realmTarget(call *key.Call, action key.Action, tags []key.Tag) guard.Target {
	return guard.Target{
		Action: action, Resource: key.Resource{Realm: call.Caller.Principal.Realm, Region: call.Region},
		Attributes: &policy.Attributes{Tags: tags},
	}
}

// missing is the error for what does not exist in the call's realm and region.
func missing(call *key.Call, kind key.ResourceKind, id string) error {
	e := &fault.Error{
		Kind: fault.NotFound, Public: "the " + string(kind) + " does not exist",
		Resource: resource(kind, call.Caller.Principal.Realm, call.Region, id).String(),
	}
	if kind == key.KindCluster {
		e.Reason = fault.NoSuchCluster
	}
	return e
}

// find reads a cluster of the call's realm and region.
func (s *Service) find(ctx context.Context, call *key.Call, id string) (*Cluster, error) {
	var c *Cluster
	err := s.store.View(ctx, func(r store.Reader) (err error) {
		c, err = get(r, call, id)
		return err
	})
	return c, err
}

// get is find in a transaction.
func get(r store.Reader, call *key.Call, id string) (*Cluster, error) {
	row, err := r.Get(store.Clusters, id)
	if err != nil && fault.KindOf(err) == fault.NotFound || err == nil && row.Columns[0] != scopeOf(call.Caller.Principal.Realm, call.Region) {
		return nil, missing(call, key.KindCluster, id)
	}
	if err != nil {
		return nil, err
	}
	return readCluster(row)
}

// visit finds a cluster and authorises an action on it.
func (s *Service) visit(ctx context.Context, v *guard.Visit, action key.Action, id string, tags []key.Tag) (*Cluster, error) {
	c, err := s.find(ctx, v.Call, id)
	if err != nil {
		v.About(resource(key.KindCluster, v.Call.Caller.Principal.Realm, v.Call.Region, id))
		return nil, err
	}
	return c, v.Authorize(guard.Target{Action: action, Resource: c.Resource(), Attributes: &policy.Attributes{Tags: tags}})
}

// edit changes a cluster in a transaction, which is there for what else has
// to be written.
type edit func(tx store.Tx, c *Cluster) error

// commit records the call and changes a cluster that was found and authorised.
// The edit is made on the cluster as it is stored then, after a rehearsal on
// the one that was found: what it refuses is refused without a trace of success.
func (s *Service) commit(ctx context.Context, v *guard.Visit, c *Cluster, e edit) (*Cluster, error) {
	rehearsal := c.clone()
	if err := e(nil, rehearsal); err != nil {
		return nil, err
	}
	if err := dry(v.Call); err != nil {
		return nil, err
	}
	var next *Cluster
	err := v.Commit(ctx, func() (err error) {
		next, err = s.alter(ctx, v.Call, c.ID, e)
		return err
	})
	return next, err
}

// alter changes a cluster in a transaction of its own.
func (s *Service) alter(ctx context.Context, call *key.Call, id string, e edit) (*Cluster, error) {
	var c *Cluster
	err := s.store.Update(ctx, func(tx store.Tx) (err error) {
		if c, err = get(tx, call, id); err != nil {
			return err
		}
		if err := e(tx, c); err != nil {
			return err
		}
		row, err := c.row()
		if err != nil {
			return err
		}
		return tx.Put(store.Clusters, row)
	})
	return c, err
}

// dry ends a dry run: every check has passed.
func dry(call *key.Call) error {
	if call.DryRun {
		return fault.Because(fault.InvalidArgument, fault.DryRun, "the call would have succeeded, had it not been a dry run")
	}
	return nil
}
