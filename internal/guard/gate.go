package guard

import (
	"slices"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Gate stands before critical operations: what the policies allow, it may
// still refuse until something else is proved, such as another person's
// approval. It is asked after the policies and before the act, and only about
// actions of callers: what a stored rule does by the clock is permitted, not
// asked for (Visit.Permit).
type Gate interface {
	// Actions returns the actions that the gate is asked about, the same ones
	// every time.
	Actions() key.ActionSet
	// Admit returns nil if the act may go on, or a PermissionDenied error. The id
	// is of the approval that the act uses, which is used up when Admit returns,
	// or of the one that it lacks; "" where none is concerned. A call that is a
	// dry run uses nothing.
	Admit(a *Admission) (id string, err error)
	// Return gives approvals back that acts used which then did nothing.
	Return(ids []string)
}

// Admission is what a Gate is asked.
type Admission struct {
	Call   *key.Call
	Action key.Action
	// Resource is the same whenever the request is sent.
	Resource key.Resource
	// Own are the approvals that the visit has used already, Outer those of the
	// visits of which this one is a step.
	Own, Outer []string
}

// Gated returns a guard that asks a gate as well.
func Gated(log audit.Recorder, ids Identities, gate Gate) *Guard {
	return &Guard{log: log, ids: ids, gate: gate, critical: gate.Actions()}
}

// pass brings an allowed act past the gate. Parts of Holdfast pass: they do
// what a caller was let through for, or a stored rule says.
func (v *Visit) pass(t Target) error {
	call := v.Call
	if call.Caller.Principal.Kind == key.Service {
		return nil
	}
	a := &Admission{Call: call, Action: t.Action, Resource: t.Resource}
	if t.Lasting != nil {
		a.Resource = *t.Lasting
	}
	if call.Passage != nil {
		a.Outer, a.Own = call.Passage.Approvals[:v.outer], call.Passage.Approvals[v.outer:]
	}
	id, err := v.guard.gate.Admit(a)
	if id != "" {
		v.Note("approval", id)
	}
	if err != nil {
		v.entry.Decision, v.entry.Why = audit.Denied, "the policies allow it; the operation is a critical one"
		v.authorised = false
		return err
	}
	if id != "" {
		if call.Passage == nil {
			call.Passage = new(key.Passage)
		}
		call.Passage.Approvals = append(call.Passage.Approvals, id)
	}
	return nil
}

// through takes the visit's own approvals from the call's passage, and returns
// those that are to be given back: all of them if the visit failed in a way that
// says that nothing was done, before it or a visit within it did anything.
func (v *Visit) through(err error) []string {
	p := v.Call.Passage
	if p == nil {
		return nil
	}
	own, acted := slices.Clone(p.Approvals[v.outer:]), p.Acted
	p.Approvals = p.Approvals[:v.outer]
	p.Acted = v.outer > 0 && (acted || err == nil)
	if err == nil || v.tried || acted || !harmless(fault.KindOf(err)) {
		return nil
	}
	if len(own) > 0 {
		v.Note("approval given back", "the operation did nothing")
	}
	return own
}

// giveBack gives approvals back, once that is on record.
func (v *Visit) giveBack(ids []string) {
	if len(ids) > 0 {
		v.guard.gate.Return(ids)
	}
}

// harmless reports whether a failure of the kind comes before anything is done.
func harmless(k fault.Kind) bool {
	switch k { //nolint:exhaustive // after the others it is not known what was done
	case fault.InvalidArgument, fault.PermissionDenied, fault.NotFound, fault.AlreadyExists, fault.WrongState,
		fault.Unsupported, fault.LimitExceeded:
		return true
	}
	return false
}
