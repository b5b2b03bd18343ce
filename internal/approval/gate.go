package approval

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Config is what approvals stand on. Every field is required unless it says
// otherwise.
type Config struct {
	Store store.Store
	Rules []Rule
	// Key is what digests are made with: a secret that all servers on one store
	// share, at least minKey bytes.
	Key []byte
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log is told what could not be given back; nil means slog.Default.
	Log *slog.Logger
}

// Gate asks the rules of critical operations. It implements guard.Gate, and all
// of its methods may be called at the same time, by several servers on one store.
type Gate struct {
	store   store.Store
	key     []byte
	now     func() time.Time
	log     *slog.Logger
	rules   []Rule
	actions key.ActionSet
	// of has the rules of each action.
	of map[key.Action][]*Rule
}

var _ guard.Gate = (*Gate)(nil)

const minKey = 32

// storeTime bounds how long a request waits for the store.
const storeTime = 10 * time.Second

// NewGate returns a gate. A rule that is wrong is an InvalidArgument.
func NewGate(c Config) (*Gate, error) {
	if len(c.Key) < minKey {
		return nil, fault.New(fault.InvalidArgument, "the key for digests has at least %d bytes", minKey)
	}
	g := &Gate{store: c.Store, key: c.Key, now: c.Now, log: c.Log, rules: slices.Clone(c.Rules), of: map[key.Action][]*Rule{}}
	if g.now == nil {
		g.now = time.Now
	}
	if g.log == nil {
		g.log = slog.Default()
	}
	for i := range g.rules {
		r := &g.rules[i]
		if err := r.Check(); err != nil {
			return nil, fault.New(fault.InvalidArgument, "rule %q of approvals: %v", r.Name, err)
		}
		for _, a := range r.actions() {
			g.actions.Add(a)
			g.of[a] = append(g.of[a], r)
		}
	}
	return g, nil
}

// Actions implements guard.Gate.
func (g *Gate) Actions() key.ActionSet { return g.actions }

// Admit implements guard.Gate. Every rule that covers the act has to be
// satisfied. Steps of an act that was approved need no approval of their own
// where the outer one would satisfy their rules as well.
func (g *Gate) Admit(a *guard.Admission) (string, error) {
	x := &attempt{Admission: a, gate: g, now: g.now().UTC(), resource: a.Resource.String(), realm: a.Resource.Realm}
	if x.realm == "" {
		x.realm = a.Call.Caller.Principal.Realm
	}
	x.rules = g.covering(a.Action, x.realm, x.resource, Others)
	if factor := g.covering(a.Action, x.realm, x.resource, MFA); len(factor) > 0 && !a.Call.Caller.MFA {
		return "", x.refuse(fault.MFARequired, "%s needs a session with a second factor (rule %s)", a.Action, factor[0].Name)
	}
	if len(x.rules) == 0 {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTime) // as the entry is, the use is stored whether or not the caller waits
	defer cancel()
	done, err := x.covered(ctx)
	if done || err != nil {
		return "", err
	}
	return x.admit(ctx)
}

// covering returns the rules of a kind about an action on a resource.
func (g *Gate) covering(action key.Action, realm key.RealmID, resource string, what Requirement) (list []*Rule) {
	for _, r := range g.of[action] {
		if r.Require == what && r.covers(realm, resource) {
			list = append(list, r)
		}
	}
	return list
}

// rulesOf returns the rules that a request has to satisfy now.
func (g *Gate) rulesOf(r *Request) []*Rule { return g.covering(r.Action, r.Realm, r.Resource, Others) }

