package client

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// HSMs returns the tokens and groups of the server.
func (c *Client) HSMs(ctx context.Context) ([]HSM, error) {
	l, err := call[native.HSMList](ctx, c, get, path("hsms"), nil, nil)
	if err != nil {
		return nil, err
	}
	return l.HSMs, nil
}

// HSM returns a token or group, with what a token says of itself.
func (c *Client) HSM(ctx context.Context, name string) (*HSM, error) {
	return call[HSM](ctx, c, get, path("hsms", name), nil, nil)
}

// HSMObjects returns the objects on a token.
func (c *Client) HSMObjects(ctx context.Context, name string) ([]HSMObject, error) {
	l, err := call[native.HSMObjectList](ctx, c, get, path("hsms", name, "objects"), nil, nil)
	if err != nil {
		return nil, err
	}
	return l.Objects, nil
}

// AdoptKey makes a key that is on a token or in a provider already known to the
// server.
func (c *Client) AdoptKey(ctx context.Context, req *AdoptKeyRequest) (*Key, error) {
	return call[Key](ctx, c, post, path("keys", "adopt"), nil, req)
}

// ImportWrapped makes a key of material that comes encrypted under a key
// exchange key.
func (c *Client) ImportWrapped(ctx context.Context, req *ImportWrappedRequest) (*Key, error) {
	return call[Key](ctx, c, post, path("keys", "import-wrapped"), nil, req)
}

// ExportWrapped returns an exportable key encrypted under an RSA key, whose
// SubjectPublicKeyInfo in DER under is. Wrapping is how, such as
// "rsa-aes-key-wrap-sha256".
func (c *Client) ExportWrapped(ctx context.Context, key string, under []byte, wrapping string) (*WrappedKey, error) {
	return call[WrappedKey](ctx, c, post, path("keys", key, "export-wrapped"), nil,
		native.ExportWrappedRequest{Under: under, Wrapping: wrapping})
}

// KeyURL returns the URL of a key by its id: what transfer blobs call a key
// exchange key of this server.
func (c *Client) KeyURL(id string) string { return native.KeyURL(c.config.Address, id) }
