package client

import (
	"context"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// Audit returns the audit entries that the filter wants.
func (c *Client) Audit(ctx context.Context, f AuditFilter) (*AuditList, error) {
	q := auditQuery(&f)
	for name, n := range map[string]uint64{"after": f.After, "last": count(f.Last), "limit": count(f.Limit)} {
		if n > 0 {
			q.Set(name, strconv.FormatUint(n, 10))
		}
	}
	return call[AuditList](ctx, c, get, path("audit"), q, nil)
}

// ExportAudit writes all audit entries that the filter wants to w: as
// "cloudtrail" (a JSON object with all records), "ocsf", "cef" or "jsonl" (an
// entry a line). After, Last and Limit of the filter mean nothing here.
func (c *Client) ExportAudit(ctx context.Context, f AuditFilter, format string, w io.Writer) error {
	q := auditQuery(&f)
	q.Set("format", format)
	return c.download(ctx, path("audit-export"), q, w)
}

func auditQuery(f *AuditFilter) url.Values {
	q := url.Values{}
	for name, value := range map[string]string{
		"action": f.Action, "principal": f.Principal, "resource": f.Resource, "result": f.Result,
		"request_id": f.RequestID, "since": moment(f.Since), "until": moment(f.Until),
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// Version returns the server's version.
func (c *Client) Version(ctx context.Context) (*ServerVersion, error) {
	return call[ServerVersion](ctx, c, get, path("version"), nil, nil)
}

// moment writes a time as a parameter, "" for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func count(n int) uint64 { return uint64(max(n, 0)) }

// AuditSinks returns where the audit log is sent, and how far it is.
func (c *Client) AuditSinks(ctx context.Context) ([]AuditSink, error) {
	l, err := call[native.AuditSinkList](ctx, c, get, path("audit-sinks"), nil, nil)
	if err != nil {
		return nil, err
	}
	return l.Sinks, nil
}

// AuditHolds returns the legal holds of the realm.
func (c *Client) AuditHolds(ctx context.Context) ([]AuditHold, error) {
	l, err := call[native.AuditHoldList](ctx, c, get, path("audit-holds"), nil, nil)
	if err != nil {
		return nil, err
	}
	return l.Holds, nil
}

// AddAuditHold keeps the audit log of a time, however old it gets.
func (c *Client) AddAuditHold(ctx context.Context, req *AddAuditHoldRequest) (*AuditHold, error) {
	return call[AuditHold](ctx, c, post, path("audit-holds"), nil, req)
}

// RemoveAuditHold ends a hold.
func (c *Client) RemoveAuditHold(ctx context.Context, name string) error {
	return c.do(ctx, del, path("audit-holds", name), nil, nil)
}
