package kms

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alias"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/material"
	"github.com/holdfast-kms/holdfast/internal/operation"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/succession"
)

// Config is what a Service stands on. Every field is required unless it says
// otherwise.
type Config struct {
	Guard *guard.Guard
	Store store.Store
	// Engine has the keys that are to be in no other, and makes the keys that
	// material is encrypted under on its way in. Its material exists only as
	// what it gives to be kept (engine/soft).
	Engine engine.Engine
	// Engines are others, by whose names keys can be made in them; may be empty.
	Engines []engine.Engine
	// Adopting are the realms that adopt keys from the other engines, by the
	// engines' names. What is in an engine already may be anybody's: of one that
	// is not here only key.DefaultRealm adopts. Every realm makes keys in all.
	Adopting map[string][]key.RealmID
	// Stores are the custom key stores; nil for none.
	Stores Stores
	// Compile turns a policy document into its canonical form, in whatever
	// dialect it was written.
	Compile func(key.Document) (*policy.Policy, error)
	// DefaultPolicy is the policy of keys made without one.
	DefaultPolicy func(key.RealmID) key.Document
	// Mirror is how old the state that is known of a key in a service gets; 0
	// means material.DefaultMirror.
	Mirror time.Duration
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
	*alias.Names
	*operation.Operator
	*succession.Line
	guard         *guard.Guard
	keys          *catalog.Catalog
	engines       *material.Engines
	admission     *operation.Admission
	adopting      map[string][]key.RealmID // not changed after New
	compile       func(key.Document) (*policy.Policy, error)
	defaultPolicy func(key.RealmID) key.Document
	now           func() time.Time
	later         succession.Later
	ruled         func(context.Context, *key.Key) (key.Rotation, error) // not changed once it is used
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
	keys, err := catalog.Load(ctx, c.Store, c.Compile, c.Opened)
	if err != nil {
		return nil, err
	}
	s := &Service{
		guard: c.Guard, keys: keys, compile: c.Compile, defaultPolicy: c.DefaultPolicy, now: c.Now,
		adopting: c.Adopting,
		engines:  material.New(material.Config{Keys: keys, Default: c.Engine, Others: c.Engines, Stores: c.Stores, Mirror: c.Mirror, Now: c.Now}),
	}
	s.Names = alias.New(c.Guard, keys, s.state, c.Now)
	s.admission = &operation.Admission{Keys: keys, Engines: s.engines, Usable: s.usable}
	s.Line = succession.New(succession.Config{Guard: c.Guard, Catalog: keys, Engines: s.engines, Usable: s.usable, Now: c.Now})
	s.Operator = operation.New(c.Guard, s.admission, s.Line)
	return s, nil
}

// Refuse records a call that failed before it reached an operation, and
// returns what its caller gets.
func (s *Service) Refuse(ctx context.Context, call *key.Call, action key.Action, err error) error {
	return s.guard.Refuse(ctx, call, action, err)
}

// Has reports whether any realm has a version of a key.
func (s *Service) Has(id key.ID, n key.VersionNumber) bool {
	e, ok := s.keys.Get(id)
	return ok && slices.ContainsFunc(e.Key.Versions, func(v key.Version) bool { return v.Number == n })
}

// Missing returns how many keys are in each engine that is not configured: they
// cannot be used, and do not end.
func (s *Service) Missing() map[string]int { return s.engines.Missing() }

// Keys returns the number of keys in memory.
func (s *Service) Keys() int { return s.keys.Len() }

// randomID returns a new key id.
func randomID() key.ID {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand.Read)
	return key.NewID(b)
}
