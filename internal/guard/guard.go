// Package guard is the one place where a call is judged and recorded. The
// door (kms), the authorities (ca) and the user directory (identity) each
// wrap an operation in Do: it gives the operation a Visit to authorise itself
// with, and writes the one audit entry before the result may leave.
//
// An operation that never authorised itself is refused, so forgetting to ask
// cannot become an open door.
package guard

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strconv"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/trace"
)

// Identities knows the policies of principals.
type Identities interface {
	// Policies returns the compiled policies of a caller; none for a caller
	// that has none. It does no I/O.
	Policies(c *key.Caller) []*policy.Policy
}

// Guard judges and records.
type Guard struct {
	log audit.Recorder
	ids Identities
	// gate stands before the actions in critical.
	gate     Gate
	critical key.ActionSet
}

// New returns a guard that records in log and asks ids for callers' policies.
func New(log audit.Recorder, ids Identities) *Guard { return &Guard{log: log, ids: ids} }

// Visit is one call on its way through. It belongs to one goroutine.
type Visit struct {
	Call  *key.Call
	guard *Guard
	// outer is how many approvals of the call's passage are of visits around
	// this one.
	outer int
	entry audit.Entry
	// room is where the first details of the entry stand.
	room [6]audit.Detail
	// authorised is set by a decision to allow.
	authorised bool
	// within says that an outer visit waits for the log.
	within bool
	// committed is set once the entry of a success is durable, and tried once
	// that was attempted: what follows may change something.
	committed, tried bool
	// kind is that of the entry's resource, and span the step that the visit is,
	// nil where nobody watches.
	kind key.ResourceKind
	span *trace.Span
}

// Do runs one operation of a call: act authorises itself through the Visit
// and does its work, and Do records the outcome. The result leaves only when
// its audit entry is durable.
func Do[T any](ctx context.Context, g *Guard, call *key.Call, action key.Action, act func(*Visit) (T, error)) (T, error) {
	return run(ctx, g.enter(call, action), act)
}

// DoWithin is Do for a step inside another visit of the same request: its
// entry is queued and not waited for, because the outer visit's entry comes
// after it in the log and is waited for before anything leaves.
func DoWithin[T any](ctx context.Context, g *Guard, call *key.Call, action key.Action, act func(*Visit) (T, error)) (T, error) {
	v := g.enter(call, action)
	v.within = true
	return run(ctx, v, act)
}

func run[T any](ctx context.Context, v *Visit, act func(*Visit) (T, error)) (T, error) {
	v.watch(ctx)
	finished := false
	defer func() {
		if !finished { // act panics, which is our own bug: the call is on record all the same
			_ = v.leave(ctx, &fault.Error{Kind: fault.Internal, Op: v.entry.Action.String()})
		}
	}()
	result, err := act(v)
	finished = true
	if err = v.leave(ctx, err); err != nil {
		var none T
		return none, err
	}
	return result, nil
}

// Refuse records a call that failed before it reached any operation (a wrong
// signature, malformed input) and returns what the caller gets: err, or the
// failure to record it. A call that is recorded already is left alone.
func (g *Guard) Refuse(ctx context.Context, call *key.Call, action key.Action, err error) error {
	if call.Recorded {
		return err
	}
	v := g.enter(call, action)
	v.watch(ctx)
	return v.leave(ctx, err)
}

// watch marks the visit as a step of the request, where somebody watches it,
// and has the entry say of which trace.
func (v *Visit) watch(ctx context.Context) {
	name := cmp.Or(v.entry.Action.String(), "refused") // what is no operation has no action
	if v.span = trace.Start(ctx, name); v.span == nil {
		return
	}
	v.Note("trace", v.span.TraceID())
	v.span.Set(trace.Action, v.entry.Action.String())
	trace.Root(ctx).Set(trace.Request, v.Call.RequestID)
}

func (g *Guard) enter(call *key.Call, action key.Action) *Visit {
	p := call.Caller.Principal
	v := &Visit{Call: call, guard: g, entry: audit.Entry{
		Time: call.Time, Realm: p.Realm, Region: call.Region, RequestID: call.RequestID,
		API: call.API, Operation: call.Operation, Action: action,
		Credential: call.Caller.Credential, Method: call.Caller.Method, MFA: call.Caller.MFA,
		UserAgent: call.UserAgent,
	}}
	v.entry.Details = v.room[:0]
	if call.Passage != nil {
		v.outer = len(call.Passage.Approvals)
	}
	if p != (key.Principal{}) {
		v.entry.Principal = p.String()
	}
	if call.Source.IsValid() {
		v.entry.Source = call.Source.String()
	}
	return v
}

// Target is what an operation asks to act on.
type Target struct {
	Action     key.Action
	Resource   key.Resource
	Attributes *policy.Attributes
	// Policy is the resource's own policy, nil where the resource has none.
	Policy *policy.Policy
	// Grants are the resource's grants.
	Grants []key.Grant
	// Lasting is what an approval is of, where the resource is made by the
	// request, under an id that is another one whenever that is sent; else nil.
	Lasting *key.Resource
}

// Authorize asks whether the call may do the target's action. A refusal is a
// PermissionDenied error. The last target asked for is the entry's resource.
func (v *Visit) Authorize(t Target) error {
	v.About(t.Resource)
	d := policy.Decide(v.input(t))
	if !d.Allowed {
		return v.Deny(t, d.Reason, d.Why)
	}
	if v.guard.critical.Has(t.Action) {
		if err := v.pass(t); err != nil {
			return err
		}
	}
	v.entry.Decision, v.entry.Why = audit.Allowed, d.Why
	v.authorised = true
	return nil
}

