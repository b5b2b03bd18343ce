package client

import (
	"context"
	"net/url"
	"strconv"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// CreateSecret makes a secret.
func (c *Client) CreateSecret(ctx context.Context, req *CreateSecretRequest) (*Secret, error) {
	return call[Secret](ctx, c, post, path("secrets"), nil, req)
}

// Secrets returns a page of secrets without their values.
func (c *Client) Secrets(ctx context.Context, f SecretFilter, p Page) (*SecretList, error) {
	deleted := ""
	if f.Deleted {
		deleted = "true"
	}
	return call[SecretList](ctx, c, get, path("secrets"), p.query("name", f.Name, "deleted", deleted), nil)
}

// Secret returns a secret without its values, by its name or id.
func (c *Client) Secret(ctx context.Context, name string) (*Secret, error) {
	return call[Secret](ctx, c, get, path("secrets", name), nil, nil)
}

// SecretValue returns a value of a secret: the one of a version, of a stage,
// or with neither the current one. The caller overwrites it afterwards.
func (c *Client) SecretValue(ctx context.Context, name, version, stage string) (*SecretValue, error) {
	query := url.Values{}
	if version != "" {
		query.Set("version", version)
	}
	if stage != "" {
		query.Set("stage", stage)
	}
	return call[SecretValue](ctx, c, get, path("secrets", name, "value"), query, nil)
}

// PutSecretValue gives a secret a new value, which is current then.
func (c *Client) PutSecretValue(ctx context.Context, name string, value []byte, binary bool) (*Secret, error) {
	return call[Secret](ctx, c, put, path("secrets", name, "value"), nil, native.PutSecretRequest{Value: value, Binary: binary})
}

// DeleteSecret has a secret destroyed after so many days, 7 to 30, or 30 with
// 0; with force, at once.
func (c *Client) DeleteSecret(ctx context.Context, name string, days int, force bool) (*SecretDeletion, error) {
	query := url.Values{}
	if days != 0 {
		query.Set("days", strconv.Itoa(days))
	}
	if force {
		query.Set("force", "true")
	}
	return call[SecretDeletion](ctx, c, del, path("secrets", name), query, nil)
}

// RestoreSecret takes a deletion back.
func (c *Client) RestoreSecret(ctx context.Context, name string) (*Secret, error) {
	return call[Secret](ctx, c, post, path("secrets", name, "restore"), nil, nil)
}
