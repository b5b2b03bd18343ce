package client

import (
	"context"
	"net/http"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// SealStatus is whether a server has its root key, and else how far its
// unsealing has come.
type SealStatus = native.SealStatus

// Unsealer speaks to a server about its seal. It has no credential: while a
// server is sealed it knows nobody.
type Unsealer struct{ client *Client }

// NewUnsealer returns an Unsealer; of the configuration the credential is not
// used. It does not connect yet.
func NewUnsealer(c Config) (*Unsealer, error) {
	c.AccessKeyID, c.SecretAccessKey, c.SessionToken = "", "", ""
	client, err := connect(c)
	if err != nil {
		return nil, err
	}
	return &Unsealer{client}, nil
}

// Address returns the server's URL.
func (u *Unsealer) Address() string { return u.client.Address() }

// Status returns whether the server is sealed.
func (u *Unsealer) Status(ctx context.Context) (*SealStatus, error) {
	return call[SealStatus](ctx, u.client, http.MethodGet, native.SealPath, nil, nil)
}

// Unseal enters a share, as text. The server serves when enough are entered.
func (u *Unsealer) Unseal(ctx context.Context, share []byte) (*SealStatus, error) {
	return call[SealStatus](ctx, u.client, http.MethodPost, native.UnsealPath, nil, native.UnsealRequest{Share: share})
}

// Restart has the server forget the shares that were entered, which whoever
// has a share may ask for. It does not enter the share.
func (u *Unsealer) Restart(ctx context.Context, share []byte) (*SealStatus, error) {
	return call[SealStatus](ctx, u.client, http.MethodPost, native.ResealPath, nil, native.UnsealRequest{Share: share})
}
