// Package certificate is the server's own certificate: the configured one, or one
// that it makes itself.
//
// Start with Open.
package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/durable"

	"github.com/holdfast-kms/holdfast/internal/config"
)

// Files of the self-made server certificate, under the data directory.
const (
	folder     = "tls"
	caCertFile = "ca.pem"
	caKeyFile  = "ca.key"
	certFile   = "server.pem"
	keyFile    = "server.key"
)

// How long self-made certificates last, and how long before its end the
// server's one is made anew at start.
const (
	selfCALife  = 10 * 365 * 24 * time.Hour
	selfLife    = 397 * 24 * time.Hour
	selfRenewal = 60 * 24 * time.Hour
)

// Identity is the server's certificate, which can be read again while it
// serves.
type Identity struct {
	certificate, key string
	current          atomic.Pointer[tls.Certificate]
}

// Reload reads the certificate's files.
func (t *Identity) Reload() error {
	c, err := tls.LoadX509KeyPair(t.certificate, t.key)
	if err != nil {
		return fmt.Errorf("reading the server's certificate: %w", err)
	}
	t.current.Store(&c)
	return nil
}

// End returns when the certificate ends that is presented, the zero time for
// none.
func (t *Identity) End() time.Time {
	if c := t.current.Load(); c != nil && c.Leaf != nil {
		return c.Leaf.NotAfter
	}
	return time.Time{}
}

// Current returns the certificate.
func (t *Identity) Current() *tls.Certificate { return t.current.Load() }

// Config returns what a listener needs: TLS 1.2 and up, HTTP/2 offered. A
// client may present a certificate; whom that proves is asked with each
// request, of the one API that takes certificates.
func (t *Identity) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, ClientAuth: tls.RequestClientCert,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return t.current.Load(), nil },
	}
}

// Open returns the configured certificate, or a self-made one.
func Open(c *config.Config) (*Identity, error) {
	t := &Identity{certificate: c.TLS.Certificate, key: c.TLS.Key}
	if t.certificate == "" {
		dir := filepath.Join(c.Data, folder)
		t.certificate, t.key = filepath.Join(dir, certFile), filepath.Join(dir, keyFile)
		if err := selfMade(dir, append([]string{"localhost", "127.0.0.1", "::1"}, c.TLS.Names...)); err != nil {
			return nil, fmt.Errorf("making a certificate for the server: %w", err)
		}
	}
	return t, t.Reload()
}

// CA returns the path of the CA certificate under which a server's self-made
// certificate stands, for its clients to trust.
func CA(c *config.Config) string { return filepath.Join(c.Data, folder, caCertFile) }

// selfMade makes a CA and a server certificate in dir, unless they are there
// and good for a while.
func selfMade(dir string, names []string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if stillGood(dir, names) {
		return nil
	}
	ca, caKey, err := selfMadeCA(dir)
	if err != nil {
		return err
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template, err := certificateTemplate("Holdfast server", selfLife)
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, private.Public(), caKey)
	if err != nil {
		return err
	}
	return writePair(filepath.Join(dir, certFile), filepath.Join(dir, keyFile), der, private)
}

// stillGood reports whether the server's certificate in dir is of the key and
// of the CA there (a start that was interrupted may have replaced one of
// them), names all of names and is not near its end.
func stillGood(dir string, names []string) bool {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, certFile), filepath.Join(dir, keyFile))
	if err != nil {
		return false
	}
	ca, err := tls.LoadX509KeyPair(filepath.Join(dir, caCertFile), filepath.Join(dir, caKeyFile))
	if err != nil {
		return false
	}
	c := pair.Leaf
	if c.CheckSignatureFrom(ca.Leaf) != nil || time.Until(c.NotAfter) < selfRenewal {
		return false
	}
	for _, name := range names {
		if c.VerifyHostname(name) != nil {
			return false
		}
	}
	return true
}

// selfMadeCA returns the CA in dir, which it makes at first.
func selfMadeCA(dir string) (*x509.Certificate, crypto.Signer, error) {
	certPath, keyPath := filepath.Join(dir, caCertFile), filepath.Join(dir, caKeyFile)
	if pair, err := tls.LoadX509KeyPair(certPath, keyPath); err == nil {
		return pair.Leaf, pair.PrivateKey.(crypto.Signer), nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, nil, err
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template, err := certificateTemplate("Holdfast self-made server CA", selfCALife)
	if err != nil {
		return nil, nil, err
	}
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	if err := writePair(certPath, keyPath, der, private); err != nil {
		return nil, nil, err
	}
	ca, err := x509.ParseCertificate(der)
	return ca, private, err
}

func certificateTemplate(name string, life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(life),
	}, nil
}

func writePair(certPath, keyPath string, der []byte, private crypto.Signer) error {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(keyPath, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600); err != nil {
		return err
	}
	return durable.WriteFile(certPath, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}
