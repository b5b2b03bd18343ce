package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/holdfast-kms/holdfast/internal/fault"
	wire "github.com/holdfast-kms/holdfast/internal/wire/vault"
)

// maxAnswer bounds an answer in bytes: a request has at most 32 MiB.
const maxAnswer = 64 << 20

// newClient returns a client that sends each request once. Timeout bounds those
// that come with no context of their own, 0 for none: the client would end the
// context of a raw request before its answer is read.
func newClient(o *Options, timeout time.Duration) (*api.Client, error) {
	c := api.DefaultConfig() // reads VAULT_ADDR, VAULT_CACERT and so on
	if c.Error != nil {
		return nil, invalid("the environment has no good settings for a Vault client: %v", c.Error)
	}
	if o.Address != "" {
		c.Address, c.AgentAddress = o.Address, ""
	}
	if err := checkAddress(c.Address, o.Transport != nil); err != nil {
		return nil, err
	}
	if err := secure(c, o); err != nil {
		return nil, err
	}
	c.MaxRetries, c.Timeout = 0, timeout
	client, err := api.NewClient(c)
	if err != nil {
		return nil, &fault.Error{Kind: fault.InvalidArgument, Op: "engine/vault.New", Public: "the settings of the Vault client are not good", Err: err}
	}
	client.ClearToken()
	client.SetWrappingLookupFunc(func(string, string) string { return "" }) // whatever VAULT_WRAP_TTL says
	if o.Namespace != "" {
		client.SetNamespace(o.Namespace)
	}
	return client, nil
}

// secure sets up TLS. A certificate that nobody checks is no certificate, so
// that VAULT_SKIP_VERIFY is refused.
func secure(c *api.Config, o *Options) error {
	if o.Transport != nil {
		c.HttpClient.Transport = o.Transport
		return nil
	}
	if len(o.CA) > 0 {
		if err := c.ConfigureTLS(&api.TLSConfig{CACertBytes: o.CA}); err != nil {
			return invalid("the certificates of the Vault server's CA cannot be read")
		}
	}
	if t, ok := c.HttpClient.Transport.(*http.Transport); ok && t.TLSClientConfig != nil && t.TLSClientConfig.InsecureSkipVerify {
		return invalid("VAULT_SKIP_VERIFY is set: name the CA of the Vault server instead")
	}
	return nil
}

// call sends a request for the mount's path, and reads an answer that has data.
func call[T any](ctx context.Context, e *Engine, method, path string, body any) (*wire.Response[T], error) {
	r, err := send[T](ctx, e, method, path, body, nil)
	if err == nil && (r == nil || r.Data == nil) {
		err = wrongAnswer("no data")
	}
	return r, err
}

// send sends a request for the mount's path, again when the token had ended.
// The answer is nil when there is none.
func send[T any](ctx context.Context, e *Engine, method, path string, body any, query url.Values) (*wire.Response[T], error) {
	token, err := e.session.token(ctx)
	if err != nil {
		return nil, err
	}
	text, err := exchange(ctx, e.session.api, method, e.mount+"/"+path, body, query)
	if refused(err) {
		if err = e.session.replace(ctx, token, err); err != nil {
			return nil, err
		}
		text, err = exchange(ctx, e.session.api, method, e.mount+"/"+path, body, query)
	}
	defer clear(text) // there may be a plaintext in it
	if err != nil || len(text) == 0 {
		return nil, err
	}
	r, err := wire.ParseResponse[T](text)
	if err != nil {
		return nil, wrongAnswer("%v", err)
	}
	return r, nil
}

// exchange sends one request and returns the answer's body.
func exchange(ctx context.Context, c *api.Client, method, path string, body any, query url.Values) ([]byte, error) {
	r := c.NewRequest(method, "/v1/"+path)
	r.Params = query
	if body != nil {
		if err := r.SetJSONBody(body); err != nil {
			return nil, err
		}
	}
	resp, err := c.RawRequestWithContext(ctx, r) //nolint:staticcheck // the raw calls of Logical lose the body where a standby redirects
	if resp != nil {
		defer resp.Body.Close() //nolint:errcheck // it was read
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, understood(resp, err))
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s %s: reading the answer: %w", method, path, err)
	case len(text) > maxAnswer:
		return nil, wrongAnswer("more than %d bytes", maxAnswer)
	}
	return text, nil
}

// answer is an error of the server's, and when it may be asked again.
type answer struct {
	said  *wire.Error
	after time.Duration
}

// Error returns what the server said.
func (a *answer) Error() string { return a.said.Error() }

// Unwrap returns the server's error.
func (a *answer) Unwrap() error { return a.said }

// understood turns the client's error for a bad status into the server's.
func understood(resp *api.Response, err error) error {
	e, ok := errors.AsType[*api.ResponseError](err)
	if !ok {
		return err
	}
	a := &answer{said: &wire.Error{Status: e.StatusCode, Errors: e.Errors}}
	if e.RawError && len(e.Errors) > 0 { // of a proxy, at any length
		a.said = wire.ParseError(e.StatusCode, []byte(e.Errors[0]))
	}
	if resp != nil {
		if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 {
			a.after = time.Duration(n) * time.Second
		}
	}
	return a
}

// refused reports whether the server did not let the token do something.
func refused(err error) bool {
	e := wire.ErrorOf(err)
	return e != nil && (e.Status == http.StatusForbidden || e.Status == http.StatusUnauthorized)
}

// strange is an answer that is not to what was asked.
type strange string

// Error returns what is wrong with it.
func (s strange) Error() string { return "the answer is not what was asked for: " + string(s) }

func wrongAnswer(format string, args ...any) error { return strange(fmt.Sprintf(format, args...)) }
