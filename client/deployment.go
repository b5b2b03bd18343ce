package client

import "context"

// ReportDeployment tells the server of a certificate on a host.
func (c *Client) ReportDeployment(ctx context.Context, r *DeploymentReport) error {
	return c.do(ctx, post, path("deployments"), nil, r)
}

// Deployments returns a page of what agents reported.
func (c *Client) Deployments(ctx context.Context, f DeploymentFilter, p Page) (*DeploymentList, error) {
	return call[DeploymentList](ctx, c, get, path("deployments"), p.query("host", f.Host, "managed", f.Managed, "outcome", f.Outcome), nil)
}
