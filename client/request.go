package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

const (
	// maxResponse bounds what is read of a response, in bytes. The longest one
	// is a CRL.
	maxResponse = 64 << 20
	// attempts is how often a request that changes nothing is sent.
	attempts = 3
	// pause is the time before the second attempt; it doubles then.
	pause = 200 * time.Millisecond
)

// path joins the segments of a path under the API's prefix, escaped: a name
// may have slashes of its own.
func path(segments ...string) string {
	var b strings.Builder
	b.WriteString(native.Prefix)
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

// call sends a request and reads the answer into a new Resp.
func call[Resp any](ctx context.Context, c *Client, method, at string, query url.Values, body any) (*Resp, error) {
	data, err := c.send(ctx, method, at, query, body)
	if err != nil {
		return nil, err
	}
	resp := new(Resp)
	if _, none := any(resp).(*native.None); none {
		return resp, nil
	}
	if err := json.Unmarshal(data, resp); err != nil {
		return nil, fmt.Errorf("reading the server's answer to %s %s: %w", method, at, err)
	}
	return resp, nil
}

// do sends a request whose answer has nothing to tell.
func (c *Client) do(ctx context.Context, method, at string, query url.Values, body any) error {
	_, err := c.send(ctx, method, at, query, body)
	return err
}

// send sends a request, with a GET up to attempts times.
func (c *Client) send(ctx context.Context, method, at string, query url.Values, body any) ([]byte, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.config.Timeout)
		defer cancel()
	}
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("encoding the request: %w", err)
		}
	}
	wait := pause
	for n := 1; ; n++ {
		answer, err := c.once(ctx, method, c.endpoint(at, query), data)
		if err == nil || method != http.MethodGet || n == attempts || !transient(err) {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(wait):
			wait *= 2
		}
	}
}

// transient reports whether the same request may go well a moment later.
func transient(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind == Unavailable
	}
	_, transport := errors.AsType[*url.Error](err)
	return transport && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// once sends a request one time.
func (c *Client) once(ctx context.Context, method, target string, body []byte) ([]byte, error) {
	resp, err := c.ask(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // the body has been read
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	if err != nil {
		return nil, fmt.Errorf("reading the server's answer: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, c.failed(resp, data)
	}
	return data, nil
}

// failed returns the failure that the server answered. Where a client's
// certificate proves nothing any more, the next request comes over another
// connection, with the certificate that is in the file then.
func (c *Client) failed(resp *http.Response, data []byte) error {
	if resp.StatusCode == http.StatusUnauthorized && c.config.ClientCertificate != "" {
		c.http.CloseIdleConnections()
	}
	return errorOf(resp, data)
}

// download sends a GET one time and writes its answer, of any length, to w.
func (c *Client) download(ctx context.Context, at string, query url.Values, w io.Writer) error {
	resp, err := c.ask(ctx, http.MethodGet, c.endpoint(at, query), nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // the body has been read
	if resp.StatusCode/100 != 2 {
		data, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
		if err != nil {
			return fmt.Errorf("reading the server's answer: %w", err)
		}
		return errorOf(resp, data)
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	return nil
}

// ask sends a request one time; the answer's body is to be closed.
func (c *Client) ask(ctx context.Context, method, target string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if c.config.AccessKeyID != "" {
		req.SetBasicAuth(c.config.AccessKeyID, c.config.SecretAccessKey)
	}
	if c.config.SessionToken != "" {
		req.Header.Set(native.HeaderSessionToken, c.config.SessionToken)
	}
	if c.config.Region != "" {
		req.Header.Set(native.HeaderRegion, c.config.Region)
	}
	if c.config.UserAgent != "" {
		req.Header.Set("User-Agent", c.config.UserAgent)
	}
	if body != nil {
		req.Header.Set("Content-Type", native.TypeJSON)
	}
	return c.http.Do(req)
}

// errorOf reads the answer to a request that failed.
func errorOf(resp *http.Response, data []byte) error {
	var p native.Problem
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if media != native.TypeProblem || json.Unmarshal(data, &p) != nil {
		return &Error{
			Kind: Internal, Status: resp.StatusCode,
			Detail: fmt.Sprintf("the server answered %s, and not as Holdfast does", resp.Status),
		}
	}
	return &Error{
		Kind: Kind(p.Kind), Reason: p.Reason, Detail: p.Detail, Resource: p.Resource,
		RequestID: p.RequestID, Status: resp.StatusCode,
	}
}
