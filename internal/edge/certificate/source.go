package certificate

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/keyless"
)

// maxFile bounds a file with certificates or a key, in bytes.
const maxFile = 1 << 20

// Setting is a certificate in a configuration. A field's comment has its default.
type Setting struct {
	// File has the certificate with its issuers, in PEM.
	File string `yaml:"file"`
	// Managed is the id of a managed certificate of the Holdfast server.
	Managed string `yaml:"managed"`
	// KeyFile is a private key in PEM, which the edge then has itself. Default:
	// none, the key is on the key servers.
	KeyFile string `yaml:"key_file"`
	// Staple is auto (where the certificate names a responder), off, or an URL of
	// a responder. Default: auto.
	Staple string `yaml:"staple"`
}

// What Setting.Staple is, beside an URL.
const (
	StapleAuto = "auto"
	StapleOff  = "off"
)

// Load reads a certificate of a file once, and checks that it is valid now.
func Load(ctx context.Context, s Setting, keys *keyless.Client) (*tls.Certificate, error) {
	c, err := (&source{Setting: s, keys: keys}).load(ctx, true)
	if err != nil {
		return nil, err
	}
	return c, current(c, time.Now())
}

// Managed is what managed certificates are asked of. *client.Client is one.
type Managed interface {
	Managed(ctx context.Context, id string) (*client.Managed, error)
}

// source is where a certificate comes from.
type source struct {
	Setting
	keys    *keyless.Client
	managed Managed // may be nil, as keys
	stamp   string  // of what was loaded last; "" before
}

// load returns the certificate when it is another one than the last time, or
// nil. With force files are read also when they look the same.
func (s *source) load(ctx context.Context, force bool) (*tls.Certificate, error) {
	text, stamp, err := s.read(ctx, force)
	if err != nil || text == nil {
		return nil, err
	}
	c, err := s.certificate(text)
	if err != nil {
		return nil, err
	}
	s.stamp = stamp
	return c, nil
}

// read returns the chain in PEM, nil when it is the one of before.
func (s *source) read(ctx context.Context, force bool) (text []byte, stamp string, err error) {
	if s.Managed != "" && s.managed == nil {
		return nil, "", errors.New("there was no Holdfast server when the edge was started: start it again")
	}
	if s.Managed != "" {
		m, err := s.managed.Managed(ctx, s.Managed)
		if err != nil {
			return nil, "", fmt.Errorf("asking for the managed certificate: %w", err)
		}
		if m.State != "issued" {
			return nil, "", fmt.Errorf("the managed certificate is %s", m.State)
		}
		if m.Serial == s.stamp {
			return nil, "", nil
		}
		return []byte(m.Certificate + "\n" + m.Chain), m.Serial, nil
	}
	for _, path := range []string{s.File, s.KeyFile} {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, "", err
		}
		stamp += fmt.Sprintf("%s %d;", info.ModTime().Format(time.RFC3339Nano), info.Size())
	}
	if stamp == s.stamp && !force {
		return nil, "", nil
	}
	text, err = config.ReadFile(s.File, maxFile)
	return text, stamp, err
}

// certificate puts the chain and the key together.
func (s *source) certificate(chain []byte) (*tls.Certificate, error) {
	if s.KeyFile == "" && s.keys == nil {
		return nil, errors.New("there was no key server when the edge was started: start it again")
	}
	if s.KeyFile == "" {
		c, err := s.keys.Certificate(chain)
		return &c, err
	}
	key, err := config.ReadFile(s.KeyFile, maxFile)
	if err != nil {
		return nil, err
	}
	c, err := tls.X509KeyPair(chain, key)
	clear(key)
	return &c, err
}

// issuerOf returns the issuer in a certificate's chain, nil where that is not
// there.
func issuerOf(c *tls.Certificate) (*x509.Certificate, error) {
	if len(c.Certificate) < 2 {
		return nil, nil
	}
	issuer, err := x509.ParseCertificate(c.Certificate[1])
	if err != nil {
		return nil, fmt.Errorf("reading the issuer's certificate: %w", err)
	}
	return issuer, nil
}

// try signs with a certificate's key: a certificate of which nobody has the key
// is not to take the place of one that works.
func try(ctx context.Context, c *tls.Certificate) error {
	k, ok := c.PrivateKey.(interface {
		SignContext(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error)
	})
	if !ok {
		return nil // a key of the edge's own, which was compared with the certificate
	}
	var opts crypto.SignerOpts = crypto.SHA256
	if c.Leaf.PublicKeyAlgorithm == x509.Ed25519 {
		opts = crypto.Hash(0)
	}
	_, err := k.SignContext(ctx, make([]byte, crypto.SHA256.Size()), opts)
	return err
}

// current checks the times of a certificate.
func current(c *tls.Certificate, now time.Time) error {
	if now.Before(c.Leaf.NotBefore) {
		return fmt.Errorf("the certificate begins only on %s", c.Leaf.NotBefore.Format(time.RFC3339))
	}
	if now.After(c.Leaf.NotAfter) {
		return errors.New("the certificate has ended")
	}
	return nil
}
