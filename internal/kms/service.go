package kms

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Config is what a Service stands on. Every field is required unless it says
// otherwise.
type Config struct {
	Guard  *guard.Guard
	Store  store.Store
	Engine engine.Engine
	// Compile turns a policy document into its canonical form, in whatever
	// dialect it was written.
	Compile func(key.Document) (*policy.Policy, error)
	// DefaultPolicy is the policy of keys made without one.
	DefaultPolicy func(key.RealmID) key.Document
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Opened is how many opened keys are kept ready; 0 means DefaultOpened.
	Opened int
}

// DefaultOpened is the default number of opened keys kept ready. An RSA key
// costs some 10 KB, the others below 2 KB.
const DefaultOpened = 4096

// Service is the door. All methods may be called at the same time. Errors are
// *fault.Error.
type Service struct {
	guard         *guard.Guard
	store         store.Store
	engine        engine.Engine
	compile       func(key.Document) (*policy.Policy, error)
	defaultPolicy func(key.RealmID) key.Document
	now           func() time.Time

	memory memory
	opened *openedCache
	locks  locks
}

// New loads every key and alias of the store into memory and returns the
// door to them.
func New(ctx context.Context, c Config) (*Service, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Opened == 0 {
		c.Opened = DefaultOpened
	}
	s := &Service{
		guard: c.Guard, store: c.Store, engine: c.Engine, compile: c.Compile, defaultPolicy: c.DefaultPolicy,
		now: c.Now, opened: newOpenedCache(c.Opened), locks: locks{hash: maphash.MakeSeed()},
	}
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// load fills the memory from the store.
func (s *Service) load(ctx context.Context) error {
	return s.store.View(ctx, func(r store.Reader) error {
		if err := s.loadKeys(r); err != nil {
			return fmt.Errorf("loading keys: %w", err)
		}
		for row, err := range r.Scan(store.Aliases, store.Query{}) {
			if err != nil {
				return fmt.Errorf("loading aliases: %w", err)
			}
			a, err := aliasOf(row)
			if err != nil {
				return err
			}
			s.memory.putAlias(a)
		}
		return nil
	})
}

// loadKeys loads every key. Equal policies are compiled once.
func (s *Service) loadKeys(r store.Reader) error {
	compiled, common := map[key.Document]*policy.Policy{}, texts{}
	for row, err := range r.Scan(store.Keys, store.Query{}) {
		if err != nil {
			return err
		}
		k, err := keyOf(row)
		if err != nil {
			return err
		}
		common.share(k)
		p, ok := compiled[k.Policy]
		if !ok {
			if p, err = s.compile(k.Policy); err != nil {
				return fmt.Errorf("compiling the policy of key %s: %w", k.Name.ID, err)
			}
			compiled[k.Policy] = p
		}
		s.memory.put(newEntry(k, p, nil))
	}
	return nil
}

// Refuse records a call that failed before it reached an operation, and
// returns what its caller gets.
func (s *Service) Refuse(ctx context.Context, call *key.Call, action key.Action, err error) error {
	return s.guard.Refuse(ctx, call, action, err)
}

// Keys returns the number of keys in memory.
func (s *Service) Keys() int { return int(s.memory.count.Load()) }

// randomID returns a new key id.
func randomID() key.ID {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand.Read)
	return key.NewID(b)
}

// randomMaterialID returns a new id for a version's material.
func randomMaterialID() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand.Read)
	return hex.EncodeToString(b[:])
}
