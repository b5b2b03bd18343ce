package rotation

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/succession"
)

// maxSteps is how many steps a plan has of one key.
const maxSteps = 50

// MaxMonths is how far a plan looks ahead.
const MaxMonths = 120

// Step is one thing that will happen to a key.
type Step struct {
	Action Action
	At     time.Time
	// Until is when the old key stops verifying and decrypting, of a Succeed.
	Until time.Time
}

// Planned is what will happen to one key: its Outlook, and the steps of the
// time that was asked for, in their order. A key that gets successors has the
// steps of those too.
type Planned struct {
	Outlook
	Steps []Step
}

// PlanRequest asks for a page of a plan.
type PlanRequest struct {
	// Months is how far it looks ahead, 1 to MaxMonths.
	Months int
	// After is the id of a key, "" for the first page; Limit is the most keys.
	After key.ID
	Limit int
}

// Plan is a page of the plan of a realm, in the order of the keys' ids.
type Plan struct {
	From, To time.Time
	Keys     []*Planned
	// Next is the After of the next page, "" at the end.
	Next key.ID
}

// Plan says what will happen to every key of the call's realm, in all regions.
func (s *Service) Plan(ctx context.Context, call *key.Call, q *PlanRequest) (*Plan, error) {
	return guard.Do(ctx, s.guard, call, key.GetRotationPlan, func(v *guard.Visit) (*Plan, error) {
		if err := v.Authorize(target(call, key.GetRotationPlan)); err != nil {
			return nil, err
		}
		realm := call.Caller.Principal.Realm
		rules, err := s.rules(ctx, realm)
		if err != nil {
			return nil, err
		}
		p := &Plan{From: s.now().UTC()}
		p.To = p.From.AddDate(0, min(max(q.Months, 1), MaxMonths), 0)
		list := s.from(realm, q.After)
		if q.Limit > 0 && len(list) > q.Limit {
			list = list[:q.Limit]
			p.Next = list[q.Limit-1].Name.ID
		}
		aliases := s.keys.AliasesByKey(realm)
		for _, k := range list {
			o := outlookOf(k, aliases[k.Name.ID], rules, &s.defaults)
			p.Keys = append(p.Keys, &Planned{Outlook: *o, Steps: o.steps(p.To)})
		}
		return p, nil
	})
}

// Of returns what lies ahead of a key that the caller has been shown.
func (s *Service) Of(ctx context.Context, k *key.Key) (*Outlook, error) {
	rules, err := s.rules(ctx, k.Name.Realm)
	if err != nil {
		return nil, err
	}
	aliases, err := s.keys.AliasesOfKey(ctx, k.Name)
	if err != nil {
		return nil, err
	}
	return outlookOf(k, aliases, rules, &s.defaults), nil
}

// Status returns what the rules come to for a key that the caller has been
// shown, if they give it new versions (kms.Service.FollowRules).
func (s *Service) Status(ctx context.Context, k *key.Key) (r key.Rotation, err error) {
	o, err := s.Of(ctx, k)
	if err != nil || o.Rule == nil || o.Action != Rotate {
		return r, err
	}
	return key.Rotation{Enabled: true, PeriodDays: o.PeriodDays, Next: o.Due, OnDemandCount: k.Rotation.OnDemandCount}, nil
}

// from returns the keys of a realm whose ids come after one, in their order.
func (s *Service) from(realm key.RealmID, id key.ID) (list []*key.Key) {
	s.keys.EachKey(func(k *key.Key) bool {
		if k.Name.Realm == realm && k.Name.ID > id {
			list = append(list, k)
		}
		return true
	})
	slices.SortFunc(list, func(a, b *key.Key) int { return cmp.Compare(a.Name.ID, b.Name.ID) })
	return list
}

// steps returns what happens until a time.
func (o *Outlook) steps(to time.Time) (list []Step) {
	id := o.Key.Name.ID
	for at := o.Due; o.Action != None && !at.After(to) && len(list) < maxSteps; {
		step := Step{Action: o.Action, At: at}
		if o.Action == Succeed {
			step.Until = o.Rule.until(o.Key, at)
		}
		list = append(list, step)
		if end := step.Until; !end.IsZero() && !end.After(to) {
			list = append(list, Step{Action: Retire, At: end})
		}
		switch {
		case o.Own:
			at = at.AddDate(0, 0, o.PeriodDays)
			continue
		case o.Action == Succeed:
			id = succession.SuccessorOf(id)
		case o.Action != Rotate:
			return list
		}
		at = after(at, o.PeriodDays, id)
	}
	slices.SortStableFunc(list, func(a, b Step) int { return a.At.Compare(b.At) })
	return list
}
