package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// DefaultTimeout bounds a request whose context has no deadline.
const DefaultTimeout = 60 * time.Second

// Config says where a server is and who asks it.
type Config struct {
	// Address is the server's URL, such as "https://kms.example.com:8443".
	// Plain http is accepted only to this machine.
	Address string
	// CACert is the path of a PEM file with the certificates to trust; empty
	// for those of the system.
	CACert string
	// AccessKeyID and SecretAccessKey are the credential.
	AccessKeyID, SecretAccessKey string
	// SessionToken goes with temporary credentials.
	SessionToken string
	// ClientCertificate and ClientKey, paths of PEM files, are the credential in
	// the place of an access key: mutual TLS. They are read for each connection,
	// so that files which are renewed need no new Client.
	ClientCertificate, ClientKey string
	// Region says which region's keys the requests are about; empty for the
	// server's own.
	Region string
	// Timeout bounds a request whose context has no deadline; 0 means
	// DefaultTimeout.
	Timeout time.Duration
	// UserAgent is what the audit log knows the program by.
	UserAgent string
	// HTTPClient replaces the client's own transport; CACert and
	// ClientCertificate are not used then.
	HTTPClient *http.Client
}

// Client speaks to one server. All methods may be called at the same time.
type Client struct {
	config  Config
	address *url.URL
	http    *http.Client
}

// The variables that FromEnvironment reads.
const (
	EnvAddress         = "HOLDFAST_ADDR"
	EnvCACert          = "HOLDFAST_CACERT"
	EnvAccessKeyID     = "HOLDFAST_ACCESS_KEY_ID"
	EnvSecretAccessKey = "HOLDFAST_SECRET_ACCESS_KEY"
	EnvSessionToken    = "HOLDFAST_SESSION_TOKEN"
	EnvRegion          = "HOLDFAST_REGION"
	// EnvClientCertificate and EnvClientKey are paths. They go before an access
	// key.
	EnvClientCertificate = "HOLDFAST_CLIENT_CERTIFICATE"
	EnvClientKey         = "HOLDFAST_CLIENT_KEY"
)

// Environment returns the configuration that the variables describe.
func Environment() Config {
	c := Config{
		Address: os.Getenv(EnvAddress), CACert: os.Getenv(EnvCACert), Region: os.Getenv(EnvRegion),
		ClientCertificate: os.Getenv(EnvClientCertificate), ClientKey: os.Getenv(EnvClientKey),
	}
	if c.ClientCertificate == "" {
		c.AccessKeyID, c.SecretAccessKey, c.SessionToken = os.Getenv(EnvAccessKeyID), os.Getenv(EnvSecretAccessKey), os.Getenv(EnvSessionToken)
	}
	return c
}

// FromEnvironment returns a client of the server that the variables
// HOLDFAST_ADDR, HOLDFAST_CACERT, HOLDFAST_ACCESS_KEY_ID,
// HOLDFAST_SECRET_ACCESS_KEY, HOLDFAST_SESSION_TOKEN, HOLDFAST_CLIENT_CERTIFICATE,
// HOLDFAST_CLIENT_KEY and HOLDFAST_REGION name.
func FromEnvironment() (*Client, error) { return New(Environment()) }

// New returns a client. It does not connect yet.
func New(c Config) (*Client, error) {
	if c.Address != "" && c.ClientCertificate == "" && (c.AccessKeyID == "" || c.SecretAccessKey == "") {
		return nil, errors.New("no credential: set HOLDFAST_ACCESS_KEY_ID and HOLDFAST_SECRET_ACCESS_KEY")
	}
	return connect(c)
}

// connect returns a client of the server that the configuration names.
func connect(c Config) (*Client, error) {
	if c.Address == "" {
		return nil, errors.New("no server address: set HOLDFAST_ADDR, or source the env file of holdfast dev")
	}
	address, err := url.Parse(c.Address)
	if err != nil || address.Host == "" || (address.Scheme != "https" && address.Scheme != "http") {
		return nil, fmt.Errorf("the server address %q is no URL such as https://127.0.0.1:8443", c.Address)
	}
	if address.Scheme == "http" && !loopback(address.Hostname()) {
		return nil, fmt.Errorf("the server address %s would send the secret unencrypted: use https", c.Address)
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	client := &Client{config: c, address: address, http: c.HTTPClient}
	if client.http == nil {
		if client.http, err = transport(&c); err != nil {
			return nil, err
		}
	}
	return client, nil
}

// As returns a client of the same server for another access key, over the
// same connections. A client whose credential is a certificate has connections
// that prove who it is: it makes none for others.
func (c *Client) As(accessKeyID, secret, sessionToken string) (*Client, error) {
	if c.config.ClientCertificate != "" {
		return nil, errors.New("the connections of a client with a certificate are its own")
	}
	other := *c
	other.config.AccessKeyID, other.config.SecretAccessKey, other.config.SessionToken = accessKeyID, secret, sessionToken
	return &other, nil
}

// CloseIdleConnections closes connections that no request is using, also those
// of clients made by As.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// Address returns the server's URL.
func (c *Client) Address() string { return c.config.Address }

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// transport returns an HTTP client that trusts the certificates of a PEM
// file, and that follows no redirect: a credential goes to one server only.
func transport(c *Config) (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	t.MaxIdleConnsPerHost = 32
	if c.ClientCertificate != "" {
		t.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(c.ClientCertificate, c.ClientKey)
			if err != nil {
				return nil, fmt.Errorf("reading the client's certificate: %w", err)
			}
			return &pair, nil
		}
	}
	if c.CACert != "" {
		text, err := os.ReadFile(c.CACert)
		if err != nil {
			return nil, fmt.Errorf("reading the certificates to trust: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("the file %s has no certificate in PEM", c.CACert)
		}
		t.TLSClientConfig.RootCAs = roots
	}
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: t, CheckRedirect: refuse}, nil
}

// endpoint returns the URL of a path under the API's prefix.
func (c *Client) endpoint(path string, query url.Values) string {
	u := strings.TrimSuffix(c.address.String(), "/") + path
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	return u
}
