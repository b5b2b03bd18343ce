package client

import (
	"context"
	"net/url"
	"time"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// RequestManaged makes a managed certificate.
func (c *Client) RequestManaged(ctx context.Context, req *RequestManagedRequest) (*Managed, error) {
	return call[Managed](ctx, c, post, path("managed"), nil, req)
}

// ImportManaged brings a certificate with its key, to be kept here.
func (c *Client) ImportManaged(ctx context.Context, req *ImportManagedRequest) (*Managed, error) {
	return call[Managed](ctx, c, post, path("managed", "import"), nil, req)
}

// ManagedCertificates returns a page of managed certificates.
func (c *Client) ManagedCertificates(ctx context.Context, f ManagedFilter, p Page) (*ManagedList, error) {
	return call[ManagedList](ctx, c, get, path("managed"), p.query("state", f.State), nil)
}

// Managed returns a managed certificate.
func (c *Client) Managed(ctx context.Context, id string) (*Managed, error) {
	return call[Managed](ctx, c, get, path("managed", id), nil, nil)
}

// ManagedPlan returns a page of the managed certificates that are renewed, in
// the order in which they are, up to a time; the zero time asks for all.
func (c *Client) ManagedPlan(ctx context.Context, until time.Time, p Page) (*ManagedList, error) {
	text := ""
	if !until.IsZero() {
		text = until.UTC().Format(time.RFC3339)
	}
	return call[ManagedList](ctx, c, get, path("managed", "plan"), p.query("until", text), nil)
}

// UpdateManaged changes how a managed certificate is renewed.
func (c *Client) UpdateManaged(ctx context.Context, id string, req *UpdateManagedRequest) (*Managed, error) {
	return call[Managed](ctx, c, put, path("managed", id, "renewal"), nil, req)
}

// ExportManaged returns a managed certificate with its key, which is encrypted
// under the passphrase.
func (c *Client) ExportManaged(ctx context.Context, id, passphrase string) (*ExportedManaged, error) {
	return call[ExportedManaged](ctx, c, post, path("managed", id, "export"), nil, native.ExportManagedRequest{Passphrase: passphrase})
}

// RenewManaged renews a managed certificate now.
func (c *Client) RenewManaged(ctx context.Context, id string) (*Managed, error) {
	return call[Managed](ctx, c, post, path("managed", id, "renew"), nil, nil)
}

// RevokeManaged revokes a managed certificate for one of RFC 5280's reasons.
func (c *Client) RevokeManaged(ctx context.Context, id, reason string) (*Managed, error) {
	return call[Managed](ctx, c, post, path("managed", id, "revoke"), nil, native.RevokeRequest{Reason: reason})
}

// DeleteManaged removes a managed certificate and its key.
func (c *Client) DeleteManaged(ctx context.Context, id string) error {
	return c.do(ctx, del, path("managed", id), nil, nil)
}

// TagManaged adds tags to a managed certificate, or changes them.
func (c *Client) TagManaged(ctx context.Context, id string, tags []Tag) error {
	return c.do(ctx, post, path("managed", id, "tags"), nil, native.TagRequest{Tags: tags})
}

// UntagManaged removes tags from a managed certificate.
func (c *Client) UntagManaged(ctx context.Context, id string, keys ...string) error {
	return c.do(ctx, del, path("managed", id, "tags"), url.Values{"key": keys}, nil)
}
