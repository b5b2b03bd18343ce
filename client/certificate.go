package client

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// Issue issues a certificate.
func (c *Client) Issue(ctx context.Context, req *IssueRequest) (*IssuedCertificate, error) {
	return call[IssuedCertificate](ctx, c, post, path("certificates"), nil, req)
}

// Certificates returns a page of certificates.
func (c *Client) Certificates(ctx context.Context, f CertificateFilter, p Page) (*CertificateList, error) {
	q := p.query("authority", f.Authority, "text", f.Text, "state", f.State, "expires_before", moment(f.ExpiresBefore))
	return call[CertificateList](ctx, c, get, path("certificates"), q, nil)
}

// Certificate returns a certificate of an authority by its serial number.
func (c *Client) Certificate(ctx context.Context, authority, serial string) (*Certificate, error) {
	return call[Certificate](ctx, c, get, path("certificates", authority, serial), nil, nil)
}

// Revoke revokes a certificate for one of RFC 5280's reasons (section 5.3.1);
// "" stands for "unspecified".
func (c *Client) Revoke(ctx context.Context, authority, serial, reason string) (*Certificate, error) {
	return call[Certificate](ctx, c, post, path("certificates", authority, serial, "revoke"), nil, native.RevokeRequest{Reason: reason})
}

// Release takes a hold back: the certificate is valid again.
func (c *Client) Release(ctx context.Context, authority, serial string) (*Certificate, error) {
	return call[Certificate](ctx, c, post, path("certificates", authority, serial, "release"), nil, nil)
}

// RevokeWithProof revokes a certificate for whoever proves to have its private
// key, and needs no permission.
func (c *Client) RevokeWithProof(ctx context.Context, authority, serial string, req *RevokeWithProofRequest) (*Certificate, error) {
	return call[Certificate](ctx, c, post, path("certificates", authority, serial, "revoke-with-proof"), nil, req)
}
