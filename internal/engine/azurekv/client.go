package azurekv

import (
	"context"
	"crypto/tls"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azcertificates"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// connect makes the clients of the service. The SDK repeats nothing: the Line
// does.
func (e *Engine) connect(o *Options) error {
	options := policy.ClientOptions{
		Transport: o.Transport,
		Retry:     policy.RetryOptions{MaxRetries: -1},
		Telemetry: policy.TelemetryOptions{ApplicationID: "holdfast"},
	}
	if o.Transport == nil {
		e.client = newClient(o)
		options.Transport = e.client
	}
	credential := o.Credential
	if credential == nil {
		var err error
		if credential, err = o.Identity.credential(options); err != nil {
			return err
		}
	}
	tokens := &renewing{TokenCredential: credential}
	options.PerRetryPolicies = []policy.Policy{guard{tokens}}
	url := "https://" + e.vault.Host
	keys, err := azkeys.NewClient(url, tokens, &azkeys.ClientOptions{
		ClientOptions: options, DisableChallengeResourceVerification: o.DisableChallengeResourceVerification,
	})
	if err != nil {
		return &fault.Error{Kind: fault.InvalidArgument, Op: "engine/azurekv.New", Err: err}
	}
	certificates, err := azcertificates.NewClient(url, tokens, &azcertificates.ClientOptions{
		ClientOptions: options, DisableChallengeResourceVerification: o.DisableChallengeResourceVerification,
	})
	if err != nil {
		return &fault.Error{Kind: fault.InvalidArgument, Op: "engine/azurekv.New", Err: err}
	}
	e.keys, e.certificates = keys, certificates
	return nil
}

// idle is how many connections are kept open for the next requests: many keys
// are used at once, and a new one costs two round trips more.
const idle = 64

// newClient returns the engine's own client. It follows no redirection: a vault
// has none, and the token is for nobody else.
func newClient(o *Options) *http.Client {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     &tls.Config{RootCAs: o.CA, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: idle,
		MaxIdleConns:        2 * idle,
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// guard stands between the SDK's authentication and the network. It notes tokens
// that were refused, and takes challenges away that the SDK could not read: it
// panics at an authority without a path.
type guard struct{ tokens *renewing }

// Do sends a request.
func (g guard) Do(r *policy.Request) (*http.Response, error) {
	answer, err := r.Next()
	if err != nil || answer.StatusCode != http.StatusUnauthorized {
		return answer, err
	}
	if token, ok := strings.CutPrefix(r.Raw().Header.Get("Authorization"), "Bearer "); ok {
		g.tokens.reject(token)
	}
	values := answer.Header.Values("WWW-Authenticate")
	if len(values) == 0 {
		return answer, nil
	}
	c, err := azure.ParseChallenge(values[0])
	answer.Header.Del("WWW-Authenticate")
	if err == nil && claims(c.Claims) {
		answer.Header.Set("WWW-Authenticate", c.String())
	}
	return answer, nil
}

// do sends a request through the Line.
func (e *Engine) do(ctx context.Context, op string, how remote.How, send func(context.Context) error) error {
	return e.line.Do(ctx, "engine/azurekv."+op, how, func(ctx context.Context) error { return shortened(send(ctx)) })
}

// in returns which of the vault's keys a reference means.
func (e *Engine) in(k *remote.Reference) (azure.Identifier, error) {
	id, err := azure.ParseIdentifier(k.Name)
	if err != nil {
		return id, &fault.Error{Kind: fault.Internal, Op: "engine/azurekv", Err: err}
	}
	if !strings.EqualFold(id.Host, e.vault.Host) {
		return id, fault.New(fault.Unavailable, "the key is in another vault than the one of %s", e.name)
	}
	id.Version = k.Version
	return id, nil
}

// same refuses an answer about another key than the one that was asked for.
func same(asked azure.Identifier, kid *azkeys.ID) (azure.Identifier, error) {
	if kid == nil {
		return azure.Identifier{}, foreign("an answer about no key")
	}
	got, err := azure.ParseIdentifier(string(*kid))
	if err != nil {
		return got, foreign("an answer about %.200q: %v", string(*kid), err)
	}
	if !strings.EqualFold(got.Name, asked.Name) || got.Collection != asked.Collection || got.Version == "" || asked.Version != "" && got.Version != asked.Version {
		return got, foreign("an answer about %s to a question about %s", got, asked)
	}
	got.Host, got.Name = asked.Host, asked.Name
	return got, nil
}
