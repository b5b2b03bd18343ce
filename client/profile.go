package client

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// Profiles returns the kinds of certificates that authorities issue.
func (c *Client) Profiles(ctx context.Context) ([]Profile, error) {
	all := []Profile{}
	for page := (Page{Limit: 1000}); ; {
		l, err := call[native.ProfileList](ctx, c, get, path("profiles"), page.query(), nil)
		if err != nil {
			return nil, err
		}
		all = append(all, l.Profiles...)
		if page.After = l.Next; page.After == "" {
			return all, nil
		}
	}
}

// Profile returns a profile with its document.
func (c *Client) Profile(ctx context.Context, name string) (*Profile, error) {
	return call[Profile](ctx, c, get, path("profiles", name), nil, nil)
}

// PutProfile makes or replaces a profile; the document is YAML or JSON.
func (c *Client) PutProfile(ctx context.Context, name, document string) (*Profile, error) {
	return call[Profile](ctx, c, put, path("profiles", name), nil, native.ProfileDocument{Document: document})
}

// DeleteProfile removes a profile. Certificates that were issued by it stay.
func (c *Client) DeleteProfile(ctx context.Context, name string) error {
	return c.do(ctx, del, path("profiles", name), nil, nil)
}
