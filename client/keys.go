package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

const (
	get  = http.MethodGet
	post = http.MethodPost
	put  = http.MethodPut
	del  = http.MethodDelete
)

// query returns the parameters that ask for the page, and more as name and
// value in turn; empty values are left out.
func (p Page) query(more ...string) url.Values {
	q := url.Values{}
	if p.After != "" {
		q.Set("after", p.After)
	}
	if p.Limit > 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	for i := 0; i+1 < len(more); i += 2 {
		if more[i+1] != "" {
			q.Set(more[i], more[i+1])
		}
	}
	return q
}

// CreateKey makes a key.
func (c *Client) CreateKey(ctx context.Context, req *CreateKeyRequest) (*Key, error) {
	return call[Key](ctx, c, post, path("keys"), nil, req)
}

// ImportKey makes a key of material that its owner brings.
func (c *Client) ImportKey(ctx context.Context, req *ImportKeyRequest) (*Key, error) {
	return call[Key](ctx, c, post, path("keys", "import"), nil, req)
}

// ExportKey returns the material of an exportable key.
func (c *Client) ExportKey(ctx context.Context, key string) (*ExportedKey, error) {
	return call[ExportedKey](ctx, c, post, path("keys", key, "export"), nil, nil)
}

// Keys returns a page of the keys' ids.
func (c *Client) Keys(ctx context.Context, p Page) (*KeyList, error) {
	return call[KeyList](ctx, c, get, path("keys"), p.query(), nil)
}

// Key returns a key's metadata.
func (c *Client) Key(ctx context.Context, key string) (*Key, error) {
	return call[Key](ctx, c, get, path("keys", key), nil, nil)
}

// DescribeKey replaces a key's description.
func (c *Client) DescribeKey(ctx context.Context, key, text string) error {
	return c.do(ctx, put, path("keys", key, "description"), nil, native.Description{Description: text})
}

// EnableKey lets a disabled key be used again.
func (c *Client) EnableKey(ctx context.Context, key string) error {
	return c.do(ctx, post, path("keys", key, "enable"), nil, nil)
}

// DisableKey stops all use of a key.
func (c *Client) DisableKey(ctx context.Context, key string) error {
	return c.do(ctx, post, path("keys", key, "disable"), nil, nil)
}

// ScheduleDeletion stops all use of a key and has it destroyed after 7 to 30
// days; 0 stands for 30.
func (c *Client) ScheduleDeletion(ctx context.Context, key string, days int) (*Key, error) {
	return call[Key](ctx, c, post, path("keys", key, "schedule-deletion"), nil, native.ScheduleDeletionRequest{Days: days})
}

// CancelDeletion takes a scheduled deletion back. The key is disabled then.
func (c *Client) CancelDeletion(ctx context.Context, key string) (*Key, error) {
	return call[Key](ctx, c, post, path("keys", key, "cancel-deletion"), nil, nil)
}

// Policy returns a key's policy.
func (c *Client) Policy(ctx context.Context, key string) (*Policy, error) {
	return call[Policy](ctx, c, get, path("keys", key, "policy"), nil, nil)
}

// PutPolicy replaces a key's policy. A policy that would leave nobody able to
// change it is refused, unless bypassLockout is set.
func (c *Client) PutPolicy(ctx context.Context, key string, p Policy, bypassLockout bool) error {
	return c.do(ctx, put, path("keys", key, "policy"), nil, native.PutPolicyRequest{Policy: p, BypassLockout: bypassLockout})
}

// Tags returns all tags of a key.
func (c *Client) Tags(ctx context.Context, key string) ([]Tag, error) {
	l, err := call[native.TagList](ctx, c, get, path("keys", key, "tags"), Page{Limit: 100}.query(), nil)
	if err != nil {
		return nil, err
	}
	return l.Tags, nil
}

// Tag sets tags of a key; those with other keys stay.
func (c *Client) Tag(ctx context.Context, key string, tags ...Tag) error {
	return c.do(ctx, post, path("keys", key, "tags"), nil, native.TagRequest{Tags: tags})
}

// Untag removes the tags with the keys.
func (c *Client) Untag(ctx context.Context, key string, keys ...string) error {
	return c.do(ctx, del, path("keys", key, "tags"), url.Values{"key": keys}, nil)
}

// Rotation returns a key's rule for new versions.
func (c *Client) Rotation(ctx context.Context, key string) (*Rotation, error) {
	return call[Rotation](ctx, c, get, path("keys", key, "rotation"), nil, nil)
}

// EnableRotation turns rotation by the clock on, every 90 to 2560 days; 0
// stands for 365.
func (c *Client) EnableRotation(ctx context.Context, key string, days int) error {
	return c.do(ctx, put, path("keys", key, "rotation"), nil, native.RotationRequest{PeriodDays: days})
}

// DisableRotation turns rotation by the clock off.
func (c *Client) DisableRotation(ctx context.Context, key string) error {
	return c.do(ctx, del, path("keys", key, "rotation"), nil, nil)
}

// Rotate makes a new version of a key at once.
func (c *Client) Rotate(ctx context.Context, key string) (*Key, error) {
	return call[Key](ctx, c, post, path("keys", key, "rotate"), nil, nil)
}

// Rotations returns a page of a key's past rotations.
func (c *Client) Rotations(ctx context.Context, key string, p Page) (*VersionList, error) {
	return call[VersionList](ctx, c, get, path("keys", key, "rotations"), p.query(), nil)
}

// CreateAlias names a key. The name begins with "alias/".
func (c *Client) CreateAlias(ctx context.Context, name, key string) error {
	return c.do(ctx, post, path("aliases"), nil, native.CreateAliasRequest{Name: name, Key: key})
}

// UpdateAlias points an alias at another key.
func (c *Client) UpdateAlias(ctx context.Context, name, key string) error {
	return c.do(ctx, put, path("aliases", name), nil, native.UpdateAliasRequest{Key: key})
}

// DeleteAlias removes an alias. Its key stays.
func (c *Client) DeleteAlias(ctx context.Context, name string) error {
	return c.do(ctx, del, path("aliases", name), nil, nil)
}

// Aliases returns a page of aliases: of one key, or of all when key is "".
func (c *Client) Aliases(ctx context.Context, key string, p Page) (*AliasList, error) {
	return call[AliasList](ctx, c, get, path("aliases"), p.query("key", key), nil)
}
