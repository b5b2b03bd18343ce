// Package rotations serves the rules of rotation over the native API, and what
// they will do.
package rotations

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/rotation"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// front has the handlers.
type front struct{ rotation *rotation.Service }

// Operations returns the operations on rules of rotation.
func Operations(s *rotation.Service) []native.Operation {
	f := &front{s}
	return []native.Operation{
		native.Get("/rotation/plan", "GetRotationPlan", key.GetRotationPlan, native.Handle(f.plan)).Takes(native.Paged("months")...),
		native.Get("/rotation/rules", "ListRotationRules", key.GetRotationPlan, native.Handle(f.list)),
		native.Put("/rotation/rules/{rule}", "PutRotationRule", key.PutRotationRule, native.Handle(f.put)),
		native.Delete("/rotation/rules/{rule}", "DeleteRotationRule", key.DeleteRotationRule, native.Handle(f.remove)),
	}
}

// defaultMonths is how far a plan looks ahead when the request does not say.
const defaultMonths = 12

func (f *front) plan(ctx context.Context, r *native.Request, _ *wire.None) (*wire.RotationPlan, error) {
	page, err := r.Page()
	if err != nil {
		return nil, err
	}
	months, err := r.Number("months", defaultMonths, rotation.MaxMonths)
	if err != nil {
		return nil, err
	}
	p, err := f.rotation.Plan(ctx, r.Call, &rotation.PlanRequest{Months: months, After: key.ID(page.After), Limit: page.Limit})
	if err != nil {
		return nil, err
	}
	out := &wire.RotationPlan{From: p.From, To: p.To, Keys: make([]wire.PlannedKey, len(p.Keys)), Next: string(p.Next)}
	for i, k := range p.Keys {
		out.Keys[i] = plannedOut(k)
	}
	return out, nil
}

func plannedOut(p *rotation.Planned) wire.PlannedKey {
	k := p.Key
	out := wire.PlannedKey{
		Key: string(k.Name.ID), Region: k.Name.Region, Aliases: p.Aliases, Spec: aws.SpecName(k.Spec), Usage: aws.UsageName(k.Usage),
		Rule: p.RuleName(), Own: p.Own, Action: string(p.Action), Why: p.Why, Rotated: p.Last, PeriodDays: p.PeriodDays,
		Due: p.Due, Notice: p.Notice,
	}
	for _, s := range p.Steps {
		out.Steps = append(out.Steps, wire.PlannedStep{Action: string(s.Action), At: s.At, OverlapEnd: s.Until})
	}
	return out
}

func (f *front) list(ctx context.Context, r *native.Request, _ *wire.None) (*wire.RotationRuleList, error) {
	rules, err := f.rotation.Rules(ctx, r.Call)
	if err != nil {
		return nil, err
	}
	out := &wire.RotationRuleList{Rules: make([]wire.RotationRule, len(rules))}
	for i, rule := range rules {
		out.Rules[i] = ruleOut(rule)
	}
	return out, nil
}

func ruleOut(r *rotation.Rule) wire.RotationRule {
	out := wire.RotationRule{
		Name: r.Name, Description: r.Description, Keys: r.Select.Keys, Mode: string(r.Mode), PeriodDays: r.PeriodDays,
		OverlapDays: r.OverlapDays, After: string(r.After), NoticeDays: r.NoticeDays, Since: r.Since,
	}
	if len(r.Select.Tags) > 0 {
		out.Tags = native.TagsOut(r.Select.Tags)
	}
	for _, s := range r.Select.Specs {
		out.Specs = append(out.Specs, aws.SpecName(s))
	}
	for _, u := range r.Select.Usages {
		out.Usages = append(out.Usages, aws.UsageName(u))
	}
	for _, p := range r.Select.Protections {
		out.Protections = append(out.Protections, string(p))
	}
	return out
}

func (f *front) put(ctx context.Context, r *native.Request, req *wire.PutRotationRuleRequest) (*wire.RotationRule, error) {
	if err := native.Required("mode", req.Mode); err != nil {
		return nil, err
	}
	d := f.rotation.Defaults()
	rule := &rotation.Rule{
		Name: r.Path("rule"), Description: req.Description, Select: rotation.Selector{Keys: req.Keys, Tags: native.TagsIn(req.Tags)},
		Mode: rotation.Mode(req.Mode), PeriodDays: req.PeriodDays, OverlapDays: d.OverlapDays, After: rotation.After(req.After), NoticeDays: d.NoticeDays,
	}
	if req.OverlapDays != nil {
		rule.OverlapDays = *req.OverlapDays
	}
	if req.NoticeDays != nil {
		rule.NoticeDays = *req.NoticeDays
	}
	for _, name := range req.Specs {
		s, err := native.SpecOf(name)
		if err != nil {
			return nil, err
		}
		rule.Select.Specs = append(rule.Select.Specs, s)
	}
	for _, name := range req.Usages {
		if err := native.Required("usages", name); err != nil {
			return nil, err
		}
		u, err := native.UsageOf(name)
		if err != nil {
			return nil, err
		}
		rule.Select.Usages = append(rule.Select.Usages, u)
	}
	for _, p := range req.Protections {
		rule.Select.Protections = append(rule.Select.Protections, key.Protection(p))
	}
	stored, err := f.rotation.Put(ctx, r.Call, rule)
	if err != nil {
		return nil, err
	}
	out := ruleOut(stored)
	return &out, nil
}

func (f *front) remove(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	return native.Nothing(f.rotation.Delete(ctx, r.Call, r.Path("rule")))
}
