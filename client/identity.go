package client

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// WhoAmI returns who the caller is.
func (c *Client) WhoAmI(ctx context.Context) (*Identity, error) {
	return call[Identity](ctx, c, get, path("whoami"), nil, nil)
}

// CreateSession returns temporary credentials of the caller; 0 stands for an
// hour.
func (c *Client) CreateSession(ctx context.Context, d time.Duration) (*Session, error) {
	return call[Session](ctx, c, post, path("sessions"), nil, native.CreateSessionRequest{Seconds: int(d / time.Second)})
}

// StartSession returns temporary credentials of the caller as a request asks for
// them: with a second factor, say.
func (c *Client) StartSession(ctx context.Context, r *CreateSessionRequest) (*Session, error) {
	return call[Session](ctx, c, post, path("sessions"), nil, r)
}

// CreateUser adds a user, who may do nothing yet.
func (c *Client) CreateUser(ctx context.Context, name string) (*User, error) {
	return call[User](ctx, c, post, path("users"), nil, native.CreateUserRequest{Name: name})
}

// Users returns a page of users.
func (c *Client) Users(ctx context.Context, p Page) (*UserList, error) {
	return call[UserList](ctx, c, get, path("users"), p.query(), nil)
}

// User returns a user with its policies and access keys.
func (c *Client) User(ctx context.Context, name string) (*User, error) {
	return call[User](ctx, c, get, path("users", name), nil, nil)
}

// DeleteUser removes a user.
func (c *Client) DeleteUser(ctx context.Context, name string) error {
	return c.do(ctx, del, path("users", name), nil, nil)
}

// PutUserPolicy adds or replaces a policy of a user.
func (c *Client) PutUserPolicy(ctx context.Context, user, name string, p Policy) error {
	return c.do(ctx, put, path("users", user, "policies", name), nil, p)
}

// DeleteUserPolicy removes a policy of a user.
func (c *Client) DeleteUserPolicy(ctx context.Context, user, name string) error {
	return c.do(ctx, del, path("users", user, "policies", name), nil, nil)
}

// CreateAccessKey makes an access key for a user. Its secret is told only
// this once.
func (c *Client) CreateAccessKey(ctx context.Context, user string) (*NewAccessKey, error) {
	return call[NewAccessKey](ctx, c, post, path("users", user, "access-keys"), nil, nil)
}

// SetAccessKeyActive enables or disables an access key.
func (c *Client) SetAccessKeyActive(ctx context.Context, user, id string, active bool) error {
	return c.do(ctx, put, path("users", user, "access-keys", id), nil, native.UpdateAccessKeyRequest{Active: active})
}

// DeleteAccessKey removes an access key.
func (c *Client) DeleteAccessKey(ctx context.Context, user, id string) error {
	return c.do(ctx, del, path("users", user, "access-keys", id), nil, nil)
}
