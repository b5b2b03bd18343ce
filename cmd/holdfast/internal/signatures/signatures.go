// Package signatures has the nouns jws and cms: signatures by keys, wherever
// they are, in the formats of JSON Object Signing and of PKCS #7.
//
// The package is internal and may change with any release.
package signatures

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/terminal"
)

const (
	// maxMessage is the longest message that is read as a whole, in bytes.
	// Detached contents have no limit.
	maxMessage = 64 << 20
	// maxFile is the longest file with keys or certificates that is read.
	maxFile = 4 << 20
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// NewJWS returns `holdfast jws`.
func NewJWS(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group("jws", "Sign and verify JSON Web Signatures, with keys anywhere", a.jwsSign(), a.jwsVerify()))
}

// NewCMS returns `holdfast cms`.
func NewCMS(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group("cms", "Sign and verify CMS (PKCS #7) messages, with keys anywhere", a.cmsSign(), a.cmsVerify()))
}

// certificates reads all certificates of a file, in PEM or in DER.
func (a *app) certificates(path string) ([]*x509.Certificate, error) {
	data, err := a.Read(path, maxFile)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(data); block == nil {
		return x509.ParseCertificates(data)
	}
	var all []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no certificate", path)
	}
	return all, nil
}

// roots reads the certificates to trust; without a file those of the system,
// which is nil.
func (a *app) roots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	all, err := a.certificates(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, c := range all {
		pool.AddCert(c)
	}
	return pool, nil
}

// leafFirst returns a chain with the certificate of the key at its begin.
func leafFirst(all []*x509.Certificate, public crypto.PublicKey) ([]*x509.Certificate, error) {
	for i, c := range all {
		if k, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); ok && k.Equal(public) {
			chain := append([]*x509.Certificate{c}, all[:i]...)
			return append(chain, all[i+1:]...), nil
		}
	}
	return nil, fmt.Errorf("none of the %d certificates is for the key", len(all))
}

// hashes are the hashes by their names.
func hashes() map[string]crypto.Hash {
	return map[string]crypto.Hash{"sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}
}
