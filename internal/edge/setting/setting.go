// Package setting is the configuration of an edge: one file in YAML, validated
// whole, and the clients of the servers that it names.
//
// Start with Load; connect.go makes the clients. The package is internal and may
// change with any release.
package setting

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/edge/certificate"
)

// Config is an edge's configuration. The zero value of a field means its
// default, which its comment gives. Times are such as "30s" or "12h".
type Config struct {
	// Listen are the addresses of the TLS listeners, such as ":443".
	Listen []string `yaml:"listen"`
	// Metrics is a plain listener for /metrics, /healthz and /readyz. Default:
	// none.
	Metrics    config.Metrics `yaml:"metrics"`
	KeyServers KeyServers     `yaml:"key_servers"`
	// Holdfast is the server that managed certificates come from.
	Holdfast Holdfast `yaml:"holdfast"`
	// Poll is the time between looks at files and managed certificates. Default:
	// 30s.
	Poll      time.Duration `yaml:"poll"`
	TLS       TLS           `yaml:"tls"`
	Limits    Limits        `yaml:"limits"`
	AccessLog AccessLog     `yaml:"access_log"`
	Log       config.Log    `yaml:"log"`
	// Trusted are the networks of proxies in front of the edge, whose
	// X-Forwarded-For and Forwarded count. Default: none, and what clients say of
	// themselves is taken out.
	Trusted []netip.Prefix `yaml:"trusted_proxies"`
	// Drain is how long requests may take to end when the edge is stopped.
	// Default: 30s.
	Drain time.Duration `yaml:"drain"`
	Sites []Site        `yaml:"sites"`
}

// KeyServers says where the private keys are, and as whom the edge asks.
type KeyServers struct {
	// Servers are "host:port" or "unix:///path".
	Servers []string `yaml:"servers"`
	// CA is a PEM file with the certificates to trust. Default: the system's.
	CA string `yaml:"ca"`
	// ServerName is the name in the servers' certificates. Default: the host of
	// each.
	ServerName string `yaml:"server_name"`
	// Plain does without TLS, at Unix sockets only. Default: false.
	Plain      bool `yaml:"plain"`
	Credential `yaml:",inline"`
	// Region is where an access key's keys are. Default: the server's own.
	Region string `yaml:"region"`
	// Connections are kept to each server. Default: 2.
	Connections int `yaml:"connections"`
	// Timeout bounds a signature with all that is tried for it. Default: 5s.
	Timeout time.Duration `yaml:"timeout"`
}

// Credential is as whom the edge asks a server: a client certificate, or an
// access key.
type Credential struct {
	// ClientCertificate and ClientKey are PEM files, read for each connection.
	ClientCertificate string `yaml:"client_certificate"`
	ClientKey         string `yaml:"client_key"`
	// AccessKeyID and the file with the secret that goes with it are the other
	// way.
	AccessKeyID         string `yaml:"access_key_id"`
	SecretAccessKeyFile string `yaml:"secret_access_key_file"`
}

// Holdfast is a Holdfast server.
type Holdfast struct {
	// URL is such as "https://kms.example.com:8443".
	URL string `yaml:"url"`
	// CA is a PEM file with the certificates to trust. Default: the system's.
	CA         string `yaml:"ca"`
	Credential `yaml:",inline"`
	// Region is the region of the certificates. Default: the server's own.
	Region string `yaml:"region"`
	// Timeout bounds each request. Default: 30s.
	Timeout time.Duration `yaml:"timeout"`
}

// TLS is how the edge speaks TLS to its clients.
type TLS struct {
	// MinVersion is "1.2" or "1.3". Default: "1.2".
	MinVersion string `yaml:"min_version"`
	// HandshakeTimeout bounds a handshake with the signature in it. Default: 10s.
	HandshakeTimeout time.Duration `yaml:"handshake_timeout"`
	Tickets          Tickets       `yaml:"tickets"`
}

// Tickets are the session tickets, by which clients come back without a
// signature.
type Tickets struct {
	// Off gives none. Default: false.
	Off bool `yaml:"off"`
	// Rotate is how long a key encrypts tickets. Default: 6h.
	Rotate time.Duration `yaml:"rotate"`
	// Keep is how many keys are known: the one that encrypts, and those before it,
	// whose tickets are still taken. Default: 4.
	Keep int `yaml:"keep"`
}

