package client

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// Approvals returns a page of the realm's requests for approval: those in a state
// ("draft", "pending", "approved", "used", "denied", "cancelled", "expired"), or
// with "" all but drafts. Mine wants the caller's own, with drafts.
func (c *Client) Approvals(ctx context.Context, state string, mine bool, page Page) (*ApprovalList, error) {
	only := ""
	if mine {
		only = "true"
	}
	return call[ApprovalList](ctx, c, get, path("approvals"), page.query("state", state, "mine", only), nil)
}

// Approval returns a request for approval, with the request that it is about
// where that may be shown.
func (c *Client) Approval(ctx context.Context, id string) (*Approval, error) {
	return call[Approval](ctx, c, get, path("approvals", id), nil, nil)
}

// RequestApproval asks others to approve what the caller tried and was refused,
// with the id that the refusal gives. The approval lets the same request through
// once.
func (c *Client) RequestApproval(ctx context.Context, id, reason string) (*Approval, error) {
	return call[Approval](ctx, c, post, path("approvals", id, "request"), nil, native.FileApprovalRequest{Reason: reason})
}

// Approve approves a request of somebody else.
func (c *Client) Approve(ctx context.Context, id, comment string) (*Approval, error) {
	return call[Approval](ctx, c, post, path("approvals", id, "approve"), nil, native.DecideApprovalRequest{Comment: comment})
}

// Deny denies a request of somebody else, or takes back an approval that was not
// used yet.
func (c *Client) Deny(ctx context.Context, id, comment string) (*Approval, error) {
	return call[Approval](ctx, c, post, path("approvals", id, "deny"), nil, native.DecideApprovalRequest{Comment: comment})
}

// CancelApproval takes a request for approval back.
func (c *Client) CancelApproval(ctx context.Context, id string) (*Approval, error) {
	return call[Approval](ctx, c, post, path("approvals", id, "cancel"), nil, nil)
}

// ApprovalRules returns the rules that make operations critical ones.
func (c *Client) ApprovalRules(ctx context.Context) ([]ApprovalRule, error) {
	l, err := call[native.ApprovalRuleList](ctx, c, get, path("approval-rules"), nil, nil)
	if err != nil {
		return nil, err
	}
	return l.Rules, nil
}
