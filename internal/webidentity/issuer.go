// Package webidentity verifies the tokens that other people's issuers sign for
// their users and workloads (OpenID Connect Core 1.0; JSON Web Token, RFC
// 7519, with the advice of RFC 8725): those of a Kubernetes cluster's service
// accounts, of CI systems, of identity providers.
//
// Start with Parse, which tells whose token it says it is, and Issuer.Verify,
// which finds out. What an issuer's keys are comes from the issuer, by a
// Fetcher, or was pinned.
package webidentity

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Limits of issuers (IAM and AWS STS quotas, IAM User Guide: 255 characters,
// 100 audiences, 5 thumbprints) and of what they serve.
const (
	MaxURL         = 255
	MaxAudiences   = 100
	MaxAudience    = 255
	MaxThumbprints = 5
	MaxCA          = 64 << 10  // bytes of PEM
	MaxDocument    = 256 << 10 // bytes of a discovery document or of keys
	maxKeys        = 64
)

// Trust says which servers are the issuer's. The zero value trusts the
// system's certificate authorities.
type Trust struct {
	// CA are certificates in PEM that are trusted and no others.
	CA string `json:"ca,omitempty"`
	// Thumbprints are the SHA-1 or SHA-256 digests, in lower-case hex, of
	// certificates in the server's chain that are trusted beside the system's.
	Thumbprints []string `json:"thumbprints,omitempty"`
}

// Registration is what is known of an issuer.
type Registration struct {
	// URL is the issuer as its tokens name it.
	URL string
	// Audiences are whom its tokens have to be meant for: one of them.
	Audiences []string
	Trust     Trust
	// Keys is a JSON Web Key Set (RFC 7517) to verify with; without one, what the
	// issuer publishes (OpenID Connect Discovery 1.0) is fetched.
	Keys string
}

// Fetcher gets a document of an issuer's. It waits for a bounded time, reads at
// most MaxDocument bytes, follows no redirects, and reaches nothing but what
// the trust admits.
type Fetcher interface {
	Fetch(ctx context.Context, from *Registration, url string) ([]byte, error)
}

// Issuer verifies tokens. All methods may be called at the same time.
type Issuer struct {
	Registration
	pinned []publicKey
	fetch  Fetcher
	keys   keySet
}

// New checks a registration. Plain says that issuers on this machine may be
// reached without TLS, as on a developer's. The issuer verifies by itself once
// it has been given a fetcher.
func New(r Registration, fetch Fetcher, plain bool) (*Issuer, error) {
	if err := CheckURL(r.URL, plain); err != nil {
		return nil, err
	}
	i := &Issuer{Registration: r, fetch: fetch}
	if len(r.Audiences) == 0 || len(r.Audiences) > MaxAudiences {
		return nil, fault.New(fault.InvalidArgument, "an issuer has 1 to %d audiences", MaxAudiences)
	}
	for n, a := range r.Audiences {
		if a == "" || len(a) > MaxAudience || slices.Contains(r.Audiences[:n], a) {
			return nil, fault.New(fault.InvalidArgument, "an audience has 1 to %d characters, and each is given once", MaxAudience)
		}
	}
	if err := r.Trust.check(); err != nil {
		return nil, err
	}
	if r.Keys != "" {
		var err error
		if i.pinned, err = parseKeys([]byte(r.Keys)); err != nil {
			return nil, fault.New(fault.InvalidArgument, "the keys are no set of public keys that verify tokens (RFC 7517)")
		}
	}
	return i, nil
}

// Name returns the issuer's URL without its scheme, by which policies know it.
func (i *Issuer) Name() string { return Name(i.URL) }

// Name returns an issuer's URL without its scheme.
func Name(issuer string) string {
	_, name, _ := strings.Cut(issuer, "://")
	return name
}

// CheckURL refuses what is no issuer's URL: https, without credentials, query
// and fragment (OpenID Connect Core 1.0 section 2).
func CheckURL(text string, plain bool) error {
	u, err := url.Parse(text)
	wrong := err != nil || len(text) > MaxURL || u.Host == "" || u.User != nil || u.Opaque != "" ||
		strings.ContainsAny(text, "?#*\\ ") || strings.HasSuffix(u.Host, ":")
	if wrong || u.Scheme != "https" && (u.Scheme != "http" || !plain || !Loopback(u.Hostname())) {
		return fault.New(fault.InvalidArgument,
			"an issuer is an https URL of at most %d characters, without credentials, query and fragment", MaxURL)
	}
	return nil
}

// Loopback reports whether a host is this machine.
func Loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (t *Trust) check() error {
	if len(t.Thumbprints) > MaxThumbprints {
		return fault.New(fault.LimitExceeded, "an issuer has at most %d thumbprints", MaxThumbprints)
	}
	for _, p := range t.Thumbprints {
		if b, err := hex.DecodeString(p); err != nil || p != strings.ToLower(p) || len(b) != 20 && len(b) != 32 {
			return fault.New(fault.InvalidArgument, "a thumbprint is the SHA-1 or SHA-256 of a certificate in lower-case hex")
		}
	}
	if t.CA == "" {
		return nil
	}
	if _, err := t.Pool(); err != nil || len(t.CA) > MaxCA {
		return fault.New(fault.InvalidArgument, "the issuer's CA is no certificates in PEM, of at most %d bytes", MaxCA)
	}
	return nil
}

// Pool returns the CA's certificates, nil for those of the system.
func (t *Trust) Pool() (*x509.CertPool, error) {
	if t.CA == "" {
		return nil, nil //nolint:nilnil // crypto/tls takes nil for the system's
	}
	pool := x509.NewCertPool()
	for rest := []byte(t.CA); len(strings.TrimSpace(string(rest))) > 0; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != "CERTIFICATE" {
			return nil, fault.New(fault.InvalidArgument, "there is something that is no certificate in PEM")
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fault.New(fault.InvalidArgument, "a certificate cannot be read")
		}
		pool.AddCert(c)
	}
	return pool, nil
}

// discovery is what is read of an issuer's document (OpenID Connect Discovery
// 1.0 section 3).
type discovery struct {
	Issuer string `json:"issuer"`
	Keys   string `json:"jwks_uri"`
}

// fetchKeys asks the issuer for its keys.
func (i *Issuer) fetchKeys(ctx context.Context) ([]publicKey, error) {
	text, err := i.fetch.Fetch(ctx, &i.Registration, strings.TrimSuffix(i.URL, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	var d discovery
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, err
	}
	if d.Issuer != i.URL {
		return nil, fault.New(fault.InvalidArgument, "its document is of the issuer %q", d.Issuer)
	}
	if text, err = i.fetch.Fetch(ctx, &i.Registration, d.Keys); err != nil {
		return nil, err
	}
	return parseKeys(text)
}
