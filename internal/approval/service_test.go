package approval

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// TestWhoDecides: another person than who asks, whom the policies and the rule
// let decide.
func TestWhoDecides(t *testing.T) {
	role := func(person string) func(*key.Call) {
		return func(c *key.Call) { c.Caller.Assumption = &key.Assumption{Person: principal(person).String()} }
	}
	named := deletions()
	named.Approvers = []string{"123456789012:user:sue", "123456789012:role:ops/approvers", "123456789012:root:"}
	tests := []struct {
		who    string
		change func(*key.Call)
		// open and chosen are whether the approval counts where the rule names
		// nobody, and where it names sue, a role and the root.
		open, chosen bool
	}{
		{who: "bob", open: true},
		{who: "sue", open: true, chosen: true},
		{who: "alice"},
		{who: "alice", change: func(c *key.Call) { c.Caller.MFA, c.Caller.Credential = true, "ASIA1" }}, // another session of hers
		{who: "session:ops/approvers/a", change: role("alice")},                                         // and a role that she assumed
		{who: "session:ops/approvers/b", change: role("bob"), open: true, chosen: true},
		{who: "session:approvers/b", change: role("bob"), open: true},
		{who: "session:ops/approvers/more/b", change: role("bob"), open: true},
		{who: "root", chosen: true},
		{who: "powerless"},
		{who: "sue", change: func(c *key.Call) { c.Caller.Principal.Realm = "999999999999" }},
	}
	for _, tt := range tests {
		for _, rule := range []Rule{deletions(), named} {
			f := newFixture(t, rule)
			id := f.approved("alice", "x")
			call := f.as(tt.who, "")
			if tt.change != nil {
				tt.change(call)
			}
			want := tt.open
			if len(rule.Approvers) > 0 {
				want = tt.chosen
			}
			for _, approve := range []bool{false, true} {
				if approve && !want || !approve && want {
					continue // what ends it comes last
				}
				_, err := f.Decide(t.Context(), call, id, approve, "")
				if (err == nil) != want || !want && fault.KindOf(err) != fault.PermissionDenied {
					t.Errorf("%s over a request of alice, approvers %v: %v", tt.who, rule.Approvers, err)
				}
			}
			if got := f.state(id); (got == Approved) != want {
				t.Errorf("%s over a request of alice, approvers %v: it is %s", tt.who, rule.Approvers, got)
			}
		}
	}
}

