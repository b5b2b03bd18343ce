package guard_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// gate is asked about listing keys, and counts.
type gate struct {
	refuse   error
	asked    []guard.Admission
	returned []string
}

func (*gate) Actions() (s key.ActionSet) {
	s.Add(key.ListKeys)
	return s
}

func (g *gate) Admit(a *guard.Admission) (string, error) {
	g.asked = append(g.asked, *a)
	return "approval", g.refuse
}

func (g *gate) Return(ids []string) { g.returned = append(g.returned, ids...) }

// TestGateIsAskedLast: only about what the policies allow, only about critical
// actions, and never about parts of Holdfast or what is permitted.
func TestGateIsAskedLast(t *testing.T) {
	user := root()
	user.Caller.Principal = key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: "nobody"}
	part := root()
	part.Caller.Principal = key.Principal{Realm: key.DefaultRealm, Kind: key.Service, Name: "x"}
	other := realm
	other.Action = key.ListAliases
	granted := realm
	granted.Grants = []key.Grant{{Grantee: part.Caller.Principal, Actions: []key.Action{key.ListKeys}}}
	tests := map[string]struct {
		call  *key.Call
		act   func(*guard.Visit) error
		asked int
	}{
		"critical":           {root(), func(v *guard.Visit) error { return v.Authorize(realm) }, 1},
		"another action":     {root(), func(v *guard.Visit) error { return v.Authorize(other) }, 0},
		"denied by policy":   {user, func(v *guard.Visit) error { return v.Authorize(realm) }, 0},
		"a part of Holdfast": {part, func(v *guard.Visit) error { return v.Authorize(granted) }, 0},
		"permitted":          {root(), func(v *guard.Visit) error { v.Permit(realm.Resource, "own"); return nil }, 0},
	}
	for name, tt := range tests {
		g := &gate{}
		_, _ = guard.Do(t.Context(), guard.Gated(&ledger{}, nobody{}, g), tt.call, key.ListKeys, func(v *guard.Visit) (none struct{}, err error) {
			return none, tt.act(v)
		})
		if len(g.asked) != tt.asked {
			t.Errorf("%s: the gate is asked %d times, want %d", name, len(g.asked), tt.asked)
		}
	}
}

// TestGateRefuses: nothing is done, even by who forgets the refusal, and the
// entry has the approval that is lacking.
func TestGateRefuses(t *testing.T) {
	l, g := &ledger{}, &gate{refuse: fault.Because(fault.PermissionDenied, fault.ApprovalRequired, "ask somebody")}
	got, err := guard.Do(t.Context(), guard.Gated(l, nobody{}, g), root(), key.ListKeys, func(v *guard.Visit) (string, error) {
		_ = v.Authorize(realm)
		return "result", nil
	})
	if err == nil || got != "" {
		t.Errorf("a refusal that was forgotten let %q out: %v", got, err)
	}
	e := l.entries[0]
	if e.Decision != audit.Denied || len(e.Details) != 1 || e.Details[0] != (audit.Detail{Name: "approval", Value: "approval"}) {
		t.Errorf("the entry is %+v", e)
	}
}

// TestGateKnowsWhatIsAround: steps know the approvals of what they are a step
// of, and siblings nothing of each other.
func TestGateKnowsWhatIsAround(t *testing.T) {
	g := &gate{}
	under := guard.Gated(&ledger{}, nobody{}, g)
	call := root()
	step := func() {
		inner := *call
		_, _ = guard.DoWithin(t.Context(), under, &inner, key.ListKeys, func(v *guard.Visit) (none struct{}, err error) {
			return none, v.Authorize(realm)
		})
	}
	_, err := guard.Do(t.Context(), under, call, key.ListKeys, func(v *guard.Visit) (none struct{}, err error) {
		for range 2 {
			if err := v.Authorize(realm); err != nil {
				return none, err
			}
		}
		step()
		step()
		return none, fault.New(fault.NotFound, "no")
	})
	if fault.KindOf(err) != fault.NotFound || len(g.returned) != 0 {
		t.Errorf("%v; %v came back after steps that acted", err, g.returned)
	}
	step() // of the same request, after that visit
	var got [][2]int
	for _, a := range g.asked {
		got = append(got, [2]int{len(a.Outer), len(a.Own)})
	}
	if diff := cmp.Diff([][2]int{{0, 0}, {0, 1}, {2, 0}, {2, 0}, {0, 0}}, got); diff != "" {
		t.Errorf("outer and own (-want +got):\n%s", diff)
	}
}
