// Package customstore keeps custom key stores: a key store is a cluster of
// HSMs that keys of the door live in while the store is connected. Connecting
// logs in to the cluster's tokens with the password that the store's owner gave,
// and goes on after the call that asks for it.
//
// Start with Service, which is kms.Stores. create.go makes and changes key
// stores, connect.go connects them, record.go has the format of what is stored.
//
// The package is internal and may change with any release; records that a
// release of v1 wrote stay readable.
package customstore

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cluster"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Clusters is what key stores need of the clusters. *cluster.Service is it.
type Clusters interface {
	// Find returns a cluster as it is at the moment.
	Find(ctx context.Context, realm key.RealmID, region, id string) (*cluster.Cluster, error)
}

// Keys is what key stores need of the door. *kms.Service is it.
type Keys interface {
	// InStore returns how many keys live in a key store.
	InStore(id string) int
}

// Wrapper encrypts passwords under the key of their realm. *seal.Keyring is it.
type Wrapper interface {
	Wrap(realm key.RealmID, plaintext, associated []byte) ([]byte, error)
	Unwrap(realm key.RealmID, wrapped, associated []byte) ([]byte, error)
}

// Opening says what a Connection is to be of.
type Opening struct {
	// Name is what the connection's engine is called.
	Name string
	// Tokens are the names of the tokens, and PIN what the user logs in to them
	// with, as often as asked.
	Tokens []string
	PIN    func() ([]byte, error)
}

// Connection is an engine over some tokens.
type Connection struct {
	Engine engine.Engine
	// Check logs in to every token. It returns nil when at least one lets the
	// user in, and none of them refuses the PIN.
	Check func(context.Context) error
	// Close ends it, after the operations that have begun.
	Close func() error
}

// Config says what a Service works with. All fields but Now and Log are needed.
type Config struct {
	Guard    *guard.Guard
	Store    store.Store
	Clusters Clusters
	Wrapper  Wrapper
	// Open opens tokens. One that is away is no error: Check tells.
	Open func(context.Context, *Opening) (*Connection, error)
	Now  func() time.Time
	Log  *slog.Logger
}

// Service keeps key stores. All methods may be called at the same time. Errors
// are *fault.Error.
type Service struct {
	guard    *guard.Guard
	store    store.Store
	clusters Clusters
	wrapper  Wrapper
	open     func(context.Context, *Opening) (*Connection, error)
	now      func() time.Time
	log      *slog.Logger
	keys     Keys

	// changing is held by every call that changes a key store.
	changing sync.Mutex
	mu       sync.Mutex // guards stores, links and the making of engines
	stores   map[string]*Store
	links    map[string]*link
	// engines are the connected stores' by their ids; the map is never changed.
	engines atomic.Pointer[map[string]placed]

	ctx    context.Context //nolint:containedctx // of the connecting that goes on after the calls; Close ends it
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// placed is a key store's realm and region, and its engine if it is connected.
type placed struct {
	realm  key.RealmID
	region string
	engine engine.Engine
}

// New loads the key stores. None of them is connected before Start.
func New(ctx context.Context, c Config) (*Service, error) {
	s := &Service{
		guard: c.Guard, store: c.Store, clusters: c.Clusters, wrapper: c.Wrapper, open: c.Open, now: c.Now, log: c.Log,
		stores: map[string]*Store{}, links: map[string]*link{},
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	err := s.store.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(store.KeyStores, store.Query{}) {
			if err != nil {
				return err
			}
			st, err := readStore(row)
			if err != nil {
				return err
			}
			s.stores[st.ID] = st
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("loading key stores: %w", err)
	}
	s.publish()
	return s, nil
}

// Start connects the key stores that were connected when the server stopped.
// It does not wait for them. Keys is the door that uses the Service.
func (s *Service) Start(keys Keys) {
	s.keys = keys
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.stores {
		if st.Wanted {
			s.begin(st, again)
		}
	}
}

// Close ends all connections and waits for what is under way.
func (s *Service) Close() error {
	s.cancel()
	s.work.Wait()
	s.mu.Lock()
	links := s.links
	s.links = map[string]*link{}
	s.publish()
	s.mu.Unlock()
	for _, l := range links {
		s.shut(l.connection)
	}
	return nil
}

// publish makes the engines that the door finds anew. s.mu is held, or nobody
// else has s yet.
func (s *Service) publish() {
	engines := make(map[string]placed, len(s.stores))
	for id, st := range s.stores {
		p := placed{realm: st.Realm, region: st.Region}
		if l := s.links[id]; l != nil && l.state == Connected {
			p.engine = l.connection.Engine
		}
		engines[id] = p
	}
	s.engines.Store(&engines)
}

// Engine returns the engine of a key store. See kms.Stores.
func (s *Service) Engine(realm key.RealmID, region, id string) (engine.Engine, error) {
	p, ok := (*s.engines.Load())[id]
	if !ok || p.realm != realm || p.region != region {
		return nil, missing(realm, region, id)
	}
	if p.engine == nil {
		return nil, &fault.Error{
			Kind: fault.WrongState, Reason: fault.KeyStoreDisconnected, Resource: resource(realm, region, id).String(),
			Public: "the custom key store is not connected",
		}
	}
	return p.engine, nil
}

// ClusterOf returns the id of a key store's cluster, "" for no key store.
func (s *Service) ClusterOf(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.stores[id]; st != nil {
		return st.Cluster
	}
	return ""
}

func resource(realm key.RealmID, region, id string) key.Resource {
	return key.Resource{Kind: key.KindKeyStore, Realm: realm, Region: region, ID: id}
}

func missing(realm key.RealmID, region, id string) error {
	return &fault.Error{
		Kind: fault.NotFound, Reason: fault.NoSuchKeyStore, Resource: resource(realm, region, id).String(),
		Public: "the custom key store does not exist",
	}
}

// authorise asks whether the call may do an action with key stores, which, as
// everything of theirs, are the realm's at large; a policy cannot name one.
func authorise(v *guard.Visit, actions ...key.Action) error {
	for _, action := range actions {
		r := key.Resource{Realm: v.Call.Caller.Principal.Realm, Region: v.Call.Region}
		if err := v.Authorize(guard.Target{Action: action, Resource: r}); err != nil {
			return err
		}
	}
	return nil
}

// find returns a key store of the call's realm and region as it is now.
func (s *Service) find(v *guard.Visit, id string) (*Store, error) {
	realm, region := v.Call.Caller.Principal.Realm, v.Call.Region
	v.About(resource(realm, region, id))
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stores[id]
	if st == nil || st.Realm != realm || st.Region != region {
		return nil, missing(realm, region, id)
	}
	return s.seen(st), nil
}

// seen returns a key store with the state of its connection. s.mu is held.
func (s *Service) seen(st *Store) *Store {
	now := *st
	now.State, now.Failure = Disconnected, NoFailure
	if l := s.links[st.ID]; l != nil {
		now.State, now.Failure = l.state, l.failure
	}
	return &now
}

// dry ends a dry run: every check has passed.
func dry(call *key.Call) error {
	if call.DryRun {
		return fault.Because(fault.InvalidArgument, fault.DryRun, "the call would have succeeded, had it not been a dry run")
	}
	return nil
}
