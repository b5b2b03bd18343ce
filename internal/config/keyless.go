package config

import (
	"net"
	"path/filepath"
	"strings"
)

// Keyless is the Keyless SSL key server (docs/keyless.md).
type Keyless struct {
	// Listen is the address of the key server, such as ":2407". Default: none; a
	// development server listens on a free port of the loopback interface.
	Listen string `yaml:"listen"`
	// Unix is the path of a Unix socket with the same, TLS too. Default: none.
	Unix string `yaml:"unix"`
	// Certificate and Key are PEM files; SIGHUP has them read again. Default: the
	// server's own certificate, as the API presents it.
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	// ClientCertificates is "required", or "optional" for clients that prove who
	// they are by an access key. Default: required.
	ClientCertificates string `yaml:"client_certificates"`
	// ClientCA is a PEM file with authorities whose clients' certificates may
	// connect, beside those of the authorities here; SIGHUP has it read again. Such
	// a certificate alone proves no user. Default: none.
	ClientCA string `yaml:"client_ca"`
	// MinimumTLS is "1.2" or "1.3". TLS 1.2 has the suites with ECDHE and AES-GCM
	// alone. Default: 1.2, for clients that have nothing better.
	MinimumTLS string `yaml:"minimum_tls"`
	// SealKey is the id or alias of the AES key of the operations seal and unseal.
	// Default: none, and nothing is sealed.
	SealKey string `yaml:"seal_key"`
	// MaxConnections open at one time. Default: 10000.
	MaxConnections int `yaml:"max_connections"`
	// InFlight are the requests of one connection that are not answered yet, and
	// Queue those of all connections that wait for a worker, of RSA and of the rest
	// each: no more are read. Default: 256 and 1024.
	InFlight int `yaml:"in_flight"`
	Queue    int `yaml:"queue"`
}

// On reports whether there is a key server.
func (k *Keyless) On() bool { return k.Listen != "" || k.Unix != "" }

// Required reports whether clients need a certificate.
func (k *Keyless) Required() bool { return k.ClientCertificates == KeylessRequired }

// The values of ClientCertificates.
const (
	KeylessRequired = "required"
	KeylessOptional = "optional"
)

// The longest path of a Unix socket, in bytes (unix(7): sun_path with its NUL).
const maxSocketPath = 107

func (k *Keyless) validate(refuse func(name, format string, args ...any)) {
	if k.Listen != "" {
		if _, err := net.ResolveTCPAddr("tcp", k.Listen); err != nil {
			refuse("keyless.listen", "%v", err)
		}
	}
	if k.Unix != "" && !filepath.IsAbs(k.Unix) || len(k.Unix) > maxSocketPath {
		refuse("keyless.unix", "%q is not an absolute path of at most %d bytes", k.Unix, maxSocketPath)
	}
	if (k.Certificate == "") != (k.Key == "") {
		refuse("keyless", "certificate and key go together")
	}
	absolute("keyless.certificate", k.Certificate, refuse)
	absolute("keyless.key", k.Key, refuse)
	absolute("keyless.client_ca", k.ClientCA, refuse)
	if strings.ContainsAny(k.SealKey, " \t\r\n") {
		refuse("keyless.seal_key", "%q is no key's id or alias", k.SealKey)
	}
}
