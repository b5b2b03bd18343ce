package courier

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Limits of a POST. An answer is read so far and no further.
const (
	MaxBody    = 1 << 20 // bytes
	maxAnswer  = 64 << 10
	maxHeaders = 32 << 10
)

// timeouts of an attempt: to connect, and in all unless HTTPOptions say so.
const (
	connectTimeout = 10 * time.Second
	postTimeout    = 30 * time.Second
)

// HTTPOptions are the settings of an HTTP.
type HTTPOptions struct {
	Egress Egress
	// Roots are whom certificates may be from, nil for the system's.
	Roots *x509.CertPool
	// Timeout bounds an attempt. Default: 30 s.
	Timeout time.Duration
	// UserAgent names the sender. Default: "Holdfast".
	UserAgent string
}

// HTTP posts bodies to receivers. It follows no redirection, keeps no cookie,
// and asks no proxy.
type HTTP struct {
	client *http.Client
	agent  string
}

// NewHTTP returns a poster. Close ends it.
func NewHTTP(o HTTPOptions) *HTTP {
	if o.Timeout == 0 {
		o.Timeout = postTimeout
	}
	if o.UserAgent == "" {
		o.UserAgent = "Holdfast"
	}
	dialer := &net.Dialer{Timeout: connectTimeout, Control: o.Egress.control}
	return &HTTP{agent: o.UserAgent, client: &http.Client{
		Timeout: o.Timeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: connectTimeout, ForceAttemptHTTP2: true,
			TLSClientConfig:     &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
			MaxIdleConns:        64,
			MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute,
			MaxResponseHeaderBytes: maxHeaders,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close ends connections that wait for use.
func (h *HTTP) Close() error {
	h.client.CloseIdleConnections()
	return nil
}

// Post sends a body. Whatever 2xx is answered says that it arrived. The error
// does not have the address, which may be a secret, but its host.
func (h *HTTP) Post(ctx context.Context, address string, header http.Header, body []byte) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
		return refused("the receiver's address is no http or https address without a user")
	}
	if len(body) > MaxBody {
		return refused("a body of %d bytes is longer than %d", len(body), MaxBody)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return refused("the receiver's address cannot be asked")
	}
	for name, values := range header {
		r.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", h.agent)
	}
	answer, err := h.client.Do(r)
	if err != nil {
		return &Failure{Down: true, Err: fmt.Errorf("asking %s: %w", u.Host, cause(err))}
	}
	defer func() { _ = answer.Body.Close() }() // it was read as far as it matters
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if answer.StatusCode >= 200 && answer.StatusCode < 300 {
		return nil // the receiver has it, whatever became of its answer's body
	}
	if err != nil {
		text = nil
	}
	return &Failure{
		Status: answer.StatusCode, Permanent: slices.Contains(permanent, answer.StatusCode), Down: slices.Contains(away, answer.StatusCode),
		RetryAfter: retryAfter(answer.Header.Get("Retry-After"), time.Now()),
		Err:        fmt.Errorf("%s answered %s: %q", u.Host, quote(answer.Status), quote(string(text))),
	}
}

// retryAfter reads the header (RFC 9110 section 10.2.3): seconds, or a date.
// What is neither, or past, is 0.
func retryAfter(value string, now time.Time) time.Duration {
	const most = 1_000_000 // seconds: whoever asks for more asks for no time at all
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(seconds, 0), most)) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), most*time.Second)
}

// permanent are the answers after which the same message is not worth sending
// again: they are about the message. Others, such as 401 or 404, are about how
// the receiver is set up, which people mend.
var permanent = []int{
	http.StatusBadRequest, http.StatusGone, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
	http.StatusUnprocessableEntity, http.StatusNotImplemented,
}

// away are the answers that no other message would get a better one than.
var away = []int{
	http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect,
	http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusTooManyRequests,
	http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
}

// cause returns what is in an url.Error, without its URL.
func cause(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
