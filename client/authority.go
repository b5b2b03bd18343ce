package client

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// CreateAuthority makes a certificate authority on a key.
func (c *Client) CreateAuthority(ctx context.Context, req *CreateAuthorityRequest) (*Authority, error) {
	return call[Authority](ctx, c, post, path("authorities"), nil, req)
}

// Authorities returns a page of authorities.
func (c *Client) Authorities(ctx context.Context, p Page) (*AuthorityList, error) {
	return call[AuthorityList](ctx, c, get, path("authorities"), p.query(), nil)
}

// Authority returns an authority by its id or name.
func (c *Client) Authority(ctx context.Context, authority string) (*Authority, error) {
	return call[Authority](ctx, c, get, path("authorities", authority), nil, nil)
}

// Chain returns an authority's certificate and those of its issuers, up to
// the root, in PEM.
func (c *Client) Chain(ctx context.Context, authority string) ([]byte, error) {
	return c.send(ctx, get, path("authorities", authority, "chain"), nil, nil)
}

// CRL returns an authority's newest CRL in DER.
func (c *Client) CRL(ctx context.Context, authority string) ([]byte, error) {
	return c.send(ctx, get, path("authorities", authority, "crl"), nil, nil)
}

// Profiles returns the kinds of certificates that authorities issue.
func (c *Client) Profiles(ctx context.Context) ([]Profile, error) {
	l, err := call[native.ProfileList](ctx, c, get, path("profiles"), nil, nil)
	if err != nil {
		return nil, err
	}
	return l.Profiles, nil
}

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

// Audit returns the audit entries that the filter wants.
func (c *Client) Audit(ctx context.Context, f AuditFilter) (*AuditList, error) {
	q := url.Values{}
	for name, value := range map[string]string{
		"action": f.Action, "principal": f.Principal, "resource": f.Resource, "result": f.Result,
		"request_id": f.RequestID, "since": moment(f.Since), "until": moment(f.Until),
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, n := range map[string]uint64{"after": f.After, "last": count(f.Last), "limit": count(f.Limit)} {
		if n > 0 {
			q.Set(name, strconv.FormatUint(n, 10))
		}
	}
	return call[AuditList](ctx, c, get, path("audit"), q, nil)
}

// Version returns the server's version.
func (c *Client) Version(ctx context.Context) (*ServerVersion, error) {
	return call[ServerVersion](ctx, c, get, path("version"), nil, nil)
}

// moment writes a time as a parameter, "" for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func count(n int) uint64 { return uint64(max(n, 0)) }
