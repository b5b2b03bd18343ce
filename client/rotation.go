package client

import (
	"context"
	"strconv"
)

// RotationPlan returns a page of what will happen to the keys of the realm in
// the next months (1 to 120, 0 for 12).
func (c *Client) RotationPlan(ctx context.Context, months int, p Page) (*RotationPlan, error) {
	ahead := ""
	if months != 0 {
		ahead = strconv.Itoa(months)
	}
	return call[RotationPlan](ctx, c, get, path("rotation", "plan"), p.query("months", ahead), nil)
}

// RotationRules returns the rules of the realm, in the order in which they are
// asked.
func (c *Client) RotationRules(ctx context.Context) (*RotationRuleList, error) {
	return call[RotationRuleList](ctx, c, get, path("rotation", "rules"), nil, nil)
}

// PutRotationRule makes or changes a rule.
func (c *Client) PutRotationRule(ctx context.Context, name string, req *PutRotationRuleRequest) (*RotationRule, error) {
	return call[RotationRule](ctx, c, put, path("rotation", "rules", name), nil, req)
}

// DeleteRotationRule removes a rule. Keys that have successors by it are still
// disabled when it said.
func (c *Client) DeleteRotationRule(ctx context.Context, name string) error {
	return c.do(ctx, del, path("rotation", "rules", name), nil, nil)
}