// Limits bound what clients can use up.
type Limits struct {
	// Connections open at one time. Default: 10000.
	Connections int `yaml:"connections"`
	// Handshakes at one time; more wait. Default: 1000.
	Handshakes int `yaml:"handshakes"`
	// Streams of one HTTP/2 connection. Default: 250.
	Streams int `yaml:"streams"`
	// HeaderBytes of a request. Default: 64 KiB.
	HeaderBytes int `yaml:"header_bytes"`
	// BodyBytes of a request. Default: 0, any number: bodies are passed on as
	// they come.
	BodyBytes int64 `yaml:"body_bytes"`
	// HeaderTimeout is how long a request's header may take. Default: 10s.
	HeaderTimeout time.Duration `yaml:"header_timeout"`
	// IdleTimeout is how long a connection may be without a request. Default: 2m.
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	// StallTimeout cuts off a client that takes nothing of what is sent to it.
	// Default: 1m.
	StallTimeout time.Duration `yaml:"stall_timeout"`
}

// AccessLog is where requests are logged.
type AccessLog struct {
	// File is opened again with SIGHUP. Default: standard error.
	File string `yaml:"file"`
	// Format is json, common (the Common Log Format) or off. Default: json.
	Format string `yaml:"format"`
}

// Site is what is served under some names.
type Site struct {
	// Names are DNS names, also "*.example.com" for one label.
	Names []string `yaml:"names"`
	// Default makes it the site of clients that give no name, or an unknown one.
	// Without such a site their handshakes are refused.
	Default bool `yaml:"default"`
	// Certificates are one for each type of key, perhaps; clients get the first
	// that they can use.
	Certificates []certificate.Setting `yaml:"certificates"`
	// Upstreams are the servers behind the edge: http://, https:// or h2c:// with
	// host, port and a path that goes before the request's.
	Upstreams []string `yaml:"upstreams"`
	// UpstreamCA is a PEM file with the certificates to trust in https upstreams.
	// Default: the system's.
	UpstreamCA string `yaml:"upstream_ca"`
	// UpstreamTimeout is how long an upstream may take until it begins to answer.
	// Default: 1m.
	UpstreamTimeout time.Duration `yaml:"upstream_timeout"`
}

// maxConfig bounds a configuration, in bytes.
const maxConfig = 4 << 20

// Load reads a configuration file.
func Load(path string) (*Config, error) {
	text, err := config.ReadFile(path, maxConfig)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	c, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, nil
}

// Parse reads a configuration in YAML, puts in the defaults and validates the
// result. An unknown key is an error that names its line.
func Parse(text []byte) (*Config, error) {
	c := new(Config)
	if err := config.Decode(text, c); err != nil {
		return nil, err
	}
	c.complete()
	if err := c.validate(); err != nil {
		return nil, config.Wrong(err)
	}
	return c, nil
}

// or sets a field that was left out.
func or[T comparable](field *T, otherwise T) {
	var none T
	if *field == none {
		*field = otherwise
	}
}

// complete puts in the defaults.
func (c *Config) complete() {
	or(&c.Poll, 30*time.Second)
	or(&c.Drain, 30*time.Second)
	or(&c.Log.Level, "info")
	or(&c.Log.Format, "text")
	or(&c.KeyServers.Timeout, 5*time.Second)
	or(&c.KeyServers.Connections, 2)
	or(&c.Holdfast.Timeout, 30*time.Second)
	or(&c.AccessLog.Format, FormatJSON)
	or(&c.TLS.MinVersion, "1.2")
	or(&c.TLS.HandshakeTimeout, 10*time.Second)
	or(&c.TLS.Tickets.Rotate, 6*time.Hour)
	or(&c.TLS.Tickets.Keep, 4)
	l := &c.Limits
	or(&l.Connections, 10_000)
	or(&l.Handshakes, 1000)
	or(&l.Streams, 250)
	or(&l.HeaderBytes, 64<<10)
	or(&l.HeaderTimeout, 10*time.Second)
	or(&l.IdleTimeout, 2*time.Minute)
	or(&l.StallTimeout, time.Minute)
	for i := range c.Sites {
		or(&c.Sites[i].UpstreamTimeout, time.Minute)
		for j := range c.Sites[i].Certificates {
			or(&c.Sites[i].Certificates[j].Staple, certificate.StapleAuto)
		}
	}
}
