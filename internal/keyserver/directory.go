package keyserver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// Limits of a directory of keys.
const (
	maxFiles = 100_000
	maxFile  = 64 << 10 // bytes
)

// openDir opens the keys in a directory, and takes up the certificates beside
// them: a client that names a server, or a certificate, finds its key by those.
func (s *Set) openDir(ctx context.Context, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("reading the directory of keys: %w", err)
	}
	if len(entries) > maxFiles {
		return fault.New(fault.LimitExceeded, "%s has more than %d files", dir, maxFiles)
	}
	var certificates []*x509.Certificate
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		ext := strings.ToLower(filepath.Ext(path))
		if e.IsDir() || ext != ".key" && ext != ".pem" && ext != ".crt" {
			continue
		}
		text, err := config.ReadFile(path, maxFile)
		if err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		certificates = append(certificates, certificatesIn(text)...)
		private := bytes.Contains(text, []byte("PRIVATE KEY-----"))
		clear(text)
		if ext == ".key" || private {
			if err := s.openFile(ctx, path); err != nil {
				return err
			}
		}
	}
	for _, c := range certificates {
		s.certify(c)
	}
	return nil
}

// certificatesIn returns the certificates of a PEM text.
func certificatesIn(text []byte) []*x509.Certificate {
	var list []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if c, err := x509.ParseCertificate(block.Bytes); block.Type == "CERTIFICATE" && err == nil {
			list = append(list, c)
		}
	}
	return list
}

// certify takes up a certificate of a key that is served.
func (s *Set) certify(c *x509.Certificate) {
	ski, err := wire.SKIOf(c.RawSubjectPublicKeyInfo)
	k, ok := s.bySKI[ski]
	if err != nil || !ok {
		return
	}
	for _, name := range c.DNSNames {
		name = strings.ToLower(name)
		s.byServer[name] = append(s.byServer[name], k)
	}
	sum := sha256.Sum256(c.Raw)
	s.byID[hex.EncodeToString(sum[:])] = k
}

// find returns the key that a request names: by the first of its names that one
// has, and that has keys of the operation's type.
func (s *Set) find(o *wire.Operation, fits func(*Key) bool) *Key {
	if len(o.SKI) == wire.SKISize {
		if k, ok := s.bySKI[[wire.SKISize]byte(o.SKI)]; ok {
			return k
		}
	}
	if len(o.Digest) == sha256.Size {
		if k, ok := s.byDigest[[sha256.Size]byte(o.Digest)]; ok {
			return k
		}
	}
	if k, ok := s.byID[strings.ToLower(string(o.CertID))]; ok {
		return k
	}
	server := strings.ToLower(strings.TrimSuffix(string(o.SNI), "."))
	_, domain, _ := strings.Cut(server, ".")
	for _, name := range []string{server, "*." + domain} {
		for _, k := range s.byServer[name] {
			if fits(k) {
				return k
			}
		}
	}
	return nil
}
