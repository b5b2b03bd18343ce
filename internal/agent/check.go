package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// The time that one connection may take, and the pauses between them.
const (
	dialTimeout = 5 * time.Second
	firstPause  = 50 * time.Millisecond
	mostPause   = time.Second
)

// meet returns nil once the server presents the certificate, or within the
// time of the check why it does not.
func (k *Check) meet(ctx context.Context, want *x509.Certificate) error {
	roots, err := k.roots()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(k.Within))
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		err := k.once(ctx, want, roots)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not present the new certificate: %w", k.Address, err)
		case <-time.After(pause):
		}
	}
}

// roots are those that the chain has to lead to, nil for none.
func (k *Check) roots() (*x509.CertPool, error) {
	if k.CA == "" {
		return nil, nil //nolint:nilnil // no roots: the chain is not verified
	}
	text, err := os.ReadFile(k.CA)
	if err != nil {
		return nil, fmt.Errorf("reading the roots of the check: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("the file %s has no certificate in PEM", k.CA)
	}
	return pool, nil
}

// once connects one time and looks at what is presented. That is known before
// the handshake ends: a server that wants a client's certificate is met too.
func (k *Check) once(ctx context.Context, want *x509.Certificate, roots *x509.CertPool) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	seen, met := false, error(nil)
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout}, Config: &tls.Config{
		ServerName: k.ServerName, MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // the question is whether this very certificate is there; VerifyConnection asks it
		VerifyConnection: func(s tls.ConnectionState) error {
			seen, met = true, k.compare(s.PeerCertificates, want, roots)
			return nil
		},
	}}
	c, err := dialer.DialContext(ctx, "tcp", k.Address)
	if err == nil {
		err = c.Close()
	}
	if seen {
		return met
	}
	return err
}

// compare reports in what the served certificates are not those wanted.
func (k *Check) compare(served []*x509.Certificate, want *x509.Certificate, roots *x509.CertPool) error {
	if len(served) == 0 {
		return errors.New("it presents no certificate")
	}
	leaf := served[0]
	if !bytes.Equal(leaf.Raw, want.Raw) {
		return fmt.Errorf("it presents another one, of serial number %x", leaf.SerialNumber)
	}
	if roots == nil {
		return nil
	}
	between := x509.NewCertPool()
	for _, c := range served[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		DNSName: k.ServerName, Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err
}
