package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/edge/setting"
)

// How upstreams are reached.
const (
	dialTimeout   = 5 * time.Second
	upstreamIdle  = 90 * time.Second
	upstreamConns = 256             // idle, to one upstream
	leftAlone     = 5 * time.Second // after it could not be reached
)

// upstream is one server behind the edge.
type upstream struct {
	url       *url.URL
	transport *http.Transport
	downUntil atomic.Int64 // nanoseconds since 1970
	failures  atomic.Uint64
}

// upstreams are those of a site: each request goes to the next one that could
// be reached.
type upstreams struct {
	list []*upstream
	turn atomic.Uint32
}

// newUpstreams returns those of a site.
func newUpstreams(c *setting.Site) (*upstreams, error) {
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.UpstreamCA != "" {
		pool, err := setting.ReadPool(c.UpstreamCA)
		if err != nil {
			return nil, err
		}
		trust.RootCAs = pool
	}
	all := &upstreams{}
	for _, text := range c.Upstreams {
		u, err := setting.ParseUpstream(text)
		if err != nil {
			return nil, err
		}
		all.list = append(all.list, newUpstream(u, trust, c.UpstreamTimeout))
	}
	return all, nil
}

func newUpstream(u *url.URL, trust *tls.Config, timeout time.Duration) *upstream {
	t := &http.Transport{
		DialContext:     (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig: trust.Clone(), TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: timeout,
		MaxIdleConnsPerHost: upstreamConns, IdleConnTimeout: upstreamIdle, DisableCompression: true, Protocols: new(http.Protocols),
	}
	switch u.Scheme {
	case "h2c":
		t.Protocols.SetUnencryptedHTTP2(true)
		u.Scheme = "http"
	case "https":
		t.Protocols.SetHTTP1(true)
		t.Protocols.SetHTTP2(true)
	default:
		t.Protocols.SetHTTP1(true)
	}
	return &upstream{url: u, transport: t}
}

// close closes the connections that nobody uses.
func (a *upstreams) close() {
	for _, u := range a.list {
		u.transport.CloseIdleConnections()
	}
}

// order returns the upstreams in the order in which they are tried: those that
// could not be reached lately are the last.
func (a *upstreams) order() []*upstream {
	first := int(a.turn.Add(1))
	now := time.Now().UnixNano()
	up, down := make([]*upstream, 0, len(a.list)), []*upstream(nil)
	for i := range a.list {
		u := a.list[(first+i)%len(a.list)]
		if u.downUntil.Load() > now {
			down = append(down, u)
		} else {
			up = append(up, u)
		}
	}
	return append(up, down...)
}

// RoundTrip sends a request to one of the upstreams. To another one it is sent
// only where the first could not be reached: what was sent may have been done.
func (a *upstreams) RoundTrip(r *http.Request) (*http.Response, error) {
	var failures []error
	for _, u := range a.order() {
		resp, err := u.transport.RoundTrip(u.aim(r))
		if err == nil {
			return resp, nil
		}
		failures = append(failures, err)
		if !unreached(err) || r.Context().Err() != nil {
			break
		}
		u.failures.Add(1)
		u.downUntil.Store(time.Now().Add(leftAlone).UnixNano())
	}
	return nil, errors.Join(failures...)
}

// unreached reports whether there was no connection to an upstream.
func unreached(err error) bool {
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "dial"
}

// aim returns the request for this upstream. Its body stays open when the
// upstream is not reached.
func (u *upstream) aim(r *http.Request) *http.Request {
	out := *r
	to := *r.URL
	out.URL = &to
	to.Scheme, to.Host = u.url.Scheme, u.url.Host
	if prefix := strings.TrimSuffix(u.url.Path, "/"); prefix != "" {
		to.Path = prefix + to.Path
		if to.RawPath != "" {
			to.RawPath = strings.TrimSuffix(u.url.EscapedPath(), "/") + to.RawPath
		}
	}
	if r.Body != nil && r.Body != http.NoBody {
		out.Body = io.NopCloser(r.Body)
	}
	return &out
}

// gaveUp reports whether a request failed because its client went away.
func gaveUp(r *http.Request, err error) bool {
	return r.Context().Err() != nil || errors.Is(err, context.Canceled)
}
