package holdfast

import (
	"bytes"
	"crypto"
	"crypto/x509"

	"github.com/holdfast-kms/holdfast/internal/engine"
)

// PublicKey is a public key of a type that Go's standard library does not have:
// of secp256k1 and of ML-DSA.
type PublicKey struct{ key *engine.PublicKey }

// Spec returns the key's type and size, such as "ml-dsa-65".
func (p *PublicKey) Spec() string { return p.key.Spec().String() }

// DER returns the SubjectPublicKeyInfo (RFC 9881 for ML-DSA).
func (p *PublicKey) DER() []byte { return bytes.Clone(p.key.SPKI()) }

// Equal reports whether x is the same key.
func (p *PublicKey) Equal(x crypto.PublicKey) bool {
	other, ok := x.(*PublicKey)
	return ok && bytes.Equal(p.key.SPKI(), other.key.SPKI())
}

// ParsePublicKey reads a SubjectPublicKeyInfo in DER, as Key.Public has it.
func ParsePublicKey(der []byte) (crypto.PublicKey, error) {
	p, err := engine.ParseForeign(der)
	if err != nil {
		return nil, failed("reading a public key", "", err)
	}
	return publicOf(p), nil
}

// publicOf returns a public key as this package shows it.
func publicOf(p *engine.PublicKey) crypto.PublicKey {
	if _, err := x509.MarshalPKIXPublicKey(p.Key()); err != nil {
		return &PublicKey{p}
	}
	return p.Key()
}

// publicDER returns the SubjectPublicKeyInfo of a key that publicOf returned, or
// that the standard library knows.
func publicDER(public crypto.PublicKey) ([]byte, error) {
	switch p := public.(type) {
	case *PublicKey:
		return p.DER(), nil
	case *Key:
		return p.PublicDER(), nil
	}
	return x509.MarshalPKIXPublicKey(public)
}

// parsePublic reads a public key of any type.
func parsePublic(public crypto.PublicKey) (*engine.PublicKey, error) {
	if p, ok := public.(*PublicKey); ok {
		return p.key, nil
	}
	der, err := publicDER(public)
	if err != nil {
		return nil, &Error{Kind: Unsupported, Detail: "the public key is of a type that is not known here", Err: err}
	}
	return engine.ParseForeign(der)
}
