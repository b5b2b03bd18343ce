package client

import (
	"context"
	"net/url"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// CreateAuthority makes a certificate authority on a key.
func (c *Client) CreateAuthority(ctx context.Context, req *CreateAuthorityRequest) (*Authority, error) {
	return call[Authority](ctx, c, post, path("authorities"), nil, req)
}

// Authorities returns a page of authorities.
func (c *Client) Authorities(ctx context.Context, p Page) (*AuthorityList, error) {
	return call[AuthorityList](ctx, c, get, path("authorities"), p.query(), nil)
}

// Authority returns an authority by its id or name.
func (c *Client) Authority(ctx context.Context, authority string) (*Authority, error) {
	return call[Authority](ctx, c, get, path("authorities", authority), nil, nil)
}

// Chain returns an authority's certificate and those of its issuers, up to
// the root, in PEM.
func (c *Client) Chain(ctx context.Context, authority string) ([]byte, error) {
	return c.send(ctx, get, path("authorities", authority, "chain"), nil, nil)
}

// CRL returns an authority's newest complete CRL in DER.
func (c *Client) CRL(ctx context.Context, authority string) ([]byte, error) {
	return c.CRLPart(ctx, authority, CRLPart{})
}

// CRLPart returns one of an authority's CRLs in DER.
func (c *Client) CRLPart(ctx context.Context, authority string, part CRLPart) ([]byte, error) {
	q := url.Values{}
	if part.Shard != "" {
		q.Set("shard", part.Shard)
	}
	if part.Delta {
		q.Set("delta", "true")
	}
	return c.send(ctx, get, path("authorities", authority, "crl"), q, nil)
}

// AuthorityCSR returns an authority's certificate request in PEM.
func (c *Client) AuthorityCSR(ctx context.Context, authority string) (string, error) {
	r, err := call[native.AuthorityCSR](ctx, c, get, path("authorities", authority, "csr"), nil, nil)
	if err != nil {
		return "", err
	}
	return r.CSR, nil
}

// ImportAuthorityCertificate gives an authority the certificate that was made
// for its request.
func (c *Client) ImportAuthorityCertificate(ctx context.Context, authority string, req *ImportAuthorityRequest) (*Authority, error) {
	return call[Authority](ctx, c, put, path("authorities", authority, "certificate"), nil, req)
}

// UpdateAuthority enables or disables an authority, or changes how it
// publishes revocations.
func (c *Client) UpdateAuthority(ctx context.Context, authority string, req *UpdateAuthorityRequest) (*Authority, error) {
	return call[Authority](ctx, c, post, path("authorities", authority, "update"), nil, req)
}

// DeleteAuthority puts an authority to rest for so many days (0 for the
// default), after which it is destroyed.
func (c *Client) DeleteAuthority(ctx context.Context, authority string, days int) (*Authority, error) {
	return call[Authority](ctx, c, post, path("authorities", authority, "schedule-deletion"), nil, native.ScheduleDeletionRequest{Days: days})
}

// RestoreAuthority takes a deletion back.
func (c *Client) RestoreAuthority(ctx context.Context, authority string) (*Authority, error) {
	return call[Authority](ctx, c, post, path("authorities", authority, "restore"), nil, nil)
}

// RenewAuthority makes a new certificate for an authority's key.
func (c *Client) RenewAuthority(ctx context.Context, authority string, req *RenewAuthorityRequest) (*Authority, error) {
	return call[Authority](ctx, c, post, path("authorities", authority, "renew"), nil, req)
}

// RekeyAuthority makes a successor of an authority, with a new key, which
// takes its name over.
func (c *Client) RekeyAuthority(ctx context.Context, authority string, req *RekeyAuthorityRequest) (*Authority, error) {
	return call[Authority](ctx, c, post, path("authorities", authority, "rekey"), nil, req)
}

// CrossSign has an authority certify another one.
func (c *Client) CrossSign(ctx context.Context, issuer string, req *CrossSignRequest) (*IssuedCertificate, error) {
	return call[IssuedCertificate](ctx, c, post, path("authorities", issuer, "cross-sign"), nil, req)
}

// TagAuthority adds tags to an authority, or changes them.
func (c *Client) TagAuthority(ctx context.Context, authority string, tags []Tag) (*Authority, error) {
	return call[Authority](ctx, c, post, path("authorities", authority, "tags"), nil, native.TagRequest{Tags: tags})
}

// UntagAuthority removes tags from an authority.
func (c *Client) UntagAuthority(ctx context.Context, authority string, keys ...string) (*Authority, error) {
	return call[Authority](ctx, c, del, path("authorities", authority, "tags"), url.Values{"key": keys}, nil)
}

// AuthorityPolicy returns an authority's own policy.
func (c *Client) AuthorityPolicy(ctx context.Context, authority string) (*Policy, error) {
	return call[Policy](ctx, c, get, path("authorities", authority, "policy"), nil, nil)
}

// PutAuthorityPolicy replaces an authority's own policy.
func (c *Client) PutAuthorityPolicy(ctx context.Context, authority string, p Policy) error {
	return c.do(ctx, put, path("authorities", authority, "policy"), nil, p)
}

// DeleteAuthorityPolicy removes an authority's own policy.
func (c *Client) DeleteAuthorityPolicy(ctx context.Context, authority string) error {
	return c.do(ctx, del, path("authorities", authority, "policy"), nil, nil)
}

// Permissions returns what services may do with an authority.
func (c *Client) Permissions(ctx context.Context, authority string) ([]Permission, error) {
	l, err := call[native.PermissionList](ctx, c, get, path("authorities", authority, "permissions"), nil, nil)
	if err != nil {
		return nil, err
	}
	return l.Permissions, nil
}

// CreatePermission lets a service use an authority.
func (c *Client) CreatePermission(ctx context.Context, authority string, p Permission) error {
	return c.do(ctx, post, path("authorities", authority, "permissions"), nil, p)
}

// DeletePermission takes a service's permission back. realm is empty for the
// authority's own.
func (c *Client) DeletePermission(ctx context.Context, authority, principal, realm string) error {
	q := url.Values{"principal": {principal}}
	if realm != "" {
		q.Set("realm", realm)
	}
	return c.do(ctx, del, path("authorities", authority, "permissions"), q, nil)
}
