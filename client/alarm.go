package client

import "context"

// Alarms returns a page of alarms.
func (c *Client) Alarms(ctx context.Context, f AlarmFilter, p Page) (*AlarmList, error) {
	return call[AlarmList](ctx, c, get, path("alarms"), p.query("name", f.Name, "state", f.State), nil)
}
