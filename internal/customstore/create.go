package customstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/cluster"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// CreateRequest asks for a key store.
type CreateRequest struct {
	Name    string
	Cluster string
	// Anchor is the trust anchor that the cluster was initialised with, in PEM.
	Anchor string
	// Password is the user's PIN of the cluster's tokens. The caller wipes it.
	Password key.Secret
}

// Limits of a key store.
const (
	MaxName     = 256 // characters
	MinPassword = 7   // bytes
	MaxPassword = 32
	// MaxStores is how many key stores a realm has in a region.
	MaxStores = 10
)

// Create makes a key store over a cluster, not connected. The caller needs
// CreateKeyStore and DescribeClusters.
func (s *Service) Create(ctx context.Context, call *key.Call, req *CreateRequest) (*Store, error) {
	return guard.Do(ctx, s.guard, call, key.CreateKeyStore, func(v *guard.Visit) (*Store, error) {
		v.Note("name", req.Name)
		v.Note("cluster", req.Cluster)
		if err := authorise(v, key.DescribeClusters, key.CreateKeyStore); err != nil {
			return nil, err
		}
		s.changing.Lock()
		defer s.changing.Unlock()
		st := &Store{
			ID: newID(), Realm: call.Caller.Principal.Realm, Region: call.Region, Name: req.Name, Cluster: req.Cluster,
			Anchor: req.Anchor, CreatedAt: s.now().UTC().Truncate(time.Millisecond), State: Disconnected,
		}
		if err := s.admit(ctx, st, req); err != nil {
			return nil, err
		}
		if err := dry(call); err != nil {
			return nil, err
		}
		v.About(st.Resource())
		return st, s.put(ctx, v, st)
	})
}

// newID returns the id of a new key store: 17 hexadecimal digits.
func newID() string {
	var b [9]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand.Read)
	return hex.EncodeToString(b[:])[:17]
}

// admit checks what a new key store is to be, and completes it.
func (s *Service) admit(ctx context.Context, st *Store, req *CreateRequest) error {
	c, err := s.cluster(ctx, st, req.Cluster)
	if err != nil {
		return err
	}
	anchor, err := cluster.ParseAnchor([]byte(req.Anchor))
	if err != nil || !bytes.Equal(anchor, c.Anchor) {
		return fault.Because(fault.InvalidArgument, fault.IncorrectTrustAnchor, "the certificate is not the one that the cluster was initialised with")
	}
	st.Lineage = c.Lineage
	others := s.others(st)
	if len(others) >= MaxStores {
		return fault.New(fault.LimitExceeded, "there are at most %d custom key stores", MaxStores)
	}
	if slices.ContainsFunc(others, func(o *Store) bool { return o.Lineage == c.Lineage }) {
		return &fault.Error{
			Kind: fault.WrongState, Reason: fault.ClusterInUse, Resource: c.Resource().String(),
			Public: "a custom key store has this cluster, or one with the same keys, already",
		}
	}
	if err := named(st.Name, others); err != nil {
		return err
	}
	return s.keepPassword(st, req.Password)
}

// others returns the realm's other key stores in the region.
func (s *Service) others(st *Store) []*Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*Store
	for id, o := range s.stores {
		if id != st.ID && o.Realm == st.Realm && o.Region == st.Region {
			list = append(list, o)
		}
	}
	return list
}

// named refuses names that are none, or another key store's.
func named(name string, others []*Store) error {
	if n := utf8.RuneCountInString(name); n < 1 || n > MaxName {
		return fault.New(fault.InvalidArgument, "a key store's name has 1 to %d characters", MaxName)
	}
	if slices.ContainsFunc(others, func(o *Store) bool { return o.Name == name }) {
		return fault.Because(fault.AlreadyExists, fault.KeyStoreNameTaken, "another custom key store has the name %q", name)
	}
	return nil
}

// cluster returns a cluster that a key store can be over: it is active, and
// one of its HSMs works.
func (s *Service) cluster(ctx context.Context, st *Store, id string) (*cluster.Cluster, error) {
	c, err := s.clusters.Find(ctx, st.Realm, st.Region, id)
	if err != nil {
		return nil, err
	}
	return c, serves(c)
}

// serves refuses clusters that no keys can be kept in at the moment.
func serves(c *cluster.Cluster) error {
	switch {
	case c.State() != cluster.Active && c.State() != cluster.Degraded:
		return &fault.Error{
			Kind: fault.WrongState, Reason: fault.ClusterNotActive, Resource: c.Resource().String(),
			Public: "the cluster is " + string(c.State()) + ", not active",
		}
	case len(c.Serving()) == 0:
		return &fault.Error{
			Kind: fault.InvalidArgument, Reason: fault.InvalidCluster, Resource: c.Resource().String(),
			Public: "the cluster has no active HSM",
		}
	}
	return nil
}

// keepPassword wraps a password for a key store.
func (s *Service) keepPassword(st *Store, password key.Secret) (err error) {
	if n := len(password.Reveal()); n < MinPassword || n > MaxPassword {
		return fault.New(fault.InvalidArgument, "a key store's password has %d to %d characters", MinPassword, MaxPassword)
	}
	st.password, err = s.wrapper.Wrap(st.Realm, password.Reveal(), bound(st.ID))
	return err
}

// put records the call, stores a key store and makes it known. s.changing is
// held.
func (s *Service) put(ctx context.Context, v *guard.Visit, st *Store) error {
	row, err := st.row()
	if err != nil {
		return err
	}
	err = v.Commit(ctx, func() error {
		return s.store.Update(ctx, func(tx store.Tx) error { return tx.Put(store.KeyStores, row) })
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stores[st.ID] = st
	s.publish()
	return nil
}

// List says which key stores are wanted: the one with the ID or the Name, or,
// without either, all.
type List struct {
	ID, Name string
	Page     kms.Page
}

// List returns a page of the call's realm's key stores in its region, the
// oldest first, and where the next page begins, "" at the end. One that was
// asked for and is not there is NotFound.
func (s *Service) List(ctx context.Context, call *key.Call, l List) (list []*Store, next string, err error) {
	list, err = guard.Do(ctx, s.guard, call, key.DescribeKeyStores, func(v *guard.Visit) ([]*Store, error) {
		if err := authorise(v, key.DescribeKeyStores); err != nil {
			return nil, err
		}
		found := s.wanted(call, &l)
		if len(found) == 0 && (l.ID != "" || l.Name != "") {
			return nil, missing(call.Caller.Principal.Realm, call.Region, l.ID+l.Name)
		}
		return found, nil
	})
	if err != nil {
		return nil, "", err
	}
	if l.Page.Limit > 0 && len(list) > l.Page.Limit {
		list = list[:l.Page.Limit]
		next = list[len(list)-1].order()
	}
	return list, next, nil
}

// order is what a listing goes by.
func (st *Store) order() string { return st.CreatedAt.UTC().Format(store.TimeFormat) + " " + st.ID }

func (s *Service) wanted(call *key.Call, l *List) []*Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*Store
	for _, st := range s.stores {
		if st.Realm == call.Caller.Principal.Realm && st.Region == call.Region && (l.ID == "" || st.ID == l.ID) &&
			(l.Name == "" || st.Name == l.Name) && st.order() > l.Page.After {
			list = append(list, s.seen(st))
		}
	}
	slices.SortFunc(list, func(a, b *Store) int { return cmp.Compare(a.order(), b.order()) })
	return list
}
