// Package approvals serves over the native API the requests for the approval of
// critical operations.
package approvals

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/approval"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// front has the handlers.
type front struct{ approvals *approval.Service }

// Operations returns the operations on requests for approval.
func Operations(s *approval.Service) []native.Operation {
	f := &front{s}
	return []native.Operation{
		native.Get("/approvals", "ListApprovals", key.ListApprovals, native.Handle(f.list)).Takes(native.Paged("state", "mine")...),
		native.Get("/approvals/{approval}", "GetApproval", key.ListApprovals, native.Handle(f.show)),
		native.Post("/approvals/{approval}/request", "RequestApproval", key.RequestApproval, native.Handle(f.file)),
		native.Post("/approvals/{approval}/approve", "Approve", key.DecideApproval, native.Handle(f.approve)),
		native.Post("/approvals/{approval}/deny", "Deny", key.DecideApproval, native.Handle(f.deny)),
		native.Post("/approvals/{approval}/cancel", "CancelApproval", key.CancelApproval, native.Handle(f.cancel)),
		native.Get("/approval-rules", "ListApprovalRules", key.ListApprovals, native.Handle(f.rules)),
	}
}

func (f *front) list(ctx context.Context, r *native.Request, _ *wire.None) (*wire.ApprovalList, error) {
	page, err := r.Page()
	if err != nil {
		return nil, err
	}
	filter := approval.Filter{}
	if s := r.Param("state"); s != "" {
		filter.States = []approval.State{approval.State(s)}
	}
	switch mine := r.Param("mine"); mine {
	case "", "false":
	case "true":
		filter.Mine = true
	default:
		return nil, fault.New(fault.InvalidArgument, "the parameter \"mine\" must be true or false")
	}
	all, next, err := f.approvals.List(ctx, r.Call, filter, approval.Page(page))
	if err != nil {
		return nil, err
	}
	list := &wire.ApprovalList{Approvals: make([]wire.Approval, len(all)), Next: next}
	for i, a := range all {
		list.Approvals[i] = *f.shape(a)
		list.Approvals[i].Request = ""
	}
	return list, nil
}

func (f *front) show(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Approval, error) {
	return f.out(f.approvals.Show(ctx, r.Call, r.Path("approval")))
}

func (f *front) file(ctx context.Context, r *native.Request, req *wire.FileApprovalRequest) (*wire.Approval, error) {
	return f.out(f.approvals.File(ctx, r.Call, r.Path("approval"), req.Reason))
}

func (f *front) approve(ctx context.Context, r *native.Request, req *wire.DecideApprovalRequest) (*wire.Approval, error) {
	return f.out(f.approvals.Decide(ctx, r.Call, r.Path("approval"), true, req.Comment))
}

func (f *front) deny(ctx context.Context, r *native.Request, req *wire.DecideApprovalRequest) (*wire.Approval, error) {
	return f.out(f.approvals.Decide(ctx, r.Call, r.Path("approval"), false, req.Comment))
}

func (f *front) cancel(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Approval, error) {
	return f.out(f.approvals.Cancel(ctx, r.Call, r.Path("approval")))
}

func (f *front) rules(ctx context.Context, r *native.Request, _ *wire.None) (*wire.ApprovalRuleList, error) {
	all, err := f.approvals.Rules(ctx, r.Call)
	if err != nil {
		return nil, err
	}
	list := &wire.ApprovalRuleList{Rules: make([]wire.ApprovalRule, len(all))}
	for i := range all {
		a := &all[i]
		out := wire.ApprovalRule{Name: a.Name, Actions: a.Actions, Resources: a.Resources, Require: string(a.Require), Approvers: a.Approvers}
		for _, realm := range a.Realms {
			out.Realms = append(out.Realms, string(realm))
		}
		if a.Require == approval.Others {
			out.Count, out.ExpiresSeconds, out.ValidSeconds = a.Count, int64(a.Expires/time.Second), int64(a.Valid/time.Second)
		}
		list.Rules[i] = out
	}
	return list, nil
}

func (f *front) out(a *approval.Request, err error) (*wire.Approval, error) {
	if err != nil {
		return nil, err
	}
	return f.shape(a), nil
}

// shape puts a request into the API's shape.
func (f *front) shape(a *approval.Request) *wire.Approval {
	out := &wire.Approval{
		ID: a.ID, State: string(a.State), Requester: a.Requester.String(), Person: other(a.Person, a.Requester), Action: a.Action.String(),
		Resource: a.Resource, Region: a.Region, API: a.API, Operation: a.Operation, Digest: a.Digest, Request: a.Text, Rules: a.Rules,
		Reason: a.Reason, CreatedAt: a.CreatedAt, FiledAt: a.FiledAt, ExpiresAt: a.ExpiresAt, EndedAt: a.EndedAt, UsedBy: a.UsedBy,
	}
	out.Approvals, out.Needed = f.approvals.Progress(a)
	for _, d := range a.Decisions {
		out.Decisions = append(out.Decisions, wire.ApprovalDecision{
			By: d.By.String(), Person: other(d.Person, d.By), Approved: d.Approved, Comment: d.Comment, At: d.At, MFA: d.MFA,
		})
	}
	return out
}

// other returns a person who is not the principal itself, else "".
func other(person string, p key.Principal) string {
	if person == p.String() {
		return ""
	}
	return person
}
