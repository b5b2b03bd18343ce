package gcpkms

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	kms "cloud.google.com/go/kms/apiv1"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	grpctls "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// client is the SDK's.
type client = kms.KeyManagementClient

// service is the way to Cloud KMS: a client that is made by the first request,
// and its credentials.
type service struct {
	options []option.ClientOption
	tokens  *tokens // nil without credentials

	mu     sync.Mutex
	client *client // guarded by mu; nil until it is needed
	closed bool    // guarded by mu
}

// newService checks the options of the way.
func newService(o Options) (*service, error) {
	s := &service{options: []option.ClientOption{option.WithTelemetryDisabled()}}
	if o.QuotaProject != "" {
		s.options = append(s.options, option.WithQuotaProject(o.QuotaProject))
	}
	if err := s.reach(o); err != nil {
		return nil, err
	}
	if o.Anonymous {
		s.options = append(s.options, option.WithoutAuthentication())
		return s, nil
	}
	detect := credentials.DetectOptions{Scopes: kms.DefaultAuthScopes(), UseSelfSignedJWT: true, Logger: nil}
	given := o.CredentialsFile != ""
	detect.CredentialsFile = o.CredentialsFile //nolint:staticcheck // the operator's own file, whatever its type
	if o.Credentials != nil {
		if given {
			return nil, invalid("Credentials", errors.New("they are given twice, as a file and as they are"))
		}
		given, detect.CredentialsJSON = true, o.Credentials.JSON //nolint:staticcheck // the operator's own as well
	}
	s.tokens = &tokens{detect: func() (*auth.Credentials, error) { return credentials.DetectDefault(&detect) }}
	if given {
		if _, err := s.tokens.current(); err != nil {
			return nil, invalid("Credentials", err)
		}
	}
	s.options = append(s.options, option.WithAuthCredentials(s.tokens.credentials()))
	return s, nil
}

// reach sets where the service is and how it is spoken to.
func (s *service) reach(o Options) error {
	dial := []grpc.DialOption{
		grpc.WithDisableRetry(), // Line sends again
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
		// A connection that went silent is given up long before TCP does.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}),
	}
	endpoint, plain := strings.CutPrefix(o.Endpoint, "http://")
	if endpoint = strings.TrimPrefix(endpoint, "https://"); endpoint != "" {
		host, _, err := net.SplitHostPort(endpoint)
		if err != nil {
			return invalid("Endpoint", fmt.Errorf("%q is not host:port", o.Endpoint))
		}
		if plain && !remote.Loopback(host) {
			return invalid("Endpoint", fmt.Errorf("%q is without TLS, and not a loopback address", o.Endpoint))
		}
		s.options = append(s.options, option.WithEndpoint(endpoint))
	}
	switch {
	case plain:
		dial = append(dial, grpc.WithTransportCredentials(insecure.NewCredentials()))
	case len(o.CA) > 0:
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(o.CA) {
			return invalid("CA", errors.New("it has no certificate in PEM"))
		}
		dial = append(dial, grpc.WithTransportCredentials(grpctls.NewClientTLSFromCert(roots, "")))
	}
	for _, d := range dial {
		s.options = append(s.options, option.WithGRPCDialOption(d))
	}
	return nil
}

// get returns the client.
func (s *service) get(ctx context.Context) (*client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fault.New(fault.Unavailable, "the key service is no longer in use by this server")
	}
	if s.client != nil {
		return s.client, nil
	}
	c, err := kms.NewKeyManagementClient(ctx, s.options...)
	if err != nil {
		return nil, status.Error(codes.Unauthenticated, err.Error())
	}
	c.CallOptions = &kms.KeyManagementCallOptions{} // no retries and no time limits of its own
	s.client = c
	return c, nil
}

func (s *service) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.client == nil {
		return nil
	}
	err := s.client.Close()
	s.client = nil
	return err
}

// call sends a request. Where the service does not accept the credential any
// more, the next attempt comes with a new one.
func (e *Engine) call(ctx context.Context, op string, how remote.How, send func(context.Context, *client) error) error {
	return e.line.Do(ctx, op, how, func(ctx context.Context) error {
		made := e.service.tokens.generation()
		c, err := e.service.get(ctx)
		if err != nil {
			return err
		}
		err = send(ctx, c)
		if status.Code(err) == codes.Unauthenticated {
			e.service.tokens.forget(made)
		}
		return err
	})
}

// tokens has access tokens, and can be made to get new ones: those of the
// credential are kept until they expire, and the service may not accept them
// for so long.
type tokens struct {
	detect func() (*auth.Credentials, error)

	mu    sync.Mutex
	creds *auth.Credentials // guarded by mu; nil until they are needed
	made  int               // guarded by mu: how many there were
}

// credentials returns the tokens as the SDK takes them.
func (t *tokens) credentials() *auth.Credentials {
	property := func(of func(*auth.Credentials, context.Context) (string, error)) auth.CredentialsPropertyProvider {
		return auth.CredentialsPropertyFunc(func(ctx context.Context) (string, error) {
			creds, err := t.current()
			if err != nil {
				return "", err
			}
			return of(creds, ctx)
		})
	}
	return auth.NewCredentials(&auth.CredentialsOptions{
		TokenProvider:          t,
		ProjectIDProvider:      property((*auth.Credentials).ProjectID),
		QuotaProjectIDProvider: property((*auth.Credentials).QuotaProjectID),
		UniverseDomainProvider: property((*auth.Credentials).UniverseDomain),
	})
}

// current returns the credentials.
func (t *tokens) current() (*auth.Credentials, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.creds == nil {
		creds, err := t.detect()
		if err != nil {
			return nil, err
		}
		t.creds = creds
		t.made++
	}
	return t.creds, nil
}

// generation returns how many credentials there were.
func (t *tokens) generation() int {
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.made
}

// forget drops the credentials if they are those, or older.
func (t *tokens) forget(made int) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.made <= made {
		t.creds = nil
	}
}

// Token returns an access token. That whoever gives them out cannot be reached
// is told apart from that they are refused.
func (t *tokens) Token(ctx context.Context) (*auth.Token, error) {
	creds, err := t.current()
	if err != nil {
		return nil, status.Error(codes.Unauthenticated, err.Error())
	}
	token, err := creds.Token(ctx)
	if err == nil {
		return token, nil
	}
	code := codes.Unavailable
	if e, ok := errors.AsType[*auth.Error](err); ok && e.Response != nil &&
		e.Response.StatusCode < http.StatusInternalServerError && e.Response.StatusCode != http.StatusTooManyRequests {
		code = codes.Unauthenticated
	}
	return nil, status.Error(code, "getting an access token: "+err.Error())
}
