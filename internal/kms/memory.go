package kms

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// memory has every live key and alias. Its entries are immutable and replaced
// whole, so a reader takes no lock and sees each key at one moment of its life.
type memory struct {
	keys    sync.Map // key.ID → *entry
	aliases sync.Map // aliasID → *key.Alias
	count   atomic.Int64
}

// entry is a key as the door uses it.
type entry struct {
	key    *key.Key
	policy *policy.Policy
	// slots has a place for each version's opened key. Slots outlive the
	// entry: a change of metadata hands them on.
	slots []*slot
	// resource is key.Resource, made once.
	resource key.Resource
}

// newEntry returns the entry of a key. It takes over the slots of previous,
// which may be nil.
func newEntry(k *key.Key, p *policy.Policy, previous *entry) *entry {
	e := &entry{key: k, policy: p, resource: k.Resource()}
	if previous != nil {
		e.slots = append(e.slots, previous.slots...)
	}
	for len(e.slots) < len(k.Versions) {
		e.slots = append(e.slots, &slot{})
	}
	return e
}

func (m *memory) put(e *entry) {
	if _, replaced := m.keys.Swap(e.key.Name.ID, e); !replaced {
		m.count.Add(1)
	}
}

func (m *memory) get(id key.ID) (*entry, bool) {
	v, ok := m.keys.Load(id)
	if !ok {
		return nil, false
	}
	return v.(*entry), true
}

func (m *memory) remove(id key.ID) {
	if _, was := m.keys.LoadAndDelete(id); was {
		m.count.Add(-1)
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

func (m *memory) removeAlias(realm key.RealmID, region, name string) {
	m.aliases.Delete(aliasID(realm, region, name))
}

// locks serialises changes: each key and each alias name has one of a fixed
// number of mutexes. Whoever needs an alias and a key takes the alias first.
type locks struct {
	hash    maphash.Seed
	aliases [64]sync.Mutex // guard the alias names that hash to them
	keys    [64]sync.Mutex // guard the changes of keys that hash to them
}

func (l *locks) key(id key.ID) *sync.Mutex { return l.pick(&l.keys, string(id)) }

func (l *locks) alias(id string) *sync.Mutex { return l.pick(&l.aliases, id) }

// both locks an alias name and then a key, and returns how to unlock them.
func (l *locks) both(alias string, id key.ID) (unlock func()) {
	a, k := l.alias(alias), l.key(id)
	a.Lock()
	k.Lock()
	return func() {
		k.Unlock()
		a.Unlock()
	}
}

func (l *locks) pick(set *[64]sync.Mutex, name string) *sync.Mutex {
	return &set[maphash.String(l.hash, name)%64]
}

// resolve finds the key that a caller names.
func (s *Service) resolve(call *key.Call, ref Ref) (*entry, error) {
	realm, region := ref.Realm, ref.Region
	if realm == "" {
		realm = call.Caller.Principal.Realm
	}
	if region == "" {
		region = call.Region
	}
	if region != call.Region {
		return nil, &fault.Error{
			Kind: fault.NotFound, Reason: fault.ForeignRegion, Resource: region,
			Public: "the key is named in region " + region + ", the request is for region " + call.Region,
		}
	}
	id := ref.ID
	if ref.Alias != "" {
		a, ok := s.memory.alias(realm, region, ref.Alias)
		if !ok {
			return nil, aliasNotFound(realm, region, ref.Alias)
		}
		id = a.Target
	}
	return s.find(key.Name{Realm: realm, Region: region, ID: id})
}

// own is resolve for an action that only the key's own realm may do. A key's
// policy can let callers of other realms use the key; it cannot let them
// manage it, name it, or read how it is managed ("Allowing users in other
// accounts to use a KMS key", AWS KMS Developer Guide).
func (s *Service) own(v *guard.Visit, action key.Action, ref Ref) (*entry, error) {
	e, err := s.resolve(v.Call, ref)
	if err != nil {
		return nil, err
	}
	if e.key.Name.Realm != v.Call.Caller.Principal.Realm {
		return nil, v.Deny(e.target(action, nil), fault.NoResourcePolicyAllows, "the action is for callers of the key's own realm")
	}
	return e, nil
}

// find returns the entry of a full name.
func (s *Service) find(name key.Name) (*entry, error) {
	e, ok := s.memory.get(name.ID)
	if ok && e.key.Name == name {
		return e, nil
	}
	if _, isID := name.ID.UUID(); !isID && !name.ID.MultiRegion() {
		return nil, &fault.Error{
			Kind: fault.NotFound, Reason: fault.MalformedKeyID, Resource: name.String(),
			Public: "not a key id: " + string(name.ID),
		}
	}
	return nil, &fault.Error{
		Kind: fault.NotFound, Resource: name.String(), Public: "key " + string(name.ID) + " does not exist",
	}
}

func aliasNotFound(realm key.RealmID, region, name string) error {
	return &fault.Error{
		Kind: fault.NotFound, Resource: aliasResource(realm, region, name).String(), Public: name + " does not exist",
	}
}

func aliasResource(realm key.RealmID, region, name string) key.Resource {
	return key.Resource{Kind: key.KindAlias, Realm: realm, Region: region, ID: name}
}
