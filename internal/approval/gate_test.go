package approval

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/embedded"
)

// TestApprovedOnce is the whole way, and what the log and people see of it.
func TestApprovedOnce(t *testing.T) {
	f := newFixture(t, deletions())
	id := f.refused(f.drop("alice", "x"))
	if again := f.refused(f.drop("alice", "x")); again != id {
		t.Errorf("the same request has the drafts %s and %s", id, again)
	}
	if err := f.try(f.as("alice", "x"), key.DescribeKey, "k", nil); err != nil {
		t.Errorf("an operation that is not critical: %v", err)
	}
	f.file("alice", id)
	if got := f.refused(f.drop("alice", "x")); got != id || f.state(id) != Pending {
		t.Errorf("before anybody decides: %s is %s, the refusal names %s", id, f.state(id), got)
	}
	if _, err := f.Decide(t.Context(), f.as("bob", ""), id, true, "fine"); err != nil {
		t.Fatal(err)
	}
	if err := f.drop("alice", "x"); err != nil {
		t.Fatal(err)
	}
	if other := f.refused(f.drop("alice", "x")); other == id || f.state(id) != Used {
		t.Errorf("a second use: %s is %s, the refusal names %s", id, f.state(id), other)
	}
	want := []string{
		"key:ScheduleDeletion permission denied", "key:ScheduleDeletion permission denied", "key:Describe ok",
		"approval:Request ok", "key:ScheduleDeletion permission denied", "approval:Decide ok",
		"key:ScheduleDeletion ok", "key:ScheduleDeletion permission denied",
	}
	var got []string
	for i, e := range f.log.entries {
		got = append(got, e.Action.String()+" "+e.Result)
		if e.Action != key.DescribeKey && i < 7 && !strings.Contains(fmt.Sprint(e.Details), id) {
			t.Errorf("entry %d does not name the approval: %+v", i, e)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
	if e := f.log.entries[0]; e.Decision != audit.Denied || !strings.Contains(e.Error, id) {
		t.Errorf("the refusal is recorded as %+v", e)
	}
	told := []string{
		"approval.decided: 123456789012:user:bob approved key:ScheduleDeletion on 123456789012/us-east-1/k: fine",
		"approval.requested: 123456789012:user:alice asks for approval of key:ScheduleDeletion on 123456789012/us-east-1/k: it is time",
	}
	if diff := cmp.Diff(told, f.events()); diff != "" {
		t.Errorf("people are told (-want +got):\n%s", diff)
	}
}

// TestApprovalIsOfOneRequest: what is approved is what is done.
func TestApprovalIsOfOneRequest(t *testing.T) {
	f := newFixture(t, deletions())
	others := map[string]func(*key.Call){
		"another user":             func(c *key.Call) { c.Caller.Principal.Name = "mallory" },
		"a user of that name anew": func(c *key.Call) { c.Caller.UserID = "other" },
		"a session of a role": func(c *key.Call) {
			c.Caller.Principal = principal("session:ops/alice")
			c.Caller.Assumption = &key.Assumption{Person: principal("alice").String()}
		},
		"another body":      func(c *key.Call) { c.Asked.Body = []byte(`{"what":"y"}`) },
		"more in the body":  func(c *key.Call) { c.Asked.Body = []byte(`{"what":"x","more":1}`) },
		"a body of no JSON": func(c *key.Call) { c.Asked.Body = []byte(`what=x`) },
		"another path":      func(c *key.Call) { c.Asked.Path = "/other" },
		"another query":     func(c *key.Call) { c.Asked.Query = "a=b" },
		"another API":       func(c *key.Call) { c.API = "other" },
		"another operation": func(c *key.Call) { c.Operation = "Other" },
		"another region":    func(c *key.Call) { c.Region = "eu-central-1" },
	}
	id := f.approved("alice", "x", "bob")
	for name, change := range others {
		call := f.as("alice", "x")
		change(call)
		if got := f.refused(f.try(call, key.ScheduleKeyDeletion, "k", nil)); got == id {
			t.Errorf("%s: is refused as the same request", name)
		}
	}
	if got := f.refused(f.try(f.as("alice", "x"), key.ScheduleKeyDeletion, "other", nil)); got == id {
		t.Error("another key is refused as the same one")
	}
	if got := f.refused(f.try(f.as("alice", "x"), key.PutKeyPolicy, "k", nil)); got == id {
		t.Error("another action is refused as the same one")
	}
	if f.state(id) != Approved {
		t.Fatalf("the approval is %s by now", f.state(id))
	}
	same := f.as("alice", "x")
	same.Asked.Body = []byte(" {\"Token\": \"another sending\",\n\"what\" : \"\\u0078\"}")
	if err := f.try(same, key.ScheduleKeyDeletion, "k", nil); err != nil {
		t.Errorf("the same request, sent in another way: %v", err)
	}
}

// TestMadeByTheRequest: what a request makes has another id at each attempt, and
// the request is one all the same.
func TestMadeByTheRequest(t *testing.T) {
	f := newFixture(t, deletions())
	named := resource("named")
	try := func(id string) error {
		call := f.as("alice", "x")
		_, err := guard.Do(t.Context(), f.guard, call, key.ScheduleKeyDeletion, func(v *guard.Visit) (none struct{}, err error) {
			return none, v.Authorize(guard.Target{Action: key.ScheduleKeyDeletion, Resource: resource(id), Lasting: &named})
		})
		return err
	}
	id := f.refused(try("named-1"))
	if got := f.refused(try("named-2")); got != id {
		t.Errorf("the second attempt is another request: %s and %s", id, got)
	}
	f.file("alice", id)
	if _, err := f.Decide(t.Context(), f.as("bob", ""), id, true, ""); err != nil {
		t.Fatal(err)
	}
	if err := try("named-3"); err != nil {
		t.Error(err)
	}
}

// TestWhatCannotBeApproved: nobody could be asked for these.
func TestWhatCannotBeApproved(t *testing.T) {
	tests := map[string]struct {
		change func(*key.Call)
		kind   fault.Kind
	}{
		"a dry run":          {func(c *key.Call) { c.DryRun, c.Asked = true, key.Asked{} }, fault.PermissionDenied},
		"nothing known":      {func(c *key.Call) { c.Asked = key.Asked{} }, fault.PermissionDenied},
		"somebody anonymous": {func(c *key.Call) { c.Caller.Principal.Kind = key.Federated }, fault.PermissionDenied},
		"a member twice":     {func(c *key.Call) { c.Asked.Body = []byte(`{"what":"x","what":"y"}`) }, fault.InvalidArgument},
		"a member in two cases": {
			func(c *key.Call) { c.Asked.Body = []byte(`{"policy":"good","Policy":"evil"}`) }, fault.InvalidArgument,
		},
	}
	for name, tt := range tests {
		f := newFixture(t, deletions())
		call := f.as("alice", "x")
		tt.change(call)
		err := f.try(call, key.ScheduleKeyDeletion, "k", nil)
		if fault.KindOf(err) != tt.kind || err == nil || strings.Contains(err.Error(), idPrefix) {
			t.Errorf("%s: %v", name, err)
		}
		if n := f.rows(); n != 0 {
			t.Errorf("%s: leaves %d rows", name, n)
		}
	}
}

// rows counts what is in the store.
func (f *fixture) rows() (n int) {
	f.Helper()
	if err := f.store.View(f.Context(), func(tx store.Reader) (err error) {
		n, err = tx.Count(store.Approvals, store.Query{})
		return err
	}); err != nil {
		f.Fatal(err)
	}
	return n
}

// TestDryRunUsesNothing: a step that only tries whether it could is let through,
// and the approval is there afterwards.
func TestDryRunUsesNothing(t *testing.T) {
	f := newFixture(t, deletions())
	id := f.approved("alice", "x", "bob")
	call := f.as("alice", "x")
	call.DryRun = true
	if err := f.try(call, key.ScheduleKeyDeletion, "k", nil); err != nil || f.state(id) != Approved || call.Passage != nil {
		t.Errorf("%v, the approval is %s", err, f.state(id))
	}
}

// TestNeverGated: the clock, and parts of Holdfast, are not held up.
func TestNeverGated(t *testing.T) {
	f := newFixture(t, Rule{Name: "all", Actions: []string{"*"}, Require: Others, Count: 1, Expires: time.Hour, Valid: time.Hour})
	part := f.as("service:managed/x", "x")
	_, err := guard.Do(t.Context(), f.guard, part, key.Sign, func(v *guard.Visit) (none struct{}, err error) {
		grant := key.Grant{Grantee: part.Caller.Principal, Actions: []key.Action{key.Sign}}
		return none, v.Authorize(guard.Target{Action: key.Sign, Resource: resource("k"), Grants: []key.Grant{grant}})
	})
	if err != nil {
		t.Errorf("a part of Holdfast: %v", err)
	}
	_, err = guard.Do(t.Context(), f.guard, part, key.ScheduleKeyDeletion, func(v *guard.Visit) (none struct{}, err error) {
		v.Permit(resource("k"), "by the clock")
		return none, nil
	})
	if err != nil {
		t.Errorf("the clock: %v", err)
	}
	if _, _, err := f.List(t.Context(), f.as("alice", ""), Filter{}, Page{Limit: 10}); err != nil {
		t.Errorf("approvals themselves: %v", err)
	}
}

func TestSecondFactor(t *testing.T) {
	f := newFixture(t,
		Rule{Name: "factor", Actions: []string{"key:Export", "approval:Decide", "key:ScheduleDeletion"}, Require: MFA}, deletions())
	err := f.try(f.as("alice", "x"), key.ExportKey, "k", nil)
	if fault.ReasonOf(err) != fault.MFARequired || fault.KindOf(err) != fault.PermissionDenied || err == nil {
		t.Errorf("without a second factor: %v", err)
	}
	proved := f.as("alice", "x")
	proved.Caller.MFA = true
	if err := f.try(proved, key.ExportKey, "k", nil); err != nil {
		t.Errorf("with a second factor: %v", err)
	}
	if err := f.drop("alice", "x"); fault.ReasonOf(err) != fault.MFARequired {
		t.Errorf("of two rules, the second factor comes first: %v", err)
	}
	proved = f.as("alice", "x")
	proved.Caller.MFA = true
	id := f.refused(f.try(proved, key.ScheduleKeyDeletion, "k", nil))
	f.file("alice", id)
	if _, err := f.Decide(t.Context(), f.as("bob", ""), id, true, ""); fault.ReasonOf(err) != fault.MFARequired {
		t.Errorf("who decides needs one as well: %v", err)
	}
}

// TestGivenBack: an approval is not lost by a call that did nothing, and does
// not come back after one that may have done something.
func TestGivenBack(t *testing.T) {
	fails := func(k fault.Kind) func(*fixture, *guard.Visit) error {
		return func(*fixture, *guard.Visit) error { return fault.New(k, "no") }
	}
	inner := func(err error) func(f *fixture, v *guard.Visit) error {
		return func(f *fixture, v *guard.Visit) error {
			_ = f.try(v.Call, key.DescribeKey, "k", err) // its outcome is not the call's
			return fault.New(fault.WrongState, "no")
		}
	}
	tests := map[string]struct {
		act  func(f *fixture, v *guard.Visit) error
		want State
	}{
		"it is done":             {func(*fixture, *guard.Visit) error { return nil }, Used},
		"an argument is wrong":   {fails(fault.InvalidArgument), Approved},
		"the state is wrong":     {fails(fault.WrongState), Approved},
		"there is no such thing": {fails(fault.NotFound), Approved},
		"an internal error":      {fails(fault.Internal), Used},
		"an engine is away":      {fails(fault.Unavailable), Used},
		"a conflict":             {fails(fault.Conflict), Used},
		"an error of no kind":    {func(*fixture, *guard.Visit) error { return errors.New("x") }, Used},
		"another target is refused": {func(_ *fixture, v *guard.Visit) error {
			return v.Authorize(guard.Target{Action: key.ScheduleKeyDeletion, Resource: key.Resource{Kind: key.KindKey, Realm: "999999999999", ID: "k"}})
		}, Approved},
		"a second target is critical, too": {func(_ *fixture, v *guard.Visit) error {
			return v.Authorize(guard.Target{Action: key.ScheduleKeyDeletion, Resource: resource("second")})
		}, Approved},
		"the same target once more": {func(_ *fixture, v *guard.Visit) error {
			return v.Authorize(guard.Target{Action: key.ScheduleKeyDeletion, Resource: resource("k")})
		}, Used},
		"the change failed": {func(f *fixture, v *guard.Visit) error {
			return v.Commit(f.Context(), func() error { return fault.New(fault.WrongState, "no") })
		}, Used},
		"a step within has acted":  {inner(nil), Used},
		"a step within has failed": {inner(fault.New(fault.NotFound, "no")), Approved},
	}
	for name, tt := range tests {
		f := newFixture(t, deletions())
		id := f.approved("alice", "x", "bob")
		call := f.as("alice", "x")
		_, err := guard.Do(t.Context(), f.guard, call, key.ScheduleKeyDeletion, func(v *guard.Visit) (none struct{}, err error) {
			if err := v.Authorize(guard.Target{Action: key.ScheduleKeyDeletion, Resource: resource("k")}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return none, tt.act(f, v)
		})
		if got := f.state(id); got != tt.want {
			t.Errorf("%s (%v): the approval is %s, want %s", name, err, got, tt.want)
		}
		if n := len(call.Passage.Approvals); n != 0 {
			t.Errorf("%s: the call keeps %d approvals", name, n)
		}
		if tt.want == Approved {
			if err := f.drop("alice", "x"); err != nil {
				t.Errorf("%s: the approval that was given back: %v", name, err)
			}
		}
	}
}

// TestStepsWithin: what an approved act needs for itself is approved with it,
// where the same persons could have approved that.
func TestStepsWithin(t *testing.T) {
	two := deletions()
	two.Name, two.Actions, two.Count = "exports", []string{"key:Export"}, 2
	signs := deletions()
	signs.Name, signs.Actions = "signatures", []string{"key:Sign"}
	chosen := signs
	chosen.Name, chosen.Actions, chosen.Approvers = "macs", []string{"key:GenerateMAC"}, []string{"123456789012:user:carol"}
	tests := map[string]struct {
		outer, inner key.Action
		passes       bool
	}{
		"nothing outside is approved":   {key.DescribeKey, key.Sign, false},
		"the outer act is":              {key.ScheduleKeyDeletion, key.Sign, true},
		"the inner needs more persons":  {key.ScheduleKeyDeletion, key.ExportKey, false},
		"the inner needs other persons": {key.ScheduleKeyDeletion, key.GenerateMAC, false},
		"the inner is not critical":     {key.ScheduleKeyDeletion, key.Verify, true},
	}
	for name, tt := range tests {
		f := newFixture(t, deletions(), two, signs, chosen)
		f.approved("alice", "x", "bob")
		_, err := guard.Do(t.Context(), f.guard, f.as("alice", "x"), tt.outer, func(v *guard.Visit) (none struct{}, err error) {
			if err := v.Authorize(guard.Target{Action: tt.outer, Resource: resource("k")}); err != nil {
				t.Fatal(err)
			}
			step := *v.Call // as the parts of Holdfast do
			step.Via = "test"
			return none, f.try(&step, tt.inner, "inner", nil)
		})
		if (err == nil) != tt.passes {
			t.Errorf("%s: %v", name, err)
		}
		// A step is none of the next request's.
		if err := f.try(f.as("alice", "x"), key.Sign, "inner", nil); err == nil {
			t.Errorf("%s: the next request signs without approval", name)
		}
	}
}

// TestOneUseOfTwoServers: of all who try at once, on two servers over one
// store, one gets through.
func TestOneUseOfTwoServers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := embedded.Open(path, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	f := newFixture(t)
	f.store = s
	f.open(deletions())
	second, err := NewGate(Config{Store: s, Key: make([]byte, minKey), Rules: []Rule{deletions()}, Now: func() time.Time { return f.time }})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		f.approved("alice", "x", "bob")
		var group sync.WaitGroup
		passed := make(chan string, 20)
		for n := range cap(passed) {
			gate := []*Gate{f.gate, second}[n%2]
			call := f.as("alice", "x")
			group.Go(func() {
				id, err := gate.Admit(&guard.Admission{Call: call, Action: key.ScheduleKeyDeletion, Resource: resource("k")})
				if err == nil {
					passed <- id
				}
			})
		}
		group.Wait()
		if len(passed) != 1 {
			t.Fatalf("%d got through by one approval", len(passed))
		}
	}
}

// TestHotPath: who asks for what is not critical pays nothing.
func TestHotPath(t *testing.T) {
	f := newFixture(t, deletions())
	plain := guard.New(f.log, everyone{nil})
	measure := func(g *guard.Guard) float64 {
		call := f.as("root", "x")
		return testing.AllocsPerRun(100, func() {
			f.log.entries = f.log.entries[:0]
			_, _ = guard.Do(t.Context(), g, call, key.Encrypt, func(v *guard.Visit) (none struct{}, err error) {
				return none, v.Authorize(guard.Target{Action: key.Encrypt, Resource: resource("k")})
			})
		})
	}
	if without, with := measure(plain), measure(guard.Gated(f.log, everyone{nil}, f.gate)); with > without {
		t.Errorf("an operation that is not critical costs %v allocations with rules, %v without", with, without)
	}
}

// TestRulesTogether: every rule that covers an act has to be satisfied, as it is
// now.
func TestRulesTogether(t *testing.T) {
	security := deletions()
	security.Name, security.Approvers = "security", []string{"123456789012:user:sue"}
	f := newFixture(t, deletions(), security)
	id := f.approved("alice", "x", "bob")
	if f.state(id) != Pending {
		t.Errorf("by one of the rules' approvers the request is %s", f.state(id))
	}
	if _, err := f.Decide(t.Context(), f.as("sue", ""), id, true, ""); err != nil || f.state(id) != Approved {
		t.Fatalf("by both it is %s: %v", f.state(id), err)
	}
	three := deletions()
	three.Count = 3
	f.open(three)
	if got := f.refused(f.drop("alice", "x")); got != id || f.state(id) != Approved {
		t.Errorf("the rules are stricter by now: %s is %s", id, f.state(id))
	}
	f.open()
	if err := f.drop("alice", "x"); err != nil {
		t.Errorf("there are no rules any more: %v", err)
	}
}
