// Package key holds the values that everything in Holdfast is about: keys,
// their versions, states and names, who calls, and what a caller may want to
// do. They are pure values: nothing here does I/O.
//
// Start with Key and State; Caller, Action and Resource are what a policy
// decides on.
package key

import (
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// RealmID names a tenant. It is 12 digits, so that it serves as the realm's
// AWS account id as it stands; other APIs map their projects and vaults to it.
type RealmID string

// DefaultRealm is the realm of a server that was told of no other.
const DefaultRealm RealmID = "123456789012"

// Valid reports whether the realm id is 12 digits.
func (r RealmID) Valid() bool {
	return len(r) == 12 && strings.Trim(string(r), "0123456789") == ""
}

// ID is a key's canonical id: a random UUID (RFC 9562) in lower case.
type ID string

// VersionNumber counts a key's versions from 1.
type VersionNumber uint32

// Name is the full canonical name of a key.
type Name struct {
	Realm  RealmID
	Region string
	ID     ID
}

// String returns "realm/region/id".
func (n Name) String() string { return string(n.Realm) + "/" + n.Region + "/" + string(n.ID) }

// ParseName reads what Name.String wrote.
func ParseName(s string) (Name, bool) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		return Name{}, false
	}
	n := Name{RealmID(parts[0]), parts[1], ID(parts[2])}
	return n, n.Realm.Valid() && n.Region != "" && n.ID != ""
}

// Origin says where a key's material came from.
type Origin string

// The origins.
const (
	Generated Origin = "generated" // made by Holdfast or in its engine
	Imported  Origin = "imported"  // brought by its owner
	External  Origin = "external"  // made elsewhere and used there
)

// Protection says what keeps a key's material.
type Protection string

// The protections.
const (
	Software Protection = "software"
	HSM      Protection = "hsm"
	Outside  Protection = "external"
)

// Key is a key's metadata. A *Key is immutable once it is shared: a change
// makes a new one by Clone.
type Key struct {
	Name       Name
	Spec       alg.Spec
	Usage      alg.Usage
	Origin     Origin
	Protection Protection
	Engine     string // the name of the engine that has the material
	// Store is the custom key store that the key lives in, "" for none; its
	// engine is the store's.
	Store string
	// Provided says that a part of Holdfast made the key for the callers whom it
	// serves, and that nobody else manages it.
	Provided bool
	// Exportable says that the key's material may leave, to whoever may
	// ExportKey. It is so from the key's first day, or never.
	Exportable  bool
	State       State
	Description string
	CreatedAt   time.Time
	// DeleteAt is when a key pending deletion is destroyed, else zero.
	DeleteAt time.Time
	// Versions are in order of their numbers; the last one is current.
	Versions []Version
	// Pending is new imported material that waits for the rotation that makes
	// it current; nil for none. Its number is the one after the last version's.
	Pending  *Version
	Rotation Rotation
	// Succession is which keys came before and after this one.
	Succession Succession
	Policy     Document
	Tags       []Tag // sorted by their keys
	Grants     []Grant
	// Revision grows by one with each change that is stored.
	Revision uint64
}

// Version is one material of a key.
type Version struct {
	Number    VersionNumber
	CreatedAt time.Time
	// RotatedBy says what made this version: the first one has no cause.
	RotatedBy RotationCause
	// MaterialID is 64 lower-case hex digits. It tells the materials of a
	// symmetric key apart and reveals nothing of them. It is random, but for
	// imported material, which has the same one whenever it is imported into the
	// same key; it is empty until the first import.
	MaterialID string
	// Description is what its owner says of imported material.
	Description string
	// Public is the SubjectPublicKeyInfo in DER (RFC 5280 section 4.1), or
	// nil for symmetric keys. ML-DSA's is RFC 9881's, secp256k1's is SEC 1's.
	Public []byte
	// ExpiresAt is when imported material is to be forgotten; zero for never.
	ExpiresAt time.Time
	// Missing says that imported material is not here: it is yet to come, has
	// expired, or was deleted. Public stays, where it was known.
	Missing bool
}

// MaterialState says what a version's material is for.
type MaterialState uint8

// The states of material.
const (
	CurrentMaterial    MaterialState = iota + 1 // encrypts and decrypts
	NonCurrentMaterial                          // decrypts what was encrypted before a rotation
	PendingMaterial                             // waits for a rotation, and does nothing before
)

