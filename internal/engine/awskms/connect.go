package awskms

import (
	"context"
	"crypto/tls"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// connect reads the SDK's configuration and makes the client. Nothing is sent.
func (e *Engine) connect(ctx context.Context) error {
	o := &e.options
	c, err := config.LoadDefaultConfig(ctx, o.loading()...)
	if err != nil {
		return &fault.Error{Kind: fault.InvalidArgument, Op: "awskms.New", Public: "the configuration of the AWS SDK cannot be read", Err: err}
	}
	if c.Region == "" {
		return fault.New(fault.InvalidArgument, "the key service %s needs a region, and neither its options nor AWS_REGION nor the profile has one", o.Name)
	}
	e.region = c.Region
	if buildable, ok := c.HTTPClient.(*awshttp.BuildableClient); ok {
		e.transport = buildable.GetTransport()
		// The Line says how many requests there are at once; each that
		// finds no idle connection would pay for a TLS handshake.
		e.transport.MaxIdleConnsPerHost = 64
		c.HTTPClient = &http.Client{Transport: e.transport, CheckRedirect: stay}
	}
	e.credentials = o.source(&c)
	c.Credentials = e.credentials
	e.client = kms.NewFromConfig(c, func(k *kms.Options) {
		if o.Endpoint != "" {
			k.BaseEndpoint = &o.Endpoint
		}
	})
	e.trails = cloudtrail.NewFromConfig(c, func(t *cloudtrail.Options) {
		if o.TrailEndpoint != "" {
			t.BaseEndpoint = &o.TrailEndpoint
		}
	})
	for _, at := range []*string{e.client.Options().BaseEndpoint, e.trails.Options().BaseEndpoint} { // of the environment
		if err := checkEndpoint(aws.ToString(at)); err != nil {
			return err
		}
	}
	return nil
}

// stay follows no redirection: the service has none.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// loading are the options of the SDK's configuration.
func (o *Options) loading() []func(*config.LoadOptions) error {
	web := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		if t.TLSClientConfig == nil {
			t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		if o.CA != nil {
			t.TLSClientConfig.RootCAs = o.CA.Clone()
		}
	})
	list := []func(*config.LoadOptions) error{
		config.WithHTTPClient(web),
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }), // the Line repeats
		config.WithLogger(logging.Nop{}),
	}
	if o.Region != "" {
		list = append(list, config.WithRegion(o.Region))
	}
	if o.Profile != "" {
		list = append(list, config.WithSharedConfigProfile(o.Profile))
	}
	if c := o.Credentials; c != nil {
		list = append(list, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)))
	}
	return list
}

// source is where credentials come from: the last of a chain of caches, each
// of which asks the one before it.
type source struct{ caches []*aws.CredentialsCache }

// source returns the credentials of a configuration, or of the role that they
// are to assume.
func (o *Options) source(c *aws.Config) *source {
	s := &source{}
	first, ok := c.Credentials.(*aws.CredentialsCache)
	if !ok {
		first = aws.NewCredentialsCache(c.Credentials)
	}
	if o.WebIdentityTokenFile == "" {
		s.caches = append(s.caches, first)
	}
	if o.Role == "" {
		return s
	}
	session := o.Session
	if session == "" {
		session = "holdfast"
	}
	asking := c.Copy()
	asking.Credentials = first
	client := sts.NewFromConfig(asking, func(t *sts.Options) {
		if o.STSEndpoint != "" {
			t.BaseEndpoint = &o.STSEndpoint
		}
	})
	var role aws.CredentialsProvider
	if o.WebIdentityTokenFile != "" {
		role = stscreds.NewWebIdentityRoleProvider(client, o.Role, stscreds.IdentityTokenFile(o.WebIdentityTokenFile),
			func(w *stscreds.WebIdentityRoleOptions) { w.RoleSessionName = session })
	} else {
		role = stscreds.NewAssumeRoleProvider(client, o.Role, func(a *stscreds.AssumeRoleOptions) {
			a.RoleSessionName = session
			if o.ExternalID != "" {
				a.ExternalID = &o.ExternalID
			}
		})
	}
	s.caches = append(s.caches, aws.NewCredentialsCache(role))
	return s
}

// Retrieve returns the credentials of the moment. Its error says that the
// request itself was never sent.
func (s *source) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := s.caches[len(s.caches)-1].Retrieve(ctx)
	if err != nil {
		return c, &noCredentials{err}
	}
	return c, nil
}

// renew has the next request get new credentials.
func (s *source) renew() {
	for _, c := range s.caches {
		c.Invalidate()
	}
}

// noCredentials is why there are no credentials to send a request with.
type noCredentials struct{ error }

// Unwrap returns the cause.
func (n *noCredentials) Unwrap() error { return n.error }