// Deny refuses the target's action without asking the policies, for what none
// of them can allow. It returns the PermissionDenied error.
func (v *Visit) Deny(t Target, reason fault.Reason, why string) error {
	v.About(t.Resource)
	v.entry.Decision, v.entry.Why = audit.Denied, why
	v.authorised = false
	return &fault.Error{
		Kind: fault.PermissionDenied, Reason: reason, Resource: t.Resource.String(), Op: t.Action.String(),
		Public: "not authorized to perform " + t.Action.String(),
	}
}

func (v *Visit) input(t Target) policy.Input {
	return policy.Input{
		Request: policy.Request{
			Call: v.Call, Action: t.Action, Resource: t.Resource, Attributes: t.Attributes,
		},
		Resource: t.Policy, Identity: v.guard.ids.Policies(&v.Call.Caller), Grants: t.Grants,
	}
}

// Permit authorises what no policy has to allow: what every authenticated
// caller may do about itself, and what a stored rule does by the clock.
func (v *Visit) Permit(r key.Resource, why string) {
	v.About(r)
	v.entry.Decision, v.entry.Why = audit.Allowed, why
	v.authorised = true
}

// May reports whether the call would be allowed the target's action. It
// authorises nothing and leaves no trace in the entry: it is for an overview
// that shows what its caller may see of many things.
func (v *Visit) May(t Target) bool { return policy.Decide(v.input(t)).Allowed }

// LocksOut reports whether a resource with the target's policy could never be
// given another one, see policy.LocksOut. It leaves no trace in the entry.
func (v *Visit) LocksOut(t Target) bool { return policy.LocksOut(v.input(t)) }

// About names the resource in the entry before, or without, a decision on it.
func (v *Visit) About(r key.Resource) { v.entry.Resource, v.kind = r.String(), r.Kind }

// Identify says who calls, where that is proved only within the visit: by a
// web identity's token, or by the code of a second factor. The policies and the
// entry see the new caller.
func (v *Visit) Identify(c key.Caller) {
	v.Call.Caller = c
	v.entry.Realm, v.entry.Principal = c.Principal.Realm, c.Principal.String()
	v.entry.Credential, v.entry.Method, v.entry.MFA = c.Credential, c.Method, c.MFA
}

// Note adds a fact to the entry. Never pass a secret.
func (v *Visit) Note(name, value string) {
	v.entry.Details = append(v.entry.Details, audit.Detail{Name: name, Value: value})
}

// NoteInt adds a number to the entry.
func (v *Visit) NoteInt(name string, value int) { v.Note(name, strconv.Itoa(value)) }

// Commit records the call as a success, and only when that entry is durable
// runs change, the store's transaction: nothing changes without a record. A
// change that fails after all is recorded by a second entry.
func (v *Visit) Commit(ctx context.Context, change func() error) error {
	if err := v.permit(); err != nil {
		return err
	}
	if err := v.record(ctx, nil); err != nil {
		return err
	}
	v.committed, v.tried = true, true
	if err := change(); err != nil {
		v.committed = false
		return err
	}
	return nil
}

// leave writes the entry, unless Commit has, and returns what the caller gets.
func (v *Visit) leave(ctx context.Context, err error) error {
	err = v.conclude(ctx, err)
	v.span.Set(trace.Resource, string(v.kind))
	v.span.Set(trace.Decision, string(v.entry.Decision))
	v.span.End(err)
	return err
}

func (v *Visit) conclude(ctx context.Context, err error) error {
	v.Call.Recorded = true
	if v.committed && err == nil {
		v.through(nil)
		return nil
	}
	if err == nil {
		err = v.permit()
	}
	if v.Call.Passage != nil {
		defer v.giveBack(v.through(err))
	}
	if failed := v.record(ctx, err); failed != nil {
		return failed
	}
	return err
}

// permit returns an error for an operation that would succeed unauthorised.
func (v *Visit) permit() error {
	if v.authorised {
		return nil
	}
	return &fault.Error{Kind: fault.Internal, Op: v.entry.Action.String(), Public: "the operation was not authorised"}
}

// record makes the entry durable with the outcome err. A caller that went
// away does not take its entry with it.
func (v *Visit) record(ctx context.Context, err error) error {
	v.entry.Result, v.entry.Error = "ok", ""
	if err != nil {
		v.entry.Result = fault.KindOf(err).String()
		v.describe(err)
	}
	position, failed := v.guard.log.Enqueue(&v.entry)
	if failed == nil && !v.within {
		span := trace.Start(ctx, "audit")
		failed = v.guard.log.Wait(context.Background(), position)
		span.End(failed)
	}
	if failed == nil {
		return nil
	}
	slog.ErrorContext(ctx, "audit entry not written: the call is refused",
		slog.String("request", v.Call.RequestID), slog.Any("cause", failed))
	return &fault.Error{
		Kind: fault.Unavailable, Op: v.entry.Action.String(),
		Public: "the audit log cannot be written", Err: failed,
	}
}

// describe puts into the entry what a failure may tell: the sentence that the
// caller gets, and what was asked for where it was not found.
func (v *Visit) describe(err error) {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return // nobody's but the log's
	}
	v.entry.Error = e.Public
	if v.entry.Resource == "" {
		v.entry.Resource = e.Resource
	}
}