// Return implements guard.Gate.
func (g *Gate) Return(ids []string) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	err := g.store.Update(ctx, func(tx store.Tx) error {
		for _, id := range ids {
			r, err := read(tx, id)
			if err != nil {
				return err
			}
			if r.State != Used {
				continue
			}
			if err := r.reopen(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil { // then they stay used, which is safe
		g.log.ErrorContext(ctx, "approvals were not given back", slog.Any("approvals", ids), slog.Any("cause", err))
	}
}

// attempt is one act at the gate.
type attempt struct {
	*guard.Admission
	gate     *Gate
	now      time.Time
	realm    key.RealmID
	resource string
	rules    []*Rule
	digest   string
}

// refuse returns the refusal.
func (x *attempt) refuse(reason fault.Reason, format string, args ...any) error {
	return &fault.Error{
		Kind: fault.PermissionDenied, Reason: reason, Op: x.Action.String(), Resource: x.resource, Public: fmt.Sprintf(format, args...),
	}
}

// covered reports whether approvals that the request uses already are enough:
// the visit's own for the same act once more, those of the acts around it by who
// approved them.
func (x *attempt) covered(ctx context.Context) (bool, error) {
	if len(x.Own)+len(x.Outer) == 0 {
		return false, nil
	}
	var enough bool
	err := x.gate.store.View(ctx, func(tx store.Reader) error {
		for _, id := range x.Own {
			r, err := read(tx, id)
			if err != nil {
				return err
			}
			enough = enough || r.Action == x.Action && r.Resource == x.resource
		}
		var all []Decision
		for _, id := range x.Outer {
			r, err := read(tx, id)
			if err != nil {
				return err
			}
			all = append(all, r.Decisions...)
		}
		enough = enough || len(x.Outer) > 0 && satisfied(x.rules, all)
		return nil
	})
	return enough, err
}

// admit finds the approval of the act and uses it, or refuses the act: with a
// draft, if there is no request yet.
func (x *attempt) admit(ctx context.Context) (string, error) {
	switch p := x.Call.Caller.Principal; {
	case p.Kind != key.User && p.Kind != key.Session && p.Kind != key.Root:
		return "", x.refuse(fault.ApprovalRequired, "%s needs another person's approval (rule %s), which only users and sessions of roles can ask for",
			x.Action, x.rules[0].Name)
	case x.Call.Asked.Empty():
		return "", x.refuse(fault.ApprovalRequired, "%s needs another person's approval (rule %s); a request that is no dry run can ask for it",
			x.Action, x.rules[0].Name)
	}
	var err error
	if x.digest, err = digestOf(x.gate.key, x.Call, x.Action, x.resource); err != nil {
		return "", err
	}
	var r *Request
	err = x.gate.store.View(ctx, func(tx store.Reader) (err error) {
		r, err = current(tx, x.digest)
		return err
	})
	if err != nil {
		return "", err
	}
	if r != nil && (r.at(x.now) == Draft || r.at(x.now) == Pending) { // which most refusals are: nothing to store
		return r.ID, x.lacks(r)
	}
	var refusal error
	err = x.gate.store.Update(ctx, func(tx store.Tx) (err error) {
		r, refusal, err = x.settle(tx)
		return err
	})
	switch {
	case err != nil:
		return "", err
	case refusal == nil && x.Call.DryRun:
		return "", nil
	}
	return r.ID, refusal
}

// settle uses the request's approval, or returns the refusal of the act.
func (x *attempt) settle(tx store.Tx) (r *Request, refusal, err error) {
	if r, err = current(tx, x.digest); err != nil {
		return nil, nil, err
	}
	if r != nil && r.at(x.now) == Expired {
		if err := r.expire(tx, x.now); err != nil {
			return nil, nil, err
		}
		r = nil
	}
	switch {
	case r == nil:
		if r, err = x.draft(tx); err != nil {
			return nil, nil, err
		}
		return r, x.lacks(r), nil
	case r.State != Approved || !satisfied(x.rules, r.Decisions): // rules may have changed since
		return r, x.lacks(r), nil
	case x.Call.DryRun:
		return r, nil, nil
	}
	r.end(Used, x.now)
	r.UsedBy = x.Call.RequestID
	return r, nil, r.put(tx)
}

// lacks says what is to be done about a request.
func (x *attempt) lacks(r *Request) error {
	if r.State == Draft {
		return x.refuse(fault.ApprovalRequired, "%s needs another person's approval (rule %s): holdfast approval request %s",
			x.Action, strings.Join(r.Rules, ", "), r.ID)
	}
	return x.refuse(fault.ApprovalRequired, "%s waits for another person's approval (rule %s): holdfast approval show %s",
		x.Action, strings.Join(r.Rules, ", "), r.ID)
}

// draft stores what was tried, so that it can be filed.
func (x *attempt) draft(tx store.Tx) (*Request, error) {
	c := &x.Call.Caller
	r := &Request{
		ID: newID(), State: Draft, Realm: x.realm, Region: x.Call.Region, Requester: c.Principal, Person: c.Person(),
		Action: x.Action, Resource: x.resource, API: x.Call.API, Operation: x.Call.Operation,
		Digest: x.digest, Text: textOf(x.Call, x.Action), CreatedAt: x.now,
	}
	lasts := x.rules[0].Expires
	for _, rule := range x.rules {
		r.Rules = append(r.Rules, rule.Name)
		lasts = min(lasts, rule.Expires)
	}
	r.ExpiresAt = x.now.Add(lasts)
	if err := dropOldest(tx, r.Person); err != nil {
		return nil, err
	}
	return r, r.insert(tx)
}

// dropOldest makes room for one draft more of a person.
func dropOldest(tx store.Tx, person string) error {
	list, err := openOf(tx, person)
	if err != nil {
		return err
	}
	var oldest *Request
	drafts := 0
	for _, r := range list {
		if r.State != Draft {
			continue
		}
		drafts++
		if oldest == nil || r.CreatedAt.Before(oldest.CreatedAt) {
			oldest = r
		}
	}
	if drafts < MaxOpen {
		return nil
	}
	return oldest.remove(tx)
}

// newID returns the id of a new request: short, because people type it.
func newID() string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand.Read)
	return idPrefix + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

const idPrefix = "apr-"

// validID reports whether a text may be a request's id.
func validID(id string) bool {
	digits, ok := strings.CutPrefix(id, idPrefix)
	return ok && len(digits) == 16 && strings.Trim(digits, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// personRow is a person as a part of rows' ids.
func personRow(person string) string {
	sum := sha256.Sum256([]byte(person))
	return hex.EncodeToString(sum[:16])
}
