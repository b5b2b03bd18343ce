// Package issuers asks the issuers of web identities for their documents over
// HTTP.
//
// Start with Fetcher.
package issuers

import (
	"context"
	"crypto/sha1" //nolint:gosec // thumbprints of issuers' certificates are SHA-1 in IAM
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-kms/holdfast/internal/webidentity"
)

// Fetcher fetches the documents of issuers over HTTP. Whoever registers an
// issuer chooses the first address, and the issuer the one of its keys: that
// one, where it is on another host, has to be one on the internet, so that
// nobody makes this server ask what only it can reach. Without Plain, nothing
// is asked without TLS.
type Fetcher struct{ Plain bool }

// fetchStep bounds each part of a fetch; the whole has webidentity's bound.
const fetchStep = 5 * time.Second

// Fetch implements webidentity.Fetcher.
func (f Fetcher) Fetch(ctx context.Context, from *webidentity.Registration, address string) ([]byte, error) {
	if err := webidentity.CheckURL(address, f.Plain); err != nil {
		return nil, fmt.Errorf("%q: %w", address, err)
	}
	target, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	home, err := url.Parse(from.URL)
	if err != nil {
		return nil, err
	}
	trust, err := trustOf(&from.Trust, target.Hostname())
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: fetchStep, ControlContext: guardAddress(target.Host == home.Host)}
	transport := &http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: trust, TLSHandshakeTimeout: fetchStep,
		ResponseHeaderTimeout: fetchStep, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10,
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "holdfast")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it has been read
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", address, resp.Status)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, webidentity.MaxDocument+1))
	if err == nil && len(text) > webidentity.MaxDocument {
		err = fmt.Errorf("%s answered more than %d bytes", address, webidentity.MaxDocument)
	}
	return text, err
}

// guardAddress returns what refuses addresses before they are connected to:
// never a link's own, where clouds keep their machines' credentials, and of the
// internet only unless the address is the issuer's own.
func guardAddress(own bool) func(ctx context.Context, network, address string, c syscall.RawConn) error {
	return func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		ip := at.Addr().Unmap()
		if ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || !own && (ip.IsLoopback() || ip.IsPrivate()) {
			return fmt.Errorf("%s is no address that an issuer may send this server to", ip)
		}
		return nil
	}
}

// trustOf returns how the server of an issuer proves to be one.
func trustOf(t *webidentity.Trust, host string) (*tls.Config, error) {
	pool, err := t.Pool()
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	if len(t.Thumbprints) == 0 {
		return c, nil
	}
	c.InsecureSkipVerify = true // VerifyConnection verifies, by one root more
	c.VerifyConnection = func(s tls.ConnectionState) error {
		return verifyChain(s.PeerCertificates, pool, host, t.Thumbprints)
	}
	return c, nil
}

// verifyChain verifies a server's chain by the roots, or by those certificates
// in it whose thumbprints are known.
func verifyChain(chain []*x509.Certificate, roots *x509.CertPool, host string, thumbprints []string) error {
	if len(chain) == 0 {
		return errors.New("the server has no certificate")
	}
	between, known := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range chain {
		between.AddCert(c)
		one, two := sha1.Sum(c.Raw), sha256.Sum256(c.Raw) //nolint:gosec // IAM's form
		if slices.Contains(thumbprints, hex.EncodeToString(one[:])) || slices.Contains(thumbprints, hex.EncodeToString(two[:])) {
			known.AddCert(c)
		}
	}
	o := x509.VerifyOptions{DNSName: strings.Trim(host, "[]"), Intermediates: between, Roots: roots}
	if _, err := chain[0].Verify(o); err == nil {
		return nil
	}
	o.Roots = known
	_, err := chain[0].Verify(o)
	return err
}
