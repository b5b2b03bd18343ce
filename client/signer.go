package client

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
)

// Signer is a crypto.Signer, and a crypto.MessageSigner, whose private key
// stays in Holdfast: ECDSA over P-256, P-384 and P-521 with the hash of the
// curve's size, RSA (PKCS #1 v1.5 and PSS with SHA-256, -384 or -512),
// Ed25519 and Ed25519ph. It may be used by many goroutines at once.
type Signer struct {
	client *Client
	id     string
	public crypto.PublicKey
}

var (
	_ crypto.Signer        = (*Signer)(nil)
	_ crypto.MessageSigner = (*Signer)(nil)
)

// Signer returns a signer over the key that an id, alias or ARN names. An
// alias is resolved now: the signer stays with the key.
func (c *Client) Signer(ctx context.Context, key string) (*Signer, error) {
	p, err := c.PublicKey(ctx, key)
	if err != nil {
		return nil, err
	}
	public, err := x509.ParsePKIXPublicKey(p.SPKI)
	if err != nil {
		return nil, fmt.Errorf("the public key of %s (%s) is not of a kind that signers have: %w", key, p.Spec, err)
	}
	if p.Usage != "SIGN_VERIFY" {
		return nil, fmt.Errorf("the key %s is for %s: it does not sign", key, p.Usage)
	}
	return &Signer{client: c, id: p.KeyID, public: public}, nil
}

// KeyID returns the key's id.
func (s *Signer) KeyID() string { return s.id }

// Public returns the public key.
func (s *Signer) Public() crypto.PublicKey { return s.public }

// Sign signs a digest, or with pure Ed25519 the message. The random source is
// not used: the server has its own. The request is bounded by the client's
// Timeout; SignContext takes a context.
func (s *Signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.SignContext(context.Background(), digest, opts)
}

// SignMessage signs a message of any length, which it hashes as opts say.
func (s *Signer) SignMessage(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if h := opts.HashFunc(); h != 0 {
		if !h.Available() {
			return nil, fmt.Errorf("the hash %s is not linked into this program", h)
		}
		w := h.New()
		w.Write(message)
		message = w.Sum(nil)
	}
	return s.Sign(nil, message, opts)
}

// SignContext is Sign with a context.
func (s *Signer) SignContext(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	algorithm, form, err := algorithmFor(s.public, opts)
	if err != nil {
		return nil, err
	}
	if h := opts.HashFunc(); h != 0 && len(digest) != h.Size() {
		return nil, fmt.Errorf("the digest has %d bytes, and %s makes %d", len(digest), h, h.Size())
	}
	sig, err := s.client.Sign(ctx, s.id, &SignRequest{Algorithm: algorithm, Form: form, Message: digest})
	if err != nil {
		return nil, err
	}
	return sig.Signature, nil
}

// Certificate returns what a TLS server or client presents: the certificates
// in PEM, the leaf first, with the signer as their private key.
func (s *Signer) Certificate(chainPEM []byte) (tls.Certificate, error) {
	cert := tls.Certificate{PrivateKey: s}
	for block, rest := pem.Decode(chainPEM); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			cert.Certificate = append(cert.Certificate, block.Bytes)
		}
	}
	if len(cert.Certificate) == 0 {
		return cert, errors.New("the chain has no certificate in PEM")
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return cert, fmt.Errorf("reading the certificate: %w", err)
	}
	public, ok := s.public.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(leaf.PublicKey) {
		return cert, fmt.Errorf("the certificate of %s is not for the key %s", leaf.Subject, s.id)
	}
	cert.Leaf = leaf
	return cert, nil
}

// algorithmFor returns the algorithm that a public key and options ask for,
// and the form in which it wants the message.
func algorithmFor(public crypto.PublicKey, opts crypto.SignerOpts) (algorithm, form string, err error) {
	suffix, known := map[crypto.Hash]string{
		crypto.SHA256: "SHA_256", crypto.SHA384: "SHA_384", crypto.SHA512: "SHA_512",
	}[opts.HashFunc()]
	switch public.(type) {
	case ed25519.PublicKey:
		return edwards(opts)
	case *ecdsa.PublicKey:
		algorithm = "ECDSA_" + suffix
	case *rsa.PublicKey:
		algorithm = "RSASSA_PKCS1_V1_5_" + suffix
		if pss, ok := opts.(*rsa.PSSOptions); ok {
			algorithm = "RSASSA_PSS_" + suffix
			if err := checkSalt(pss); err != nil {
				return "", "", err
			}
		}
	default:
		return "", "", fmt.Errorf("keys of the type %T do not sign here", public)
	}
	if !known {
		return "", "", fmt.Errorf("the hash %s is not supported: use SHA-256, SHA-384 or SHA-512", opts.HashFunc())
	}
	return algorithm, "DIGEST", nil
}

// edwards chooses between Ed25519 and Ed25519ph (RFC 8032 section 5.1).
func edwards(opts crypto.SignerOpts) (algorithm, form string, err error) {
	if o, ok := opts.(*ed25519.Options); ok && o.Context != "" {
		return "", "", errors.New("Ed25519 with a context is not supported")
	}
	if opts.HashFunc() == 0 {
		return "ED25519_SHA_512", "RAW", nil
	}
	if opts.HashFunc() == crypto.SHA512 {
		return "ED25519_PH_SHA_512", "DIGEST", nil
	}
	return "", "", errors.New("Ed25519 signs the message itself, or with Ed25519ph a SHA-512 digest")
}

// checkSalt refuses salts of another length than the hash's. Auto is taken:
// whoever verifies with Auto accepts every length.
func checkSalt(o *rsa.PSSOptions) error {
	switch o.SaltLength {
	case rsa.PSSSaltLengthAuto, rsa.PSSSaltLengthEqualsHash, o.HashFunc().Size():
		return nil
	}
	return fmt.Errorf("a PSS salt of %d bytes is not supported: it is as long as the hash", o.SaltLength)
}
