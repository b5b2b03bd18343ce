package approval

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const (
	realm  = key.DefaultRealm
	region = "us-east-1"
)

// ledger keeps the audit entries.
type ledger struct{ entries []audit.Entry }

func (l *ledger) Enqueue(e *audit.Entry) (audit.Position, error) {
	l.entries = append(l.entries, *e)
	return audit.Position(len(l.entries)), nil
}

func (l *ledger) Wait(context.Context, audit.Position) error { return nil }

// everyone may do everything, but "powerless" nothing.
type everyone struct{ all *policy.Policy }

func (e everyone) Policies(c *key.Caller) []*policy.Policy {
	if c.Principal.Name == "powerless" || e.all == nil {
		return nil
	}
	return []*policy.Policy{e.all}
}

// fixture is a server with rules.
type fixture struct {
	*testing.T
	*Service
	store store.Store
	log   *ledger
	time  time.Time
	calls atomic.Int64
}

// deletions is the rule of most tests.
func deletions() Rule {
	return Rule{
		Name: "deletions", Actions: []string{"key:ScheduleDeletion", "key:PutPolicy"}, Require: Others, Count: 1,
		Expires: 24 * time.Hour, Valid: time.Hour,
	}
}

func newFixture(t *testing.T, rules ...Rule) *fixture {
	f := &fixture{T: t, store: mem.New(), time: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)}
	f.open(rules...)
	return f
}

// open starts a server with rules on the fixture's store.
func (f *fixture) open(rules ...Rule) {
	f.Helper()
	gate, err := NewGate(Config{Store: f.store, Key: make([]byte, minKey), Rules: rules, Now: func() time.Time { return f.time }})
	if err != nil {
		f.Fatal(err)
	}
	all, err := policy.Compile([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`),
		policy.ForIdentity, aws.Vocabulary())
	if err != nil {
		f.Fatal(err)
	}
	f.log = new(ledger)
	f.Service = New(gate, guard.Gated(f.log, everyone{all}, gate))
}

func (f *fixture) pass(d time.Duration) { f.time = f.time.Add(d) }

// principal reads "alice", "session:role/name" or "root" as one of the realm.
func principal(name string) key.Principal {
	kind, rest, ok := strings.Cut(name, ":")
	switch {
	case name == "root":
		return key.Principal{Realm: realm, Kind: key.Root}
	case !ok:
		return key.Principal{Realm: realm, Kind: key.User, Name: name}
	}
	return key.Principal{Realm: realm, Kind: key.PrincipalKind(kind), Name: rest}
}

// as returns the envelope of somebody's request, whose body says what.
func (f *fixture) as(who, what string) *key.Call {
	return &key.Call{
		Caller:    key.Caller{Principal: principal(who), UserID: "id of " + who},
		RequestID: "request " + strconv.FormatInt(f.calls.Add(1), 10), API: "test", Operation: "Op", Region: region, Time: f.time,
		Asked: key.Asked{Action: key.ScheduleKeyDeletion, Path: "/", Body: []byte(`{"what":"` + what + `"}`), Tokens: []string{"Token"}},
	}
}

// resource is a key.
func resource(id string) key.Resource {
	return key.Resource{Kind: key.KindKey, Realm: realm, Region: region, ID: id}
}

// try does an act on a key, which then fails with err.
func (f *fixture) try(call *key.Call, action key.Action, id string, err error) error {
	_, got := guard.Do(f.Context(), f.guard, call, action, func(v *guard.Visit) (none struct{}, _ error) {
		if err := v.Authorize(guard.Target{Action: action, Resource: resource(id)}); err != nil {
			return none, err
		}
		return none, err
	})
	return got
}

// drop tries the usual critical act.
func (f *fixture) drop(who, what string) error {
	return f.try(f.as(who, what), key.ScheduleKeyDeletion, "k", nil)
}

// refused returns the id in a refusal for want of an approval.
func (f *fixture) refused(err error) string {
	f.Helper()
	if fault.KindOf(err) != fault.PermissionDenied || fault.ReasonOf(err) != fault.ApprovalRequired {
		f.Fatalf("want a refusal for want of an approval, got %v", err)
	}
	e, _ := errors.AsType[*fault.Error](err)
	at := strings.LastIndex(e.Public, idPrefix)
	if at < 0 {
		f.Fatalf("no id in %q", e.Public)
	}
	return e.Public[at:]
}

// approved has a request of somebody approved, and returns its id.
func (f *fixture) approved(who, what string, by ...string) string {
	f.Helper()
	id := f.refused(f.drop(who, what))
	f.file(who, id)
	for _, name := range by {
		if _, err := f.Decide(f.Context(), f.as(name, ""), id, true, "fine"); err != nil {
			f.Fatal(err)
		}
	}
	return id
}

func (f *fixture) file(who, id string) {
	f.Helper()
	if _, err := f.File(f.Context(), f.as(who, ""), id, "it is time"); err != nil {
		f.Fatal(err)
	}
}

// state returns where a request stands in the store, "gone" for one that does
// not exist.
func (f *fixture) state(id string) State {
	f.Helper()
	var r *Request
	err := f.store.View(f.Context(), func(tx store.Reader) (err error) {
		r, err = read(tx, id)
		return err
	})
	if fault.KindOf(err) == fault.NotFound && err != nil {
		return "gone"
	}
	if err != nil {
		f.Fatal(err)
	}
	return r.State
}

// events returns the summaries of what people are to be told.
func (f *fixture) events() (list []string) {
	f.Helper()
	err := f.store.Update(f.Context(), func(tx store.Tx) error {
		due, err := event.Due(tx, f.time, 100)
		for _, e := range due {
			list = append(list, string(e.Kind)+": "+e.Summary)
		}
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	return list
}
