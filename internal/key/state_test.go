package key

import (
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// TestMachine is the whole machine as a table: a row for each state, a column
// for each event; "" means refused.
func TestMachine(t *testing.T) {
	events := []Event{Made, Enable, Disable, ScheduleDeletion, CancelDeletion, Destroy, LoseMaterial, GainMaterial, Disconnect, Reconnect}
	table := map[State][]State{
		//                Made     Enable   Disable   Schedule         Cancel    Destroy    Lose           Gain     Disconnect   Reconnect
		Creating:        {Enabled, 0, 0, 0, 0, 0, PendingImport, Enabled, 0, 0},
		Enabled:         {0, Enabled, Disabled, PendingDeletion, 0, 0, PendingImport, 0, Unavailable, 0},
		Disabled:        {0, Enabled, Disabled, PendingDeletion, 0, 0, PendingImport, 0, Unavailable, 0},
		PendingDeletion: {0, 0, 0, 0, Disabled, Destroyed, PendingDeletion, 0, 0, 0},
		PendingImport:   {0, 0, 0, PendingDeletion, 0, 0, PendingImport, Enabled, 0, 0},
		Unavailable:     {0, 0, 0, PendingDeletion, 0, 0, 0, 0, 0, Enabled},
		Destroyed:       {0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	}
	for from, row := range table {
		for i, e := range events {
			got, err := from.Next(e)
			switch to := row[i]; {
			case to == 0 && (fault.KindOf(err) != fault.WrongState || got != from):
				t.Errorf("%s, %s: got %q, %v; want a refusal that changes nothing", from, e, got, err)
			case to != 0 && (err != nil || got != to):
				t.Errorf("%s, %s: got %q, %v; want %q", from, e, got, err, to)
			}
		}
	}
}

func TestUseNeedsAnEnabledKey(t *testing.T) {
	reasons := map[State]fault.Reason{
		Creating: fault.KeyCreating, Disabled: fault.KeyDisabled, PendingDeletion: fault.KeyPendingDeletion,
		PendingImport: fault.KeyPendingImport, Unavailable: fault.KeyUnavailable,
	}
	if err := Enabled.Use(); err != nil {
		t.Error(err)
	}
	for s, reason := range reasons {
		if err := s.Use(); fault.KindOf(err) != fault.WrongState || fault.ReasonOf(err) != reason {
			t.Errorf("%s: got %v with reason %d, want %d", s, err, fault.ReasonOf(err), reason)
		}
	}
}

func TestManagement(t *testing.T) {
	for _, a := range Actions() {
		if err := Enabled.Manage(a); err != nil {
			t.Errorf("an enabled key refuses %s: %v", a, err)
		}
		if err := PendingDeletion.Manage(a); (err == nil) != a.AnyState() {
			t.Errorf("a key pending deletion answers %s with %v", a, err)
		}
	}
}

func TestNamesOfStates(t *testing.T) {
	for s := Creating; s <= Destroyed; s++ {
		if s.String() == "" || ParseState(s.String()) != s {
			t.Errorf("state %d has the name %q, which parses as %d", s, s, ParseState(s.String()))
		}
	}
	if ParseState("nonsense") != 0 || ParseState("") != 0 {
		t.Error("nonsense is a state")
	}
}
