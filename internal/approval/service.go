package approval

import (
	"context"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Service files requests and takes decisions. All methods may be called at the
// same time.
type Service struct {
	gate  *Gate
	guard *guard.Guard
}

// New returns the service of a gate, whose own operations g guards.
func New(gate *Gate, g *guard.Guard) *Service { return &Service{gate, g} }

// File asks others for their approval of what the caller tried. Only who tried
// it can, and needs RequestApproval.
func (s *Service) File(ctx context.Context, call *key.Call, id, reason string) (*Request, error) {
	return s.change(ctx, call, &step{id: id, action: key.RequestApproval, text: reason, apply: func(tx store.Tx, r *Request, now time.Time) error {
		if state := r.at(now); state != Draft {
			return wrongState(r, state)
		}
		if strings.TrimSpace(reason) == "" {
			return fault.New(fault.InvalidArgument, "say why: those who decide see the reason")
		}
		list, err := openOf(tx, r.Person)
		if err != nil {
			return err
		}
		filed := 0
		for _, o := range list {
			if o.State != Draft && o.at(now) != Expired {
				filed++
			}
		}
		if filed >= MaxOpen {
			return fault.New(fault.LimitExceeded, "a person has at most %d open requests for approval", MaxOpen)
		}
		r.State, r.Reason, r.FiledAt, r.ExpiresAt = Pending, reason, now, now.Add(s.gate.shortest(r, func(r *Rule) time.Duration { return r.Expires }))
		return emit(tx, event.ApprovalRequested, r, now, r.Requester.String()+" asks for approval of "+r.what()+": "+reason)
	}})
}

// Cancel takes a request back. Who made it can, and whoever has CancelApproval.
func (s *Service) Cancel(ctx context.Context, call *key.Call, id string) (*Request, error) {
	return s.change(ctx, call, &step{id: id, action: key.CancelApproval, apply: func(tx store.Tx, r *Request, now time.Time) error {
		state := r.at(now)
		if !state.open() {
			return wrongState(r, state)
		}
		r.end(Cancelled, now)
		if state == Draft {
			return nil
		}
		return emit(tx, event.ApprovalDecided, r, now, call.Caller.Principal.String()+" cancelled the request for "+r.what())
	}})
}

// Decide approves or denies a request. The caller needs DecideApproval and must
// be another person than who asks, and one whom the rules let decide. An approval
// that was not used yet can still be denied.
func (s *Service) Decide(ctx context.Context, call *key.Call, id string, approve bool, comment string) (*Request, error) {
	return s.change(ctx, call, &step{id: id, action: key.DecideApproval, text: comment, apply: func(tx store.Tx, r *Request, now time.Time) error {
		state := r.at(now)
		if state != Pending && (approve || state != Approved) {
			return wrongState(r, state)
		}
		c := &call.Caller
		r.decide(Decision{By: c.Principal, Person: c.Person(), Approved: approve, Comment: comment, At: now, MFA: c.MFA})
		verdict := " approved "
		switch {
		case !approve:
			r.end(Denied, now)
			verdict = " denied "
		case satisfied(s.gate.rulesOf(r), r.Decisions):
			r.State, r.ExpiresAt = Approved, now.Add(s.gate.shortest(r, func(r *Rule) time.Duration { return r.Valid }))
		default:
			return nil // others have to decide, too
		}
		text := c.Principal.String() + verdict + r.what()
		if comment != "" {
			text += ": " + comment
		}
		return emit(tx, event.ApprovalDecided, r, now, text)
	}, allowed: func(r *Request) error { return s.mayDecide(call, r) }})
}

// mayDecide refuses who must not decide over a request.
func (s *Service) mayDecide(call *key.Call, r *Request) error {
	c := &call.Caller
	refuse := func(text string) error {
		return &fault.Error{Kind: fault.PermissionDenied, Op: key.DecideApproval.String(), Resource: r.Object().String(), Public: text}
	}
	if r.by(c) {
		return refuse("who asks for an approval cannot decide: it takes another person")
	}
	rules := s.gate.rulesOf(r)
	for _, rule := range rules {
		if rule.eligible(c.Principal) {
			return nil
		}
	}
	if len(rules) == 0 && c.Principal.Kind != key.Root {
		return nil
	}
	return refuse("the rules of critical operations do not have the caller as an approver")
}

// by reports whether a request is of a caller, in whatever session.
func (r *Request) by(c *key.Caller) bool { return r.Requester == c.Principal || r.Person == c.Person() }

// step is one change of a request.
type step struct {
	id     string
	action key.Action
	// text is what people say to it.
	text string
	// allowed is asked after the policies; it may be nil.
	allowed func(r *Request) error
	// apply changes the request, within the transaction that stores it.
	apply func(tx store.Tx, r *Request, now time.Time) error
}

// change runs a step: it authorises, tries it, records and stores it.
func (s *Service) change(ctx context.Context, call *key.Call, c *step) (*Request, error) {
	return guard.Do(ctx, s.guard, call, c.action, func(v *guard.Visit) (*Request, error) {
		r, err := s.visit(ctx, v, c.action, c.id)
		if err == nil {
			err = s.check(ctx, v, c, r)
		}
		if err != nil {
			return nil, err
		}
		err = v.Commit(ctx, func() error {
			return s.gate.store.Update(ctx, func(tx store.Tx) (err error) {
				if r, err = read(tx, c.id); err != nil {
					return err
				}
				if err := c.apply(tx, r, s.gate.now().UTC()); err != nil {
					return err
				}
				return r.put(tx)
			})
		})
		return r, err
	})
}

// check tries a step, so that what cannot be is not recorded as done.
func (s *Service) check(ctx context.Context, v *guard.Visit, c *step, r *Request) error {
	if c.allowed != nil {
		if err := c.allowed(r); err != nil {
			return err
		}
	}
	if err := checkText(c.text); err != nil {
		return err
	}
	r.note(v)
	if c.text != "" {
		v.Note("reason", c.text)
	}
	if err := s.gate.store.View(ctx, func(tx store.Reader) error { return c.try(tx, s.gate.now().UTC()) }); err != nil {
		return err
	}
	if v.Call.DryRun {
		return fault.Because(fault.InvalidArgument, fault.DryRun, "the call would have succeeded, had it not been a dry run")
	}
	return nil
}

// try applies the step to a copy.
func (c *step) try(tx store.Reader, now time.Time) error {
	r, err := read(tx, c.id)
	if err != nil {
		return err
	}
	return c.apply(trial{tx}, r, now)
}

// trial is a transaction that writes nothing.
type trial struct{ store.Reader }

func (trial) Insert(*store.Table, store.Row) error { return nil }
func (trial) Put(*store.Table, store.Row) error    { return nil }
func (trial) Delete(*store.Table, string) error    { return nil }

// visit finds a request and authorises an action on it. Who made it may see it
// and take it back; filing it is for nobody else.
func (s *Service) visit(ctx context.Context, v *guard.Visit, action key.Action, id string) (*Request, error) {
	caller := &v.Call.Caller
	var r *Request
	err := s.gate.store.View(ctx, func(tx store.Reader) (err error) {
		r, err = read(tx, id)
		return err
	})
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return nil, err
	}
	object := key.Resource{Kind: key.KindApproval, Realm: caller.Principal.Realm, ID: id}
	if r != nil && !r.by(caller) {
		object = r.Object()
	}
	if r != nil && r.by(caller) && (action == key.CancelApproval || action == key.ListApprovals) {
		v.Permit(object, "the caller's own request")
		return r, nil
	}
	if denied := v.Authorize(guard.Target{Action: action, Resource: object}); denied != nil {
		return nil, denied
	}
	if err == nil && action == key.RequestApproval && !r.by(caller) {
		return nil, missing(id)
	}
	return r, err
}

