package authority

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// snapshot is all authorities at one time. It is never changed.
type snapshot struct {
	byID   map[string]*Entry
	byName map[string]*Entry // by realm, "/" and name; those that have one
}

func (n *snapshot) clone() *snapshot {
	return &snapshot{byID: maps.Clone(n.byID), byName: maps.Clone(n.byName)}
}

func (n *snapshot) add(a *Entry) {
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

// Publish makes authorities, or new states of them, visible. The registry is held.
func (s *Registry) Publish(list ...*Entry) {
	next := s.live.Load().clone()
	for _, a := range list {
		next.remove(a.ID)
	}
	for _, a := range list {
		next.add(a)
	}
	s.live.Store(next)
}

// Withdraw makes an authority invisible. The registry is held.
func (s *Registry) Withdraw(id string) {
	next := s.live.Load().clone()
	next.remove(id)
	s.live.Store(next)
}

// load reads all authorities and their CRLs, and finds out which keys are
// gone. Equal policies are compiled once.
func (s *Registry) load(ctx context.Context) error {
	snap := &snapshot{byID: map[string]*Entry{}, byName: map[string]*Entry{}}
	compiled := map[compilation]*policy.Policy{}
	err := s.Store.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(store.Authorities, store.Query{}) {
			if err != nil {
				return err
			}
			if strings.Contains(row.ID, "/") {
				continue // what package status keeps beside an authority
			}
			a, err := s.loadEntry(row, compiled)
			if err != nil {
				return err
			}
			snap.add(a)
		}
		return nil
	})
	for _, a := range snap.byID {
		_, err := s.Keys.DelegatedSigner(ctx, s.OwnCall(&a.Authority, "Load"), Grantee(a.ID), a.Key, a.Algorithm)
		a.lost = err != nil && fault.KindOf(err) == fault.NotFound
	}
	s.live.Store(snap)
	return err
}

// loadEntry returns the authority of a row with its policy, compiled now
// or before.
func (s *Registry) loadEntry(row store.Row, compiled map[compilation]*policy.Policy) (*Entry, error) {
	a, err := ReadEntry(row)
	if err != nil {
		return nil, err
	}
	of := compilation{a.Realm, a.Policy}
	if a.compiled = compiled[of]; a.compiled == nil {
		if a.compiled, err = s.Compiled(a.Realm, a.Policy); err != nil {
			return nil, fmt.Errorf("compiling the policy of authority %s: %w", a.ID, err)
		}
		compiled[of] = a.compiled
	}
	return a, nil
}

// compilation is what the compiled form of a policy depends on.
type compilation struct {
	realm  key.RealmID
	policy key.Document
}
