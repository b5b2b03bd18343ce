package setting

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"strings"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/edge/certificate"
	"github.com/holdfast-kms/holdfast/keyless"
)

// maxSecret bounds a file with a secret, in bytes.
const maxSecret = 4 << 10

// secret reads the secret of an access key, "" where there is none.
func (c *Credential) secret() (string, error) {
	if c.SecretAccessKeyFile == "" {
		return "", nil
	}
	text, err := config.ReadFile(c.SecretAccessKeyFile, maxSecret)
	if err != nil {
		return "", fmt.Errorf("reading a secret: %w", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// Connect returns a client of the key servers, which connects when it is used;
// nil where there are none.
func (k *KeyServers) Connect(log *slog.Logger) (*keyless.Client, error) {
	if len(k.Servers) == 0 {
		return nil, nil
	}
	secret, err := k.secret()
	if err != nil {
		return nil, err
	}
	c := keyless.Config{
		Servers: k.Servers, Connections: k.Connections, Timeout: k.Timeout, AccessKeyID: k.AccessKeyID, SecretAccessKey: secret, Region: k.Region, Log: log,
	}
	if !k.Plain {
		if c.TLS, err = k.tls(); err != nil {
			return nil, err
		}
	}
	return keyless.New(c)
}

// tls returns how key servers are reached.
func (k *KeyServers) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: k.ServerName}
	if k.CA != "" {
		pool, err := ReadPool(k.CA)
		if err != nil {
			return nil, err
		}
		config.RootCAs = pool
	}
	if k.ClientCertificate == "" {
		return config, nil
	}
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(k.ClientCertificate, k.ClientKey)
		if err != nil {
			return nil, fmt.Errorf("reading the client's certificate: %w", err)
		}
		return &pair, nil
	}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	_, err := load() // now, so that a mistake shows at once
	return config, err
}

// Connect returns a client of the Holdfast server, nil where there is none.
func (h *Holdfast) Connect(userAgent string) (certificate.Managed, error) {
	if h.URL == "" {
		return nil, nil
	}
	secret, err := h.secret()
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{
		Address: h.URL, CACert: h.CA, Region: h.Region, Timeout: h.Timeout, UserAgent: userAgent,
		ClientCertificate: h.ClientCertificate, ClientKey: h.ClientKey, AccessKeyID: h.AccessKeyID, SecretAccessKey: secret,
	})
}

// maxTrust bounds a file with certificates to trust, in bytes.
const maxTrust = 1 << 20

// ReadPool reads certificates to trust.
func ReadPool(path string) (*x509.CertPool, error) {
	text, err := config.ReadFile(path, maxTrust)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("the file %s has no certificate in PEM", path)
	}
	return pool, nil
}
