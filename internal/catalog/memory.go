package catalog

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// Entry is a key as the door uses it. It is immutable and replaced whole, so a
// reader takes no lock and sees the key at one moment of its life.
type Entry struct {
	Key    *key.Key
	Policy *policy.Policy // Key.Policy, compiled
	// Resource is Key.Resource, made once.
	Resource key.Resource
	// Expires is when the first of the key's materials is to be forgotten; zero
	// for never.
	Expires time.Time
	// slots has a place for each version's opened key. Slots outlive the
	// entry: a change of metadata hands them on.
	slots []*slot
}

// NewEntry returns the entry of a key that is in no catalog yet.
func NewEntry(k *key.Key, p *policy.Policy) *Entry { return newEntry(k, p, nil) }

// Target is what to authorise for an action on the key.
func (e *Entry) Target(action key.Action, attributes *policy.Attributes) guard.Target {
	return guard.Target{
		Action: action, Resource: e.Resource, Attributes: attributes, Policy: e.Policy, Grants: e.Key.Grants,
	}
}

// At says in a fault that it is about the key.
func (e *Entry) At(err error) error {
	if f, ok := err.(*fault.Error); ok { //nolint:errorlint // only a fault that nobody wrapped yet is completed
		f.Resource = e.Key.Name.String()
		if (f.Kind == fault.InvalidArgument || f.Reason == fault.OriginForbids) && f.Err == nil {
			f.Err = &key.Misfit{Key: e.Key}
		}
	}
	return err
}

// newEntry returns the entry of a key. It takes over the slots of previous,
// which may be nil.
func newEntry(k *key.Key, p *policy.Policy, previous *Entry) *Entry {
	e := &Entry{Key: k, Policy: p, Resource: k.Resource(), Expires: firstExpiry(k.Versions)}
	if previous != nil {
		e.slots = append(e.slots, previous.slots...)
	}
	for len(e.slots) < len(k.Versions) {
		e.slots = append(e.slots, &slot{})
	}
	return e
}

// firstExpiry returns when the first of some versions' materials is to be
// forgotten; zero for never.
func firstExpiry(versions []key.Version) time.Time {
	var first time.Time
	for _, v := range versions {
		if at := v.ExpiresAt; !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// memory has every live key and alias.
type memory struct {
	keys    sync.Map // key.ID → *Entry
	aliases sync.Map // aliasID → *key.Alias
	publics publics
	count   atomic.Int64
}

// put makes a key visible. Whoever calls it or remove has locked the key, or is
// alone.
func (m *memory) put(e *Entry) {
	old, replaced := m.keys.Swap(e.Key.Name.ID, e)
	if !replaced {
		m.count.Add(1)
		m.publics.replace(e.Key.Name.ID, nil, e.currentPublic())
		return
	}
	m.publics.replace(e.Key.Name.ID, old.(*Entry).currentPublic(), e.currentPublic())
}

func (m *memory) get(id key.ID) (*Entry, bool) {
	v, ok := m.keys.Load(id)
	if !ok {
		return nil, false
	}
	return v.(*Entry), true
}

func (m *memory) remove(id key.ID) {
	if old, was := m.keys.LoadAndDelete(id); was {
		m.count.Add(-1)
		m.publics.replace(id, old.(*Entry).currentPublic(), nil)
	}
}

func (m *memory) putAlias(a *key.Alias) { m.aliases.Store(aliasID(a.Realm, a.Region, a.Name), a) }

func (m *memory) alias(realm key.RealmID, region, name string) (*key.Alias, bool) {
	v, ok := m.aliases.Load(aliasID(realm, region, name))
	if !ok {
		return nil, false
	}
	return v.(*key.Alias), true
}

// dropAlias removes the alias of a key that is gone, unless the name is
// another key's by now.
func (m *memory) dropAlias(a *key.Alias) {
	id := aliasID(a.Realm, a.Region, a.Name)
	if v, ok := m.aliases.Load(id); ok && v.(*key.Alias).Target == a.Target {
		m.aliases.CompareAndDelete(id, v)
	}
}

// locks serialises changes: each key and each alias name has one of a fixed
// number of mutexes. Whoever needs an alias and a key takes the alias first.
type locks struct {
	hash    maphash.Seed
	aliases [64]sync.Mutex // guard the alias names that hash to them
	keys    [64]sync.Mutex // guard the changes of keys that hash to them
}

func (l *locks) pick(set *[64]sync.Mutex, name string) *sync.Mutex {
	return &set[l.index(name)]
}

func (l *locks) index(name string) uint64 { return maphash.String(l.hash, name) % 64 }

// Lock keeps all others from changing a key until unlock is called.
func (c *Catalog) Lock(id key.ID) (unlock func()) {
	m := c.locks.pick(&c.locks.keys, string(id))
	m.Lock()
	return m.Unlock
}

// LockAlias keeps all others from changing an alias, or giving its name away,
// until unlock is called. Whoever locks a key as well locks the alias first.
func (c *Catalog) LockAlias(realm key.RealmID, region, name string) (unlock func()) {
	m := c.locks.pick(&c.locks.aliases, aliasID(realm, region, name))
	m.Lock()
	return m.Unlock
}

// Fits checks that the key's usage and spec have what an operation wants, the
// further algorithms among them.
func (e *Entry) Fits(usage alg.Usage, a alg.Algorithm) error {
	if e.Key.Usage != usage {
		return e.At(fault.Because(fault.InvalidArgument, fault.WrongUsage,
			"the key is for %s, not for %s", e.Key.Usage, usage))
	}
	if a != alg.NoAlgorithm && (!e.Key.Spec.Has(a) || a.Info().Usage != usage) {
		return e.Misfit(a)
	}
	return nil
}

// Misfit says that an algorithm does not go with the key.
func (e *Entry) Misfit(a alg.Algorithm) error {
	return e.At(fault.Because(fault.InvalidArgument, fault.WrongAlgorithm, "algorithm %s does not go with key spec %s", a, e.Key.Spec))
}
