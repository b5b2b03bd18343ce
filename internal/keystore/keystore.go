// Package keystore writes certificates, and keys that may leave, in the forms
// that servers load: PEM and DER in either order of the chain, PKCS #12 (also
// as Java's keytool wants it), and encrypted PKCS #8. It reads what their
// owners bring: certificates and unencrypted keys in PEM.
//
// Start with Bundle. The package decides nothing: who may have a key was
// decided where it was exported.
package keystore

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Bundle is a certificate with what belongs to it.
type Bundle struct {
	// Leaf is the certificate itself, in DER.
	Leaf []byte
	// Chain are its issuers in DER, the nearest first, up to and including the
	// root where that is known.
	Chain [][]byte
	// Key is the private key as unencrypted PKCS #8 in DER; nil without one.
	Key []byte
}

// Order is the order of certificates in one file.
type Order uint8

// The orders.
const (
	LeafFirst Order = iota // what TLS sends (RFC 8446 section 4.4.2)
	RootFirst              // what some appliances load
)

// Selection says which certificates of a bundle are written, and how.
type Selection struct {
	Order Order
	// WithoutLeaf leaves the leaf out: the issuers alone.
	WithoutLeaf bool
	// WithRoot keeps the root, which verifiers have already.
	WithRoot bool
}

// Certificates returns the bundle's certificates in DER as the selection wants
// them. The root is the last of the chain when it has issued itself.
func (b *Bundle) Certificates(s Selection) ([][]byte, error) {
	var list [][]byte
	if !s.WithoutLeaf {
		list = append(list, b.Leaf)
	}
	for i, der := range b.Chain {
		if i == len(b.Chain)-1 && !s.WithRoot {
			root, err := selfIssued(der)
			if err != nil {
				return nil, err
			}
			if root {
				break
			}
		}
		list = append(list, der)
	}
	if s.Order == RootFirst {
		for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
			list[i], list[j] = list[j], list[i]
		}
	}
	return list, nil
}

func selfIssued(der []byte) (bool, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return false, fmt.Errorf("reading a certificate of a chain: %w", err)
	}
	return bytes.Equal(c.RawSubject, c.RawIssuer), nil
}

// PEM returns the certificates of a selection in PEM (RFC 7468 section 5).
func (b *Bundle) PEM(s Selection) ([]byte, error) {
	list, err := b.Certificates(s)
	if err != nil {
		return nil, err
	}
	return CertificatesPEM(list), nil
}

const typeCertificate = "CERTIFICATE"

// CertificatesPEM returns certificates in DER as one PEM text.
func CertificatesPEM(list [][]byte) []byte {
	var out []byte
	for _, der := range list {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: typeCertificate, Bytes: der})...)
	}
	return out
}

// KeyPEM returns an unencrypted PKCS #8 key in PEM (RFC 7468 section 10). The
// result is as secret as the key: the caller overwrites it.
func KeyPEM(pkcs8 []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: typeKey, Bytes: pkcs8})
}

// parse reads a certificate, or says which one cannot be read.
func parse(what string, der []byte) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, &fault.Error{
			Kind: fault.InvalidArgument, Reason: fault.MalformedCertificate, Public: "the " + what + " is not an X.509 certificate", Err: err,
		}
	}
	return c, nil
}
