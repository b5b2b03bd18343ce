// Package identity knows who can be a Caller: the realms' roots, users with
// access keys, second factors and policies, temporary sessions of theirs, and
// roles that they and web identities assume. It proves; package policy decides.
//
// Directory answers whoever authenticates a request, from memory. Admin
// changes it, as authorised and recorded as everything else: admin.go has
// users, role.go roles, assume.go the sessions made of them, issuer.go who
// vouches for web identities, factor.go second factors. record.go has the
// stored formats.
package identity

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/webidentity"
)

// User is a person or program with policies of its own.
type User struct {
	Realm     key.RealmID
	Name      string
	ID        string // stable and unique: "AIDA" and 16 letters and digits
	CreatedAt time.Time
	Policies  map[string]key.Document
	// AccessKeys are in order of their creation.
	AccessKeys []AccessKey
}

// AccessKey is the public half of a long-lived credential.
type AccessKey struct {
	ID        string
	User      string // "" for the realm's root
	Active    bool
	CreatedAt time.Time
}

// Secret is the secret half of a credential. It redacts itself.
type Secret struct{ text string }

const redacted = "[secret]"

// NewSecret returns a secret of a text.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the secret, to prove or to hand out once.
func (s Secret) Reveal() string { return s.text }

// String returns a placeholder.
func (s Secret) String() string { return redacted }

// GoString returns a placeholder.
func (s Secret) GoString() string { return redacted }

// MarshalText returns a placeholder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Credential is what a caller proves to have. A *Credential is immutable, and
// stays the same pointer until the credential changes, so that it can be the
// key of a cache.
type Credential struct {
	ID     string
	Secret Secret
	// Caller is whom the credential proves, without the Method.
	Caller key.Caller
	// Expires is when a session ends; zero for access keys.
	Expires time.Time
}

// state is everything that proving and deciding need: immutable, replaced whole.
type state struct {
	users    map[string]*User            // by userRow
	policies map[string][]*policy.Policy // by userRow
	keys     map[string]*accessKey       // by id
	roles    map[string]*role            // by userRow
	issuers  map[string]*Issuer          // by userRow of their names
}

type accessKey struct {
	credential *Credential
	active     bool
}

// Directory is the memory of who there is. All methods may be called at the
// same time.
type Directory struct {
	root    *seal.Root
	store   store.Store
	compile func(key.Document) (*policy.Policy, error)
	config  Config
	now     func() time.Time

	current atomic.Pointer[state]
	clients atomic.Pointer[clientRules]
	// sessions has parsed session tokens by their hash, and is emptied when it
	// is full.
	sessions sessionCache

	mu sync.Mutex // serialises changes of current and clients, and of the store behind them
}