// TestRequestOfASession: what a role's session asks for, whoever assumed the
// role cannot approve.
func TestRequestOfASession(t *testing.T) {
	f := newFixture(t, deletions())
	call := f.as("session:deployer/ci", "x")
	call.Caller.Assumption = &key.Assumption{Person: principal("alice").String()}
	id := f.refused(f.try(call, key.ScheduleKeyDeletion, "k", nil))
	if _, err := f.File(t.Context(), call, id, "it is time"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Decide(t.Context(), f.as("alice", ""), id, true, ""); fault.KindOf(err) != fault.PermissionDenied || err == nil {
		t.Errorf("who assumed the role decides: %v", err)
	}
	if _, err := f.Decide(t.Context(), f.as("bob", ""), id, true, ""); err != nil {
		t.Error(err)
	}
}

// TestSeveralPersons: one person counts once, in whatever session.
func TestSeveralPersons(t *testing.T) {
	two := deletions()
	two.Count = 2
	f := newFixture(t, two)
	id := f.approved("alice", "x", "bob", "bob")
	session := f.as("session:ops/approvers/b", "")
	session.Caller.Assumption = &key.Assumption{Person: principal("bob").String()}
	r, err := f.Decide(t.Context(), session, id, true, "")
	if err != nil || r.State != Pending || len(r.Decisions) != 1 {
		t.Errorf("by one person three times it is %s, with %d decisions: %v", r.State, len(r.Decisions), err)
	}
	if have, need := f.Progress(r); have != 1 || need != 2 {
		t.Errorf("%d of %d", have, need)
	}
	r, err = f.Decide(t.Context(), f.as("carol", ""), id, true, "")
	if err != nil || r.State != Approved {
		t.Errorf("by two it is %s: %v", r.State, err)
	}
}

// TestStates is which step goes from which state, and where it leads.
func TestStates(t *testing.T) {
	steps := map[string]func(f *fixture, id string) error{
		"file": func(f *fixture, id string) error {
			_, err := f.File(f.Context(), f.as("alice", ""), id, "why")
			return err
		},
		"approve": func(f *fixture, id string) error {
			_, err := f.Decide(f.Context(), f.as("bob", ""), id, true, "")
			return err
		},
		"deny": func(f *fixture, id string) error {
			_, err := f.Decide(f.Context(), f.as("bob", ""), id, false, "")
			return err
		},
		"cancel": func(f *fixture, id string) error { _, err := f.Cancel(f.Context(), f.as("alice", ""), id); return err },
		"use":    func(f *fixture, _ string) error { return f.drop("alice", "x") },
		"wait": func(f *fixture, _ string) error {
			f.pass(24 * time.Hour)
			_, err := f.Tick(f.Context())
			return err
		},
	}
	reach := map[State][]string{
		Draft: {}, Pending: {"file"}, Approved: {"file", "approve"}, Used: {"file", "approve", "use"},
		Denied: {"file", "deny"}, Cancelled: {"cancel"}, Expired: {"file", "wait"},
	}
	leads := map[State]map[string]State{
		Draft:    {"file": Pending, "cancel": Cancelled, "wait": "gone"},
		Pending:  {"approve": Approved, "deny": Denied, "cancel": Cancelled, "wait": Expired},
		Approved: {"use": Used, "deny": Denied, "cancel": Cancelled, "wait": Expired},
		Used:     {"wait": Used}, Denied: {"wait": Denied}, Cancelled: {"wait": Cancelled}, Expired: {"wait": Expired},
	}
	for _, from := range States() {
		for name, step := range steps {
			f := newFixture(t, deletions())
			id := f.refused(f.drop("alice", "x"))
			for _, s := range reach[from] {
				if err := steps[s](f, id); err != nil {
					t.Fatalf("%s: %v", s, err)
				}
			}
			if got := f.state(id); got != from {
				t.Fatalf("%v leads to %s, not %s", reach[from], got, from)
			}
			err := step(f, id)
			want, can := leads[from][name]
			if !can {
				want = from
			}
			if got := f.state(id); got != want || (err == nil) != can {
				t.Errorf("%s in state %s: %s, %v; want %s", name, from, got, err, want)
			}
			if !can && name != "use" && fault.KindOf(err) != fault.WrongState {
				t.Errorf("%s in state %s: %v", name, from, err)
			}
		}
	}
}

// TestTimes: what is too old is refused, before the clock has been there as well.
func TestTimes(t *testing.T) {
	f := newFixture(t, deletions())
	id := f.approved("alice", "x", "bob")
	f.pass(time.Hour - 1)
	if r, err := f.Show(t.Context(), f.as("alice", ""), id); err != nil || r.State != Approved {
		t.Errorf("at the end of its hour: %v, %v", r, err)
	}
	f.pass(1)
	next := f.refused(f.drop("alice", "x"))
	if next == id || f.state(id) != Expired {
		t.Errorf("after its hour %s is %s", id, f.state(id))
	}
	f.file("alice", next)
	f.pass(24 * time.Hour)
	if _, err := f.Decide(t.Context(), f.as("bob", ""), next, true, ""); fault.KindOf(err) != fault.WrongState || err == nil {
		t.Errorf("a request of yesterday is decided: %v", err)
	}
	if more, err := f.Tick(t.Context()); more || err != nil || f.state(next) != Expired {
		t.Errorf("the clock: %v, %v, it is %s", more, err, f.state(next))
	}
	last := f.log.entries[len(f.log.entries)-1]
	if last.Action != key.CancelApproval || last.Principal != "123456789012:service:approval" || last.Why != "its time is over" {
		t.Errorf("the end is recorded as %+v", last)
	}
	var over int
	for _, text := range f.events() {
		if strings.HasSuffix(text, "has expired") {
			over++
		}
	}
	if over != 2 {
		t.Errorf("people are told of the end of %d requests: %v", over, f.events())
	}
	f.pass(keep)
	for more := true; more; {
		var err error
		if more, err = f.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.rows(); n != 0 {
		t.Errorf("%d rows are never forgotten", n)
	}
}

// TestBounds: nobody fills the store with what they try, nor others' lists.
func TestBounds(t *testing.T) {
	f := newFixture(t, deletions())
	var ids []string
	for n := range MaxOpen + 3 {
		f.pass(time.Second)
		ids = append(ids, f.refused(f.drop("alice", fmt.Sprint(n))))
	}
	if f.state(ids[2]) != "gone" || f.state(ids[3]) != Draft || f.rows() != 3*MaxOpen {
		t.Errorf("%d rows after %d drafts; the oldest are %s and %s", f.rows(), len(ids), f.state(ids[2]), f.state(ids[3]))
	}
	for _, id := range ids[3:] {
		f.file("alice", id)
	}
	more := f.refused(f.drop("alice", "more"))
	if _, err := f.File(t.Context(), f.as("alice", ""), more, "why"); fault.KindOf(err) != fault.LimitExceeded {
		t.Errorf("a request more: %v", err)
	}
	f.file("carol", f.refused(f.drop("carol", "x"))) // others are not held up
	for _, reason := range []string{"", " ", strings.Repeat("x", MaxReason+1), "a\nb", "\u202eevil", "\xff"} {
		id := f.refused(f.drop("dave", "x"))
		if _, err := f.File(t.Context(), f.as("dave", ""), id, reason); fault.KindOf(err) != fault.InvalidArgument || err == nil {
			t.Errorf("the reason %.20q: %v", reason, err)
		}
	}
}

// TestWhoSees: a request is its requester's, and those who may list.
func TestWhoSees(t *testing.T) {
	f := newFixture(t, deletions())
	id := f.approved("alice", "x")
	draft := f.refused(f.drop("alice", "y"))
	f.approved("bob", "z")
	names := func(who string, filter Filter) []string {
		var list []string
		for after, first := "", true; first || after != ""; first = false {
			page, next, err := f.List(t.Context(), f.as(who, ""), filter, Page{After: after, Limit: 1})
			if err != nil {
				return []string{fault.KindOf(err).String()}
			}
			for _, r := range page {
				list = append(list, r.Requester.Name+" "+string(r.State))
			}
			after = next
		}
		slices.Sort(list)
		return list
	}
	tests := []struct {
		who    string
		filter Filter
		want   []string
	}{
		{"carol", Filter{}, []string{"alice pending", "bob pending"}},
		{"carol", Filter{States: []State{Draft}}, []string{"alice draft"}},
		{"carol", Filter{Mine: true}, nil},
		{"alice", Filter{Mine: true}, []string{"alice draft", "alice pending"}},
		{"powerless", Filter{}, []string{"permission denied"}},
		{"powerless", Filter{Mine: true}, nil},
		{"carol", Filter{States: []State{"other"}}, []string{"invalid argument"}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, names(tt.who, tt.filter)); diff != "" {
			t.Errorf("%s, %+v (-want +got):\n%s", tt.who, tt.filter, diff)
		}
	}
	r, err := f.Show(t.Context(), f.as("carol", ""), id)
	if err != nil || r.Text != `{"what":"x"}` || r.Reason != "it is time" {
		t.Errorf("%+v, %v", r, err)
	}
	for who, want := range map[string]fault.Kind{"powerless": fault.PermissionDenied, "carol": fault.NotFound} {
		if _, err := f.Show(t.Context(), f.as(who, ""), "apr-aaaaaaaaaaaaaaaa"); fault.KindOf(err) != want {
			t.Errorf("%s of what is not there: %v", who, err)
		}
	}
	if _, err := f.File(t.Context(), f.as("bob", ""), draft, "mine now"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("somebody else's draft is filed: %v", err)
	}
	if _, err := f.Cancel(t.Context(), f.as("powerless", ""), id); fault.KindOf(err) != fault.PermissionDenied {
		t.Errorf("somebody else's request is cancelled: %v", err)
	}
	if _, err := f.Cancel(t.Context(), f.as("carol", ""), id); err != nil {
		t.Errorf("who may cancels: %v", err)
	}
	if rules, err := f.Rules(t.Context(), f.as("carol", "")); err != nil || len(rules) != 1 {
		t.Errorf("%d rules, %v", len(rules), err)
	}
}
