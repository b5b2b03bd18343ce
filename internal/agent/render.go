package agent

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/keystore"
)

// The formats of files, and the contents of those in PEM.
const (
	formatPEM    = "pem"
	formatPKCS12 = "pkcs12"
	formatJKS    = "jks"

	contentCert      = "cert"
	contentChain     = "chain"
	contentFullchain = "fullchain"
	contentKey       = "key"
	contentBundle    = "bundle"
)

func contents() []string {
	return []string{contentCert, contentChain, contentFullchain, contentKey, contentBundle}
}

// secret reports whether the file has the key.
func (f *File) secret() bool {
	return f.Format != formatPEM || f.Content == contentKey || f.Content == contentBundle
}

// needsKey reports whether any of the certificate's files has the key.
func (c *Certificate) needsKey() bool {
	return slices.ContainsFunc(c.Files, func(f File) bool { return f.secret() })
}

// material is a certificate with what belongs to it.
type material struct {
	keystore.Bundle
	leaf *x509.Certificate
}

// newMaterial returns a certificate with its chain and key, all in DER; key may
// be nil. A key of another certificate is refused: a pair that does not match
// is never written.
func newMaterial(leaf []byte, chain [][]byte, key []byte) (*material, error) {
	parsed, err := x509.ParseCertificate(leaf)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	if key != nil {
		private, err := x509.ParsePKCS8PrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("reading the certificate's key: %w", err)
		}
		public, compares := parsed.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
		signer, signs := private.(crypto.Signer)
		if !compares || !signs || !public.Equal(signer.Public()) {
			return nil, errors.New("the key is not the certificate's")
		}
	}
	return &material{keystore.Bundle{Leaf: leaf, Chain: chain, Key: key}, parsed}, nil
}

// serial is the certificate's serial number as the server writes it.
func (m *material) serial() string { return cert.SerialText(m.leaf.SerialNumber) }

// print is the SHA-256 of the certificate in hex.
func (m *material) print() string { return hashOf(m.Leaf) }

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// usable refuses a certificate that is not valid at a time, or not for the
// name that the check asks for: it is not even installed.
func (m *material) usable(now time.Time, k *Check) error {
	if now.After(m.leaf.NotAfter) {
		return fmt.Errorf("the certificate expired at %s", m.leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	if k == nil {
		return nil
	}
	if err := m.leaf.VerifyHostname(k.ServerName); err != nil {
		return fmt.Errorf("the certificate is not for the server that is checked: %w", err)
	}
	return nil
}

// encode returns all of it as one PEM text.
func (m *material) encode() []byte {
	var out []byte
	if m.Key != nil {
		out = keystore.KeyPEM(m.Key)
	}
	return append(out, keystore.CertificatesPEM(append([][]byte{m.Leaf}, m.Chain...))...)
}

// decodeMaterial reads what encode wrote.
func decodeMaterial(text []byte) (*material, error) {
	var key []byte
	var list [][]byte
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		if block.Type == "PRIVATE KEY" && key == nil && list == nil {
			key = block.Bytes
			continue
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("a kept certificate has a block of type %q", block.Type)
		}
		list = append(list, block.Bytes)
	}
	if len(list) == 0 || len(bytes.TrimSpace(text)) > 0 {
		return nil, errors.New("a kept certificate cannot be read")
	}
	return newMaterial(list[0], list[1:], key)
}

// render returns a file's content.
func (m *material) render(f *File) ([]byte, error) {
	switch f.Format {
	case formatPKCS12, formatJKS:
		return m.store(f)
	}
	var out []byte
	if f.secret() {
		if m.Key == nil {
			return nil, errors.New("the certificate's key is not here")
		}
		out = keystore.KeyPEM(m.Key)
		if f.Content == contentKey {
			return out, nil
		}
	}
	list, err := m.PEM(keystore.Selection{WithoutLeaf: f.Content == contentChain})
	if f.Content == contentCert {
		list = keystore.CertificatesPEM([][]byte{m.Leaf})
	}
	return append(out, list...), err
}

// store returns the content of a key store.
func (m *material) store(f *File) ([]byte, error) {
	if m.Key == nil {
		return nil, errors.New("the certificate's key is not here")
	}
	password, err := ReadSecret(f.PasswordFile)
	if err != nil {
		return nil, fmt.Errorf("reading a key store's password: %w", err)
	}
	if f.Format == formatJKS {
		return m.JKS(f.Alias, string(password))
	}
	protection, err := keystore.ParseProtection(f.Protection)
	if err != nil {
		return nil, err
	}
	return m.PKCS12(string(password), protection)
}

// maxSecret is the longest secret that is read from a file, in bytes.
const maxSecret = 4 << 10

// ReadSecret reads a file without the line break at its end.
func ReadSecret(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return nil, err
	}
	if text = bytes.TrimRight(text, "\r\n"); len(text) == 0 || len(text) > maxSecret {
		return nil, fmt.Errorf("%s is empty, or longer than %d bytes", path, maxSecret)
	}
	return text, nil
}
