// Package succession gives keys new material because a rule says so, and knows
// what that means for each kind of key.
//
// A symmetric encryption key gets a new version: its ciphertexts say which one
// they need. Every other key's id stands for one material forever (its public
// half is in other people's hands), so such a key gets a successor, a new key
// of the same kind, and its aliases go over to that one. The old key then
// only checks and reads what it made before; an alias still leads there, when
// its present key does not know a signature or a ciphertext.
//
// Start with WayOf and Line. Package rotation decides when; package kms is the
// door to the keys. The package is internal and may change with any release.
package succession

import (
	"context"
	"crypto/sha256"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/alias"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/material"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Way is how a key gets new material: a closed set.
type Way string

// The ways.
const (
	Version   Way = "version"   // a new version of the same key
	Successor Way = "successor" // a new key under the same aliases
	ByOwner   Way = "owner"     // only somebody who knows what depends on the key
	Never     Way = "never"     // whatever it is for gets a new key each time
)

// WayOf returns how a key gets new material, and where that is not for a clock
// to do, why.
func WayOf(k *key.Key) (way Way, why string) {
	switch {
	case k.Origin == key.Imported:
		return ByOwner, "its material is imported: import new material, and rotate"
	case k.Origin == key.External:
		return ByOwner, "the key is made and managed elsewhere"
	case k.Store != "":
		return ByOwner, "the key lives in a custom key store: make a new key there"
	case served(k, managedPrefix):
		return Never, "the key is a managed certificate's, whose renewal makes new keys"
	case served(k, ""):
		return ByOwner, "a part of Holdfast signs with it: a certificate authority gets a new key with a new certificate"
	case k.Usage == alg.RawEncryptDecrypt:
		return ByOwner, "its ciphertexts do not say which key made them: make a new key, and encrypt anew"
	case k.Spec == alg.AES256:
		return Version, ""
	case k.Usage == alg.KeyAgreement, k.Usage == alg.KeyTransfer:
		return ByOwner, "others hold its public half to agree on secrets or to wrap keys: exchange it with them"
	case k.Name.ID.MultiRegion():
		return ByOwner, "the key is in several regions"
	default:
		return Successor, ""
	}
}

// managedPrefix begins the names of the services that managed certificates are
// (package managed).
const managedPrefix = "managed/"

// served reports whether a part of Holdfast whose name begins so has a grant on
// the key.
func served(k *key.Key, prefix string) bool {
	for _, g := range k.Grants {
		if g.Grantee.Kind == key.Service && strings.HasPrefix(g.Grantee.Name, prefix) {
			return true
		}
	}
	return false
}

// Permits returns an error for what a key does not do any more because
// another has succeeded it.
func Permits(k *key.Key, action key.Action) error {
	if k.Succession.To == "" {
		return nil
	}
	switch action { //nolint:exhaustive // everything else makes something new
	case key.Verify, key.VerifyMAC, key.Decrypt, key.ReEncryptFrom, key.GetPublicKey, key.ExportKey:
		return nil
	}
	return fault.Because(fault.WrongState, fault.KeySucceeded,
		"key %s has succeeded this one, which only verifies and decrypts", k.Succession.To)
}

// SuccessorOf returns the id that a key's successor will have. It follows from
// the key's own, so that there can only be one, however often somebody tries.
func SuccessorOf(id key.ID) key.ID {
	sum := sha256.Sum256([]byte("holdfast successor\x00" + string(id)))
	return key.NewID([16]byte(sum[:16]))
}

// maxLine is how many predecessors an alias leads to.
const maxLine = 8

// Line is how the keys of a catalog follow each other. All methods
// may be called at the same time. Errors are *fault.Error.
type Line struct {
	guard   *guard.Guard
	keys    *catalog.Catalog
	engines *material.Engines
	usable  func(*catalog.Entry) error
	now     func() time.Time
}

// Config is what a Line stands on. Every field is required.
type Config struct {
	Guard   *guard.Guard
	Catalog *catalog.Catalog
	Engines *material.Engines
	// Usable returns nil when a key does cryptography now.
	Usable func(*catalog.Entry) error
	Now    func() time.Time
}

// New returns the line of a catalog's keys.
func New(c Config) *Line {
	return &Line{guard: c.Guard, keys: c.Catalog, engines: c.Engines, usable: c.Usable, now: c.Now}
}

// Back returns the result of an operation at a key, or, where that key knows
// nothing of what it was given and the caller named it by an alias, the result
// of trying the keys that were under the alias before, the newest first. Each
// trial is a visit of its own within v.
func Back[T any](
	ctx context.Context, s *Line, v *guard.Visit, at *Place, result T, err error, try func(*guard.Visit, *catalog.Entry) (T, error),
) (T, error) {
	kind := fault.KindOf(err)
	if err == nil || at.Ref.Alias == "" || kind != fault.BadSignature && kind != fault.BadCiphertext {
		return result, err
	}
	e, missing := alias.Resolve(s.keys, v.Call, at.Ref)
	for range maxLine {
		if missing != nil || e.Key.Succession.From == "" {
			break
		}
		before := e.Key.Name
		before.ID = e.Key.Succession.From
		if e, missing = s.keys.Find(before); missing != nil || s.usable(e) != nil {
			continue
		}
		if r, failed := guard.DoWithin(ctx, s.guard, v.Call, at.Action, func(v *guard.Visit) (T, error) { return try(v, e) }); failed == nil {
			v.Note("predecessor", string(before.ID))
			return r, nil
		}
	}
	return result, err
}

// Place is where an operation was asked for.
type Place struct {
	Ref    alias.Ref
	Action key.Action
}

// Order is what a rule wants done with a key.
type Order struct {
	Key key.Name
	// Version is the one that is due: if another is current by now, or the key
	// has a successor, there is nothing to do.
	Version key.VersionNumber
	// Rule is the name of the rule.
	Rule string
	// Until is when a key that gets a successor is disabled; zero for never.
	Until time.Time
	// Withdrawn are the ids of events that are out of date with it.
	Withdrawn []string
	// Check, if it is not nil, is asked in the transaction.
	Check func(store.Reader) error
}

// RenewByRule does what a rule wants, as an act of the clock.
func (s *Line) RenewByRule(ctx context.Context, o *Order) error {
	e, err := s.keys.Find(o.Key)
	if err != nil {
		return err
	}
	if way, _ := WayOf(e.Key); way == Version {
		return s.rotate(ctx, e, o)
	}
	names, unlock, err := s.lock(ctx, e)
	if err != nil {
		return err
	}
	defer unlock()
	e, err = s.stillDue(ctx, e, o, Successor)
	if e == nil || err != nil {
		return err
	}
	return s.byClock(ctx, e.Key, key.RotateKeyOnDemand, "Succeed", o.Rule, func(v *guard.Visit) error { return s.succeed(ctx, v, e, names, o) })
}

// rotate does what a rule wants of a key that gets versions.
func (s *Line) rotate(ctx context.Context, e *catalog.Entry, o *Order) error {
	defer s.keys.Lock(e.Key.Name.ID)()
	e, err := s.stillDue(ctx, e, o, Version)
	if e == nil || err != nil {
		return err
	}
	return s.byClock(ctx, e.Key, key.RotateKeyOnDemand, "Rotate", o.Rule, func(v *guard.Visit) error { return s.renew(ctx, v, e, o) })
}

// stillDue returns a locked key as it is now, if it is still to get new
// material in a way, and nil if somebody was quicker.
func (s *Line) stillDue(ctx context.Context, e *catalog.Entry, o *Order, want Way) (*catalog.Entry, error) {
	e, err := s.keys.Refresh(ctx, e)
	if err != nil {
		return nil, err
	}
	if e.Key.Current().Number != o.Version || e.Key.Succession.To != "" {
		return nil, nil //nolint:nilnil // nothing is left to do
	}
	if way, why := WayOf(e.Key); way != want {
		return nil, e.At(fault.New(fault.Unsupported, "%s", why))
	}
	return e, s.usable(e)
}

// lock locks a key and its aliases.
func (s *Line) lock(ctx context.Context, e *catalog.Entry) (names []key.Alias, unlock func(), err error) {
	n := e.Key.Name
	had, err := s.aliases(ctx, n)
	if err != nil {
		return nil, nil, err
	}
	list := make([]string, len(had))
	for i := range had {
		list[i] = had[i].Name
	}
	free := s.keys.LockAliases(n.Realm, n.Region, list)
	release := s.keys.Lock(n.ID)
	unlock = func() { release(); free() }
	if names, err = s.aliases(ctx, n); err == nil && len(names) > len(had) {
		err = &fault.Error{Kind: fault.Conflict, Resource: n.String(), Public: "the key is being given another alias"}
	}
	if err != nil {
		unlock()
		return nil, nil, err
	}
	return names, unlock, nil
}

// maxAliases is how many aliases one key may have that gets a successor.
const maxAliases = 1000

func (s *Line) aliases(ctx context.Context, n key.Name) ([]key.Alias, error) {
	list, more, err := s.keys.AliasesOf(ctx, n, catalog.Page{Limit: maxAliases})
	if err == nil && more != "" {
		err = fault.New(fault.LimitExceeded, "key %s has more than %d aliases", n.ID, maxAliases)
	}
	return list, err
}

// byClock runs a step that nobody asks for now: a rule of the realm's allows it.
func (s *Line) byClock(ctx context.Context, k *key.Key, action key.Action, operation, rule string, act func(*guard.Visit) error) error {
	call := guard.OwnCall(k.Name.Realm, k.Name.Region, guard.Lifecycle, operation, s.now())
	_, err := guard.Do(ctx, s.guard, call, action, func(v *guard.Visit) (none struct{}, err error) {
		why := "the key's own rule"
		if rule != "" {
			why = "rotation rule " + rule
			v.Note("rule", rule)
		}
		v.Permit(k.Resource(), why)
		return none, act(v)
	})
	return err
}

// EachKey yields every key of every realm, in no order.
func (s *Line) EachKey(yield func(*key.Key) bool) {
	s.keys.All(func(e *catalog.Entry) bool { return yield(e.Key) })
}

// AliasesOfKey returns the names of a key's aliases, sorted.
func (s *Line) AliasesOfKey(ctx context.Context, n key.Name) ([]string, error) {
	list, err := s.aliases(ctx, n)
	return texts(list), err
}

// AliasesByKey returns the names of the aliases in a realm by their keys,
// sorted.
func (s *Line) AliasesByKey(realm key.RealmID) map[key.ID][]string { return s.keys.AliasNames(realm) }
