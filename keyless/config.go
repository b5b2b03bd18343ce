package keyless

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// Defaults of a Config.
const (
	DefaultConnections    = 2
	DefaultInFlight       = 128
	DefaultTimeout        = 5 * time.Second
	DefaultHealthInterval = 10 * time.Second
)

// Bounds of a Config.
const (
	maxServers     = 64
	maxConnections = 256
	maxInFlight    = 1 << 16
	maxSecret      = 8 << 10 // bytes of a credential
)

// Config says which key servers there are and who asks them.
type Config struct {
	// Servers are "host:port" or "unix:///path", at most 64 of them. All have the
	// same keys, or each some of them.
	Servers []string
	// TLS is how they are reached: whom to trust, and the client's certificate
	// where that is the credential. Its ServerName may stay empty: it is each
	// server's host then. Nil stands for the system's roots and no certificate;
	// servers at Unix sockets are then reached without TLS.
	TLS *tls.Config
	// Connections is how many are kept to each server. Default: 2.
	Connections int
	// InFlight bounds the operations in flight on a connection; more wait. A
	// server may have a bound of its own: Holdfast's is 256. Default: 128.
	InFlight int
	// Timeout bounds an operation with all that is tried for it. Default: 5s.
	Timeout time.Duration
	// HealthInterval is how long a connection may be silent until it is asked
	// whether its server is there. Default: 10s.
	HealthInterval time.Duration
	// AccessKeyID and SecretAccessKey, and with temporary credentials
	// SessionToken, are the credential in the place of a client certificate, for
	// Holdfast's own key server; it is the first thing sent over each connection.
	AccessKeyID, SecretAccessKey, SessionToken string
	// Region is where the access key's keys are; empty for the server's own.
	Region string
	// Log is told when servers go away and come back. Default: nobody.
	Log *slog.Logger
}

// String says which servers it is about, and nothing of the credential.
func (c Config) String() string {
	return fmt.Sprintf("keyless.Config{Servers: %q, AccessKeyID: %q}", c.Servers, c.AccessKeyID)
}

// GoString is String.
func (c Config) GoString() string { return c.String() }

// LogValue is String, for package slog.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// endpoint is where a server is.
type endpoint struct {
	name             string // as it was configured
	network, address string
	tls              *tls.Config // nil for none
}

// or sets a field that was left out.
func or[T comparable](field *T, otherwise T) {
	var none T
	if *field == none {
		*field = otherwise
	}
}

// complete puts in the defaults, and returns what is wrong with the rest.
func (c *Config) complete() error {
	or(&c.Connections, DefaultConnections)
	or(&c.InFlight, DefaultInFlight)
	or(&c.Timeout, DefaultTimeout)
	or(&c.HealthInterval, DefaultHealthInterval)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case len(c.Servers) == 0:
		return errors.New("keyless: no server is configured")
	case len(c.Servers) > maxServers:
		return fmt.Errorf("keyless: %d servers are more than %d", len(c.Servers), maxServers)
	case c.Connections < 1 || c.Connections > maxConnections:
		return fmt.Errorf("keyless: %d connections are not between 1 and %d", c.Connections, maxConnections)
	case c.InFlight < 1 || c.InFlight > maxInFlight:
		return fmt.Errorf("keyless: %d operations in flight are not between 1 and %d", c.InFlight, maxInFlight)
	case c.Timeout < 0 || c.HealthInterval < 0:
		return errors.New("keyless: a time is negative")
	case (c.AccessKeyID == "") != (c.SecretAccessKey == ""):
		return errors.New("keyless: an access key and its secret go together")
	case len(c.AccessKeyID)+len(c.SecretAccessKey)+len(c.SessionToken)+len(c.Region) > maxSecret:
		return fmt.Errorf("keyless: the credential is longer than %d bytes", maxSecret)
	}
	return nil
}

// endpoint reads the name of a server.
func (c *Config) endpoint(name string) (*endpoint, error) {
	if path, ok := strings.CutPrefix(name, "unix://"); ok {
		u, err := url.Parse(name)
		if err != nil || u.Host != "" || !filepath.IsAbs(u.Path) || u.RawQuery != "" {
			return nil, fmt.Errorf("keyless: %q is no absolute path of a socket", path)
		}
		e := &endpoint{name, "unix", u.Path, c.TLS}
		if c.TLS == nil && c.AccessKeyID != "" {
			return nil, errors.New("keyless: an access key is sent over TLS only: Config.TLS is nil")
		}
		if c.TLS != nil && c.TLS.ServerName == "" && !c.TLS.InsecureSkipVerify {
			return nil, fmt.Errorf("keyless: TLS over %s needs a ServerName in Config.TLS", name)
		}
		return e, e.prepare("")
	}
	host, port, err := net.SplitHostPort(name)
	if err != nil || host == "" || port == "" {
		return nil, fmt.Errorf("keyless: the server %q is neither host:port nor unix:///path", name)
	}
	e := &endpoint{name, "tcp", name, c.TLS}
	if e.tls == nil {
		e.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return e, e.prepare(host)
}

// prepare gives the endpoint a TLS configuration of its own.
func (e *endpoint) prepare(host string) error {
	if e.tls == nil {
		return nil
	}
	e.tls = e.tls.Clone()
	or(&e.tls.ServerName, host)
	or(&e.tls.MinVersion, tls.VersionTLS12)
	e.tls.DynamicRecordSizingDisabled = true // several packets in one record
	if e.tls.MinVersion < tls.VersionTLS12 {
		return errors.New("keyless: TLS below 1.2 is not offered")
	}
	return nil
}
