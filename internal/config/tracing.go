package config

import (
	"net"
	"net/url"
	"regexp"
)

// Tracing is where the steps of requests are sent, by OTLP over HTTP
// (docs/observability.md).
type Tracing struct {
	// Endpoint is the collector's address, such as https://collector:4318; to one
	// without a path "/v1/traces" is added. Default: that of the variables
	// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT and OTEL_EXPORTER_OTLP_ENDPOINT, and
	// without them none: nothing is traced.
	Endpoint string `yaml:"endpoint"`
	// Plain lets an Endpoint on another machine be spoken to without TLS, and
	// then without headers. Default: false.
	Plain bool `yaml:"plain"`
	// HeadersFile has headers that prove who sends, one a line: "Name: value".
	// Default: none.
	HeadersFile string `yaml:"headers_file"`
	// CACertificate is a PEM file with whom the collector's certificate may be
	// from. Default: the system's.
	CACertificate string `yaml:"ca_certificate"`
	// SampleRatio is the share of requests that are traced of those whose callers
	// do not say, 0 to 1. Default: 0.1.
	SampleRatio float64 `yaml:"sample_ratio"`
	// ServiceName is what the traces call this server. Default: holdfast.
	ServiceName string `yaml:"service_name"`
}

var serviceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$`)

func (t *Tracing) validate(refuse func(name, format string, args ...any)) {
	if t.Endpoint != "" {
		if err := t.checkEndpoint(); err != "" {
			refuse("tracing.endpoint", "%q %s", t.Endpoint, err)
		}
	}
	absolute("tracing.headers_file", t.HeadersFile, refuse)
	absolute("tracing.ca_certificate", t.CACertificate, refuse)
	if !(t.SampleRatio >= 0 && t.SampleRatio <= 1) { // what is no number is refused too
		refuse("tracing.sample_ratio", "%v is not between 0 and 1", t.SampleRatio)
	}
	if !serviceName.MatchString(t.ServiceName) {
		refuse("tracing.service_name", "%q has other characters than letters, digits and ._/-, or more than 128", t.ServiceName)
	}
}

// checkEndpoint says what is wrong with the endpoint, "" for nothing.
func (t *Tracing) checkEndpoint() string {
	u, err := url.Parse(t.Endpoint)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return "is not an http or https address"
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "has more than a host and a path: what proves the sender goes into headers_file"
	case u.Scheme == "https" || Loopback(net.JoinHostPort(u.Hostname(), "0")):
		return ""
	case !t.Plain:
		return "is another machine's, and without TLS: plain lets it be"
	case t.HeadersFile != "":
		return "is another machine's, and without TLS: headers_file would go to whoever listens"
	}
	return ""
}
