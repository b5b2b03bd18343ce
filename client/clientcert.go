package client

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// PutClientCertificate lets certificates of TLS clients prove a user.
func (c *Client) PutClientCertificate(ctx context.Context, user string, req *PutClientCertificateRequest) (*ClientCertificate, error) {
	return call[ClientCertificate](ctx, c, post, path("users", user, "certificates"), nil, req)
}

// ClientCertificates returns which certificates of TLS clients prove a user.
func (c *Client) ClientCertificates(ctx context.Context, user string) ([]ClientCertificate, error) {
	l, err := call[native.ClientCertificateList](ctx, c, get, path("users", user, "certificates"), nil, nil)
	if err != nil {
		return nil, err
	}
	return l.Certificates, nil
}

// DeleteClientCertificate has certificates of TLS clients prove a user no more.
func (c *Client) DeleteClientCertificate(ctx context.Context, user, id string) error {
	return c.do(ctx, del, path("users", user, "certificates", id), nil, nil)
}
