package key

import "github.com/holdfast-kms/holdfast/internal/fault"

// State is a key's place in its life (NIST SP 800-57 part 1, section 7, in
// the finer grain that the cloud APIs share).
type State uint8

// The states. Destroyed keys are gone: no record keeps that state, it is
// where the machine ends.
const (
	Creating State = iota + 1
	Enabled
	Disabled
	PendingDeletion
	PendingImport
	Unavailable
	Destroyed
)

var stateNames = [...]string{
	Creating: "creating", Enabled: "enabled", Disabled: "disabled", PendingDeletion: "pending deletion",
	PendingImport: "pending import", Unavailable: "unavailable", Destroyed: "destroyed",
}

// String returns the state in lower-case words.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return ""
}

// ParseState returns the state of a name that String gives, or 0.
func ParseState(name string) State {
	for s := Creating; s <= Destroyed; s++ {
		if s.String() == name {
			return s
		}
	}
	return 0
}

// Event is what happens to a key.
type Event uint8

// The events.
const (
	Made             Event = iota + 1 // the material exists
	Enable                            // a caller enables the key
	Disable                           // a caller disables it
	ScheduleDeletion                  // a caller schedules its destruction
	CancelDeletion                    // a caller takes that back
	Destroy                           // the waiting period is over
	LoseMaterial                      // imported material expired or was deleted
	GainMaterial                      // material was imported
	Disconnect                        // the engine is out of reach by order
	Reconnect                         // the engine is back
)

var eventNames = [...]string{
	Made: "made", Enable: "enable", Disable: "disable", ScheduleDeletion: "schedule deletion",
	CancelDeletion: "cancel deletion", Destroy: "destroy", LoseMaterial: "lose material",
	GainMaterial: "gain material", Disconnect: "disconnect", Reconnect: "reconnect",
}

// String returns the event in lower-case words.
func (e Event) String() string {
	if int(e) < len(eventNames) {
		return eventNames[e]
	}
	return ""
}

// transitions is the whole machine: what is not here is refused.
// Cancelling a deletion leads to Disabled, never back to use by itself; a key
// that lost its material meanwhile loses it then.
// Unavailable is no state of a record: it is what a key is while its key store
// is not connected, whatever its record says.
var transitions = map[State]map[Event]State{
	Creating: {Made: Enabled, GainMaterial: Enabled, LoseMaterial: PendingImport},
	Enabled: {
		Enable: Enabled, Disable: Disabled, ScheduleDeletion: PendingDeletion,
		LoseMaterial: PendingImport, Disconnect: Unavailable,
	},
	Disabled: {
		Enable: Enabled, Disable: Disabled, ScheduleDeletion: PendingDeletion,
		LoseMaterial: PendingImport, Disconnect: Unavailable,
	},
	PendingDeletion: {CancelDeletion: Disabled, Destroy: Destroyed, LoseMaterial: PendingDeletion},
	PendingImport:   {GainMaterial: Enabled, LoseMaterial: PendingImport, ScheduleDeletion: PendingDeletion},
	Unavailable:     {Reconnect: Enabled, ScheduleDeletion: PendingDeletion},
}

// Next returns the state that the event leads to. A refusal is a WrongState
// error whose Reason names the state that forbids the event.
func (s State) Next(e Event) (State, error) {
	if next, ok := transitions[s][e]; ok {
		return next, nil
	}
	if e == CancelDeletion {
		return s, fault.Because(fault.WrongState, fault.KeyNotPendingDeletion, "the key is not pending deletion")
	}
	return s, s.refusal()
}

// Use returns nil when a key in this state does cryptography, else a
// WrongState error whose Reason names the state.
func (s State) Use() error {
	if s == Enabled {
		return nil
	}
	return s.refusal()
}

// Manage returns nil when a key in this state can be managed by the action,
// else a WrongState error: a key that waits for its deletion takes only what
// AnyState names.
func (s State) Manage(a Action) error {
	if s == PendingDeletion && !a.AnyState() {
		return s.refusal()
	}
	return nil
}

func (s State) refusal() *fault.Error {
	reasons := map[State]fault.Reason{
		Creating: fault.KeyCreating, Disabled: fault.KeyDisabled, PendingDeletion: fault.KeyPendingDeletion,
		PendingImport: fault.KeyPendingImport, Unavailable: fault.KeyUnavailable,
	}
	return fault.Because(fault.WrongState, reasons[s], "the key is %s", s)
}
