package client

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// CreateRole adds a role, whose sessions may do nothing yet.
func (c *Client) CreateRole(ctx context.Context, r *CreateRoleRequest) (*Role, error) {
	return call[Role](ctx, c, post, path("roles"), nil, r)
}

// Roles returns a page of roles.
func (c *Client) Roles(ctx context.Context, p Page) (*RoleList, error) {
	return call[RoleList](ctx, c, get, path("roles"), p.query(), nil)
}

// Role returns a role with its policies, by its name with the path or without.
func (c *Client) Role(ctx context.Context, name string) (*Role, error) {
	return call[Role](ctx, c, get, path("roles", name), nil, nil)
}

// UpdateRole changes what a role says of itself.
func (c *Client) UpdateRole(ctx context.Context, name string, r *UpdateRoleRequest) (*Role, error) {
	return call[Role](ctx, c, put, path("roles", name), nil, r)
}

// DeleteRole removes a role, and ends its sessions.
func (c *Client) DeleteRole(ctx context.Context, name string) error {
	return c.do(ctx, del, path("roles", name), nil, nil)
}

// PutTrustPolicy says anew who may assume a role.
func (c *Client) PutTrustPolicy(ctx context.Context, role string, p Policy) error {
	return c.do(ctx, put, path("roles", role, "trust"), nil, p)
}

// PutRolePolicy adds or replaces a policy of a role.
func (c *Client) PutRolePolicy(ctx context.Context, role, name string, p Policy) error {
	return c.do(ctx, put, path("roles", role, "policies", name), nil, p)
}

// DeleteRolePolicy removes a policy of a role.
func (c *Client) DeleteRolePolicy(ctx context.Context, role, name string) error {
	return c.do(ctx, del, path("roles", role, "policies", name), nil, nil)
}

// AssumeRole returns temporary credentials of a role.
func (c *Client) AssumeRole(ctx context.Context, role string, r *AssumeRoleRequest) (*Session, error) {
	return call[Session](ctx, c, post, path("roles", role, "sessions"), nil, r)
}

// CreateIssuer registers an issuer, whose tokens may then assume the roles that
// trust it.
func (c *Client) CreateIssuer(ctx context.Context, r *CreateIssuerRequest) (*Issuer, error) {
	return call[Issuer](ctx, c, post, path("issuers"), nil, r)
}

// Issuers returns a page of issuers.
func (c *Client) Issuers(ctx context.Context, p Page) (*IssuerList, error) {
	return call[IssuerList](ctx, c, get, path("issuers"), p.query(), nil)
}

// Issuer returns an issuer, by its URL without the scheme.
func (c *Client) Issuer(ctx context.Context, name string) (*Issuer, error) {
	return call[Issuer](ctx, c, get, path("issuers", name), nil, nil)
}

// UpdateIssuer replaces what is registered of an issuer.
func (c *Client) UpdateIssuer(ctx context.Context, name string, s *IssuerSettings) (*Issuer, error) {
	return call[Issuer](ctx, c, put, path("issuers", name), nil, s)
}

// DeleteIssuer ends the registration of an issuer.
func (c *Client) DeleteIssuer(ctx context.Context, name string) error {
	return c.do(ctx, del, path("issuers", name), nil, nil)
}

// EnrolFactor begins the enrolment of a second factor of a user, named like the
// user when the name is empty. Its secret is told only this once.
func (c *Client) EnrolFactor(ctx context.Context, user, name string) (*NewFactor, error) {
	return call[NewFactor](ctx, c, post, path("users", user, "factors"), nil, native.EnrolFactorRequest{Name: name})
}

// ConfirmFactor ends the enrolment of a second factor, by two codes of it that
// followed each other.
func (c *Client) ConfirmFactor(ctx context.Context, user, name, first, second string) error {
	return c.do(ctx, post, path("users", user, "factors", name, "confirm"), nil, native.ConfirmFactorRequest{Codes: []string{first, second}})
}

// Factors returns the second factors of a user.
func (c *Client) Factors(ctx context.Context, user string) ([]Factor, error) {
	l, err := call[native.FactorList](ctx, c, get, path("users", user, "factors"), nil, nil)
	if err != nil {
		return nil, err
	}
	return l.Factors, nil
}

// RemoveFactor removes a second factor of a user.
func (c *Client) RemoveFactor(ctx context.Context, user, name string) error {
	return c.do(ctx, del, path("users", user, "factors", name), nil, nil)
}