// Config is what a Directory stands on. Every field is required unless it says
// otherwise.
type Config struct {
	Root  *seal.Root
	Store store.Store
	// Compile turns an identity policy into its canonical form, CompileTrust the
	// trust policy of a role.
	Compile, CompileTrust func(key.Document) (*policy.Policy, error)
	// Fetch gets the keys of issuers; nil reaches none.
	Fetch webidentity.Fetcher
	// PlainIssuers says that issuers on this machine may be reached without TLS.
	PlainIssuers bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Open loads the directory from the store.
func Open(ctx context.Context, c Config) (*Directory, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Fetch == nil {
		c.Fetch = unreachable{}
	}
	d := &Directory{root: c.Root, store: c.Store, compile: c.Compile, config: c, now: c.Now}
	d.sessions.empty()
	s := &state{
		users: map[string]*User{}, policies: map[string][]*policy.Policy{}, keys: map[string]*accessKey{},
		roles: map[string]*role{}, issuers: map[string]*Issuer{},
	}
	err := c.Store.View(ctx, func(r store.Reader) error {
		if err := d.loadUsers(r, s); err != nil {
			return fmt.Errorf("loading users: %w", err)
		}
		if err := d.loadAccessKeys(r, s); err != nil {
			return fmt.Errorf("loading access keys: %w", err)
		}
		if err := d.loadRoles(r, s); err != nil {
			return fmt.Errorf("loading roles: %w", err)
		}
		if err := d.loadIssuers(r, s); err != nil {
			return fmt.Errorf("loading issuers: %w", err)
		}
		clients, err := loadClients(r)
		if err != nil {
			return fmt.Errorf("loading client certificates: %w", err)
		}
		d.clients.Store(clients)
		return nil
	})
	if err != nil {
		return nil, err
	}
	d.current.Store(s)
	return d, nil
}

func (d *Directory) loadUsers(r store.Reader, s *state) error {
	for row, err := range r.Scan(store.Users, store.Query{}) {
		if err != nil {
			return err
		}
		u, err := userOf(row)
		if err != nil {
			return err
		}
		if err := s.setUser(u, d.compile); err != nil {
			return err
		}
	}
	return nil
}

func (d *Directory) loadAccessKeys(r store.Reader, s *state) error {
	for row, err := range r.Scan(store.AccessKeys, store.Query{}) {
		if err != nil {
			return err
		}
		realm, k, secret, err := d.accessKeyOf(row)
		if err != nil {
			return err
		}
		if err := s.setAccessKey(realm, k, secret); err != nil {
			return fmt.Errorf("access key %s: %w", k.ID, err)
		}
	}
	return nil
}

// setUser puts a user into a state that is not shared yet.
func (s *state) setUser(u *User, compile func(key.Document) (*policy.Policy, error)) error {
	compiled, err := compileAll(u.Policies, compile)
	if err != nil {
		return fmt.Errorf("user %s: %w", u.Name, err)
	}
	row := userRow(u.Realm, u.Name)
	s.users[row], s.policies[row] = u, compiled
	return nil
}

// compileAll compiles policies in the order of their names, so that decisions
// name the same one always.
func compileAll(docs map[string]key.Document, compile func(key.Document) (*policy.Policy, error)) ([]*policy.Policy, error) {
	var compiled []*policy.Policy
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		p, err := compile(docs[name])
		if err != nil {
			return nil, fmt.Errorf("compiling policy %q: %w", name, err)
		}
		compiled = append(compiled, p.Named(name))
	}
	return compiled, nil
}

// setAccessKey puts an access key into a state that is not shared yet. One of
// a user who is not there is refused: it must not pass for the root's, which
// has no user.
func (s *state) setAccessKey(realm key.RealmID, k AccessKey, secret Secret) error {
	caller := key.Caller{Principal: key.Principal{Realm: realm, Kind: key.Root}, Credential: k.ID, UserID: string(realm)}
	row := userRow(realm, k.User)
	u, ok := s.users[row]
	switch {
	case ok:
		caller.Principal.Kind, caller.Principal.Name, caller.UserID = key.User, u.Name, u.ID
		changed := *u
		changed.AccessKeys = withAccessKey(u.AccessKeys, k)
		s.users[row] = &changed
	case k.User != "":
		return fault.New(fault.Internal, "its user %s does not exist", k.User)
	}
	s.keys[k.ID] = &accessKey{&Credential{ID: k.ID, Secret: secret, Caller: caller}, k.Active}
	return nil
}

// clone returns a copy of the state to change.
func (s *state) clone() *state {
	return &state{maps.Clone(s.users), maps.Clone(s.policies), maps.Clone(s.keys), maps.Clone(s.roles), maps.Clone(s.issuers)}
}

// Credential returns the credential of an access key id, for the proof. An
// unknown or disabled one is an Unauthenticated error.
func (d *Directory) Credential(id string) (*Credential, error) {
	k, ok := d.current.Load().keys[id]
	if !ok {
		return nil, fault.Because(fault.Unauthenticated, fault.UnknownCredential, "the access key is not known")
	}
	if !k.active {
		return nil, fault.Because(fault.Unauthenticated, fault.DisabledCredential, "the access key is disabled")
	}
	return k.credential, nil
}

// Policies returns the compiled policies of a caller (guard.Identities).
func (d *Directory) Policies(c *key.Caller) []*policy.Policy {
	switch c.Principal.Kind {
	case key.User:
		return d.current.Load().policies[userRow(c.Principal.Realm, c.Principal.Name)]
	case key.Session:
		return d.sessionPolicies(c)
	case key.Root, key.Role, key.Service, key.Federated, key.Anonymous:
	}
	return nil
}

// Empty reports whether nobody has a credential yet.
func (d *Directory) Empty() bool { return len(d.current.Load().keys) == 0 }

// Knows reports whether an access key id is in use.
func (d *Directory) Knows(id string) bool {
	_, ok := d.current.Load().keys[id]
	return ok
}