// RotationCause says why a version was made.
type RotationCause string

// The causes.
const (
	First     RotationCause = ""
	Automatic RotationCause = "automatic" // by the clock
	OnDemand  RotationCause = "on-demand" // by a caller
)

// Rotation is a key's rule for new versions.
type Rotation struct {
	Enabled bool
	// Period is the time between rotations in days.
	PeriodDays int
	// Next is when the clock rotates next, zero when it does not.
	Next time.Time
	// OnDemandCount counts the rotations that callers asked for.
	OnDemandCount int
}

// Succession is a key's place in a line of keys that followed each other under
// the same aliases: how keys rotate whose id stands for one material forever.
type Succession struct {
	// From is the key that this one has succeeded, To the one that has succeeded
	// it; "" for none. From At on, when that happened, the key only checks and
	// reads what it made before.
	From, To ID
	At       time.Time
	// Until, if it is not zero, is when the key is disabled.
	Until time.Time
}

// Over reports whether the key is disabled, at a time, for its successor's sake.
func (s *Succession) Over(now time.Time) bool { return !s.Until.IsZero() && !now.Before(s.Until) }

// Document is a policy as its author wrote it.
type Document struct {
	Dialect string // which API's policy language, such as "aws"
	Text    string
}

// Tag is a label of a key.
type Tag struct{ Key, Value string }

// Alias is another name of a key within its realm and region.
type Alias struct {
	Realm     RealmID
	Region    string
	Name      string // with its "alias/" prefix
	Target    ID
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Grant lets a principal use a key beside what the key's policy says. Only a
// service principal of Holdfast itself holds one so far: an authority on its
// CA key.
type Grant struct {
	ID        string
	Grantee   Principal
	Actions   []Action
	CreatedAt time.Time
}

// Misfit is the cause of a refusal that lies in what a key is: it lets a
// front end spell the key's spec and usage in its API's own words.
type Misfit struct{ Key *Key }

// Error says what the key is.
func (m *Misfit) Error() string {
	return "the key is " + m.Key.Spec.String() + " for " + m.Key.Usage.String()
}

// Clone returns a deep copy, to change and store.
func (k *Key) Clone() *Key {
	c := *k
	c.Versions = append([]Version(nil), k.Versions...)
	if k.Pending != nil {
		pending := *k.Pending
		c.Pending = &pending
	}
	c.Tags = append([]Tag(nil), k.Tags...)
	c.Grants = append([]Grant(nil), k.Grants...)
	return &c
}

// Current returns the newest version. Every stored key has one.
func (k *Key) Current() Version { return k.Versions[len(k.Versions)-1] }

// NextVersion returns the number of the version that comes next.
func (k *Key) NextVersion() VersionNumber {
	return VersionNumber(len(k.Versions) + 1) //nolint:gosec // rotations are limited and periods are days
}

// Version returns the version of a number.
func (k *Key) Version(n VersionNumber) (Version, error) {
	if n == 0 || int(n) > len(k.Versions) {
		return Version{}, fault.New(fault.NotFound, "version %d of the key does not exist", n)
	}
	return k.Versions[n-1], nil
}

// Materials returns the versions with, at their end, the one that waits for a
// rotation, if there is one.
func (k *Key) Materials() []Version {
	if k.Pending == nil {
		return k.Versions
	}
	return append(append([]Version(nil), k.Versions...), *k.Pending)
}

// MaterialState returns what the material of one of Materials is for.
func (k *Key) MaterialState(n VersionNumber) MaterialState {
	switch last := k.Current().Number; {
	case n > last:
		return PendingMaterial
	case n == last:
		return CurrentMaterial
	default:
		return NonCurrentMaterial
	}
}

// Complete reports whether no version's material is missing.
func (k *Key) Complete() bool {
	for _, v := range k.Versions {
		if v.Missing {
			return false
		}
	}
	return true
}

// MaterialConflict is the cause of a refusal of new material, because other
// material waits for its rotation: it lets a front end name both.
type MaterialConflict struct{ New, Pending string }

// Error names both materials.
func (c *MaterialConflict) Error() string {
	return "material " + c.New + " cannot come before material " + c.Pending + " is in use"
}

// Resource returns the key as the object of a policy decision.
func (k *Key) Resource() Resource {
	return Resource{Kind: KindKey, Realm: k.Name.Realm, Region: k.Name.Region, ID: string(k.Name.ID), Key: k}
}