// note puts into the entry what a step is about.
func (r *Request) note(v *guard.Visit) {
	v.Note("approval", r.ID)
	v.Note("of", r.Action.String())
	v.Note("on", r.Resource)
	v.Note("for", r.Requester.String())
	v.Note("digest", r.Digest)
}

// what names the operation in a sentence.
func (r *Request) what() string {
	if r.Resource == "" {
		return r.Action.String()
	}
	return r.Action.String() + " on " + r.Resource
}

// shortest returns the shortest of some times of the request's rules.
func (g *Gate) shortest(r *Request, of func(*Rule) time.Duration) time.Duration {
	d := MaxDuration
	for _, rule := range g.rulesOf(r) {
		d = min(d, of(rule))
	}
	return d
}

// Progress returns how many persons' approvals a request has and needs, by the
// rule that lacks most.
func (s *Service) Progress(r *Request) (have, need int) {
	lack := -1
	for _, rule := range s.gate.rulesOf(r) {
		n := min(rule.approvals(r.Decisions), rule.Count)
		if rule.Count-n > lack {
			have, need, lack = n, rule.Count, rule.Count-n
		}
	}
	return have, need
}

// expire ends a request whose time is over. Those who were asked are told.
func (r *Request) expire(tx store.Tx, now time.Time) error {
	filed := r.State != Draft
	r.end(Expired, now)
	if filed {
		if err := emit(tx, event.ApprovalDecided, r, now, "the request of "+r.Requester.String()+" for "+r.what()+" has expired"); err != nil {
			return err
		}
	}
	return r.put(tx)
}

// emit tells people of a request.
func emit(tx store.Tx, kind event.Kind, r *Request, now time.Time, summary string) error {
	details := []event.Detail{
		{Name: "state", Value: string(r.State)},
		{Name: "action", Value: r.Action.String()},
		{Name: "resource", Value: r.Resource},
		{Name: "requester", Value: r.Requester.String()},
		{Name: "rules", Value: strings.Join(r.Rules, ", ")},
	}
	if r.State.open() {
		details = append(details, event.Detail{Name: "expires", Value: r.ExpiresAt.Format(time.RFC3339)})
	}
	if kind == event.ApprovalRequested {
		details = append(details, event.Detail{Name: "decide", Value: "holdfast approval approve|deny " + r.ID})
	}
	return event.Emit(tx, &event.Event{
		ID:   string(kind) + "/" + r.ID + "/" + string(r.State) + "/" + strconv.FormatInt(now.UnixNano(), 36),
		Kind: kind, Realm: r.Realm, Region: r.Region, Time: now, Subject: r.Object().String(), Name: r.ID, Summary: summary, Details: details,
	})
}

// checkText refuses what is no sentence of a person.
func checkText(text string) error {
	if len(text) > MaxReason {
		return fault.New(fault.InvalidArgument, "a reason has at most %d bytes", MaxReason)
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		return fault.New(fault.InvalidArgument, "a reason is one line of text")
	}
	return nil
}

func wrongState(r *Request, s State) error {
	return &fault.Error{Kind: fault.WrongState, Resource: r.Object().String(), Public: "the request is " + string(s)}
}
