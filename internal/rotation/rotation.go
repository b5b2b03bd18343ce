// Package rotation has keys rotated by policy: rules of a realm say which keys
// get new material, how often, how long the old one still serves, and when
// people are told before.
//
// Start with Service and Rule. outlook.go says what a rule means for one key,
// and knows neither the store nor the clock; plan.go tells it of all keys;
// clock.go has it done. How a key gets new material is package succession's.
//
// A key that its owner has turned rotation on for (kms.EnableRotation) follows
// that and no rule. Any number of servers may share a store: one at a time has
// the lease of the rotations, and every change asks for it in its transaction.
//
// The package is internal and may change with any release; records that a
// release of v1 wrote stay readable.
package rotation

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/lease"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/succession"
)

// Keys are the keys that rules are about. *kms.Service is it.
type Keys interface {
	// EachKey yields every key of every realm, in no order, without I/O.
	EachKey(yield func(*key.Key) bool)
	// AliasesByKey returns the names of a realm's aliases by their keys, sorted.
	AliasesByKey(realm key.RealmID) map[key.ID][]string
	// AliasesOfKey returns those of one key.
	AliasesOfKey(ctx context.Context, n key.Name) ([]string, error)
	// RenewByRule gives a key new material, once however often it is asked for
	// one version. An order that is out of date does nothing.
	RenewByRule(ctx context.Context, o *succession.Order) error
}

// Config says what a Service works with. Now may be left out.
type Config struct {
	Keys     Keys
	Guard    *guard.Guard
	Store    store.Store
	Defaults Defaults
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// Service keeps rules and does what they say. All methods may be called at the
// same time. Errors are *fault.Error.
type Service struct {
	keys     Keys
	guard    *guard.Guard
	store    store.Store
	defaults Defaults
	leases   *lease.Holder
	now      func() time.Time

	changed atomic.Bool // a rule was, since the clock looked

	mu    sync.Mutex // guards what follows, and is held by Tick
	next  time.Time  // when the clock looks again
	lease *lease.Lease
	told  map[string]bool // ids of events that are known to be emitted
	later succession.Later
}

// New returns a Service. It reads nothing yet.
func New(c Config) *Service {
	s := &Service{keys: c.Keys, guard: c.Guard, store: c.Store, defaults: c.Defaults.filled(), now: c.Now}
	if s.now == nil {
		s.now = time.Now
	}
	s.leases = lease.New(c.Store, s.now)
	return s
}

// Defaults returns what holds where a rule says nothing.
func (s *Service) Defaults() Defaults { return s.defaults }

// target is what to authorise: rules are the realm's.
func target(call *key.Call, action key.Action) guard.Target {
	return guard.Target{
		Action: action, Attributes: &policy.Attributes{}, Resource: key.Resource{Realm: call.Caller.Principal.Realm, Region: call.Region},
	}
}

// Put stores a rule of the call's realm, in place of the one with its name, and
// returns it as stored. Nothing rotates sooner than the rule's notice after
// that.
func (s *Service) Put(ctx context.Context, call *key.Call, r *Rule) (*Rule, error) {
	return guard.Do(ctx, s.guard, call, key.PutRotationRule, func(v *guard.Visit) (*Rule, error) {
		if err := v.Authorize(target(call, key.PutRotationRule)); err != nil {
			return nil, err
		}
		rule := *r
		rule.Realm, rule.Since = call.Caller.Principal.Realm, s.now().UTC().Truncate(time.Second)
		if err := rule.check(&s.defaults); err != nil {
			return nil, err
		}
		v.Note("rule", rule.Name)
		v.Note("mode", string(rule.Mode))
		row, err := rowOf(&rule)
		if err != nil {
			return nil, err
		}
		err = v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error { return put(tx, row, &rule) })
		})
		s.changed.Store(true)
		return &rule, err
	})
}

// put stores a rule, of which a realm has only so many.
func put(tx store.Tx, row store.Row, r *Rule) error {
	have, err := tx.Count(store.Rotations, ofRealm(r.Realm))
	if err != nil {
		return err
	}
	if _, err := tx.Get(store.Rotations, row.ID); err == nil {
		have--
	}
	if have >= MaxRules {
		return fault.New(fault.LimitExceeded, "a realm has at most %d rotation rules", MaxRules)
	}
	return tx.Put(store.Rotations, row)
}

// Delete removes a rule of the call's realm. Keys that have successors by it
// are still disabled when it said.
func (s *Service) Delete(ctx context.Context, call *key.Call, name string) error {
	_, err := guard.Do(ctx, s.guard, call, key.DeleteRotationRule, func(v *guard.Visit) (none struct{}, err error) {
		if err := v.Authorize(target(call, key.DeleteRotationRule)); err != nil {
			return none, err
		}
		v.Note("rule", name)
		id := idOf(call.Caller.Principal.Realm, name)
		err = s.store.View(ctx, func(r store.Reader) error {
			_, err := r.Get(store.Rotations, id)
			return missing(name, err)
		})
		if err != nil {
			return none, err
		}
		err = v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error { return missing(name, tx.Delete(store.Rotations, id)) })
		})
		s.changed.Store(true)
		return none, err
	})
	return err
}

func missing(name string, err error) error {
	if err != nil && fault.KindOf(err) == fault.NotFound {
		return fault.New(fault.NotFound, "there is no rotation rule %q", name)
	}
	return err
}

// Rules returns the rules of the call's realm in the order of their names,
// which is that in which they are asked.
func (s *Service) Rules(ctx context.Context, call *key.Call) ([]*Rule, error) {
	return guard.Do(ctx, s.guard, call, key.GetRotationPlan, func(v *guard.Visit) ([]*Rule, error) {
		if err := v.Authorize(target(call, key.GetRotationPlan)); err != nil {
			return nil, err
		}
		return s.rules(ctx, call.Caller.Principal.Realm)
	})
}

func (s *Service) rules(ctx context.Context, realm key.RealmID) (list []*Rule, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		list, err = read(r, ofRealm(realm))
		return err
	})
	return list, err
}
