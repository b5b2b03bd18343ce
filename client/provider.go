package client

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// Providers returns the key services of the server in which keys can live.
func (c *Client) Providers(ctx context.Context) ([]Provider, error) {
	l, err := call[native.ProviderList](ctx, c, get, path("providers"), nil, nil)
	if err != nil {
		return nil, err
	}
	return l.Providers, nil
}

// Provider returns a key service, with the kinds of keys that it makes.
func (c *Client) Provider(ctx context.Context, name string) (*Provider, error) {
	return call[Provider](ctx, c, get, path("providers", name), nil, nil)
}

// ProviderKeys returns a page of the keys that are in a key service, which says
// itself how many make a page. After is the Next of the page before.
func (c *Client) ProviderKeys(ctx context.Context, name, after string) (*ProviderKeyList, error) {
	return call[ProviderKeyList](ctx, c, get, path("providers", name, "keys"), Page{After: after}.query(), nil)
}

// TestProvider reaches a key service, or makes a key there, uses it and
// destroys it.
func (c *Client) TestProvider(ctx context.Context, name string, req *TestProviderRequest) (*ProviderTrial, error) {
	return call[ProviderTrial](ctx, c, post, path("providers", name, "test"), nil, req)
}
