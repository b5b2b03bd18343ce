package keyless

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
	"net"
	"net/netip"

	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// Key is a key on the servers: a crypto.Signer and a crypto.MessageSigner.
// Decrypter gives the crypto.Decrypter of an RSA key: crypto/tls takes every key
// that is one for an RSA key. It may be used by many goroutines at once.
type Key struct {
	client *Client
	public crypto.PublicKey
	ski    [wire.SKISize]byte
	about  Request // what the servers are told
	// handshake is what the operations end with, of a key that
	// ForHandshake made: its interfaces take no context.
	handshake context.Context //nolint:containedctx // see above
}

var (
	_ crypto.Signer        = (*Key)(nil)
	_ crypto.MessageSigner = (*Key)(nil)
	_ crypto.Signer        = (*DecryptionKey)(nil)
	_ crypto.Decrypter     = (*DecryptionKey)(nil)
)

// DecryptionKey is an RSA key on the servers, which decrypts and signs.
type DecryptionKey struct{ *Key }

// Key returns the private key of an RSA, ECDSA (P-224 to P-521) or Ed25519
// public key. Whether a server has it shows with the first operation.
func (c *Client) Key(public crypto.PublicKey) (*Key, error) {
	switch public.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return nil, fmt.Errorf("keyless: the protocol has no keys of the type %T", public)
	}
	ski, err := wire.SKI(public)
	if err != nil {
		return nil, fmt.Errorf("keyless: naming the key: %w", err)
	}
	return &Key{client: c, public: public, ski: ski, handshake: context.Background()}, nil
}

// Certificate returns what a TLS server presents: the certificates in PEM, the
// leaf first, with the key that stays on the servers.
func (c *Client) Certificate(chainPEM []byte) (tls.Certificate, error) {
	var out tls.Certificate
	for block, rest := pem.Decode(chainPEM); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			out.Certificate = append(out.Certificate, block.Bytes)
		}
	}
	if len(out.Certificate) == 0 {
		return out, errors.New("keyless: the chain has no certificate in PEM")
	}
	leaf, err := x509.ParseCertificate(out.Certificate[0])
	if err != nil {
		return out, fmt.Errorf("keyless: reading the certificate: %w", err)
	}
	key, err := c.Key(leaf.PublicKey)
	if err != nil {
		return out, err
	}
	out.Leaf, out.PrivateKey = leaf, key
	if d, err := key.Decrypter(); err == nil {
		out.PrivateKey = d // for RSA key exchange, where somebody still has that
	}
	return out, nil
}

// ForHandshake returns a certificate of Client.Certificate for one handshake:
// the operations of its key end with the handshake, and the key servers, which
// may record it, are told the name and the address of the TLS client. It is for
// tls.Config.GetCertificate. A certificate with another key stays as it is.
func ForHandshake(c *tls.Certificate, hello *tls.ClientHelloInfo) *tls.Certificate {
	scoped := *c
	switch k := c.PrivateKey.(type) {
	case *Key:
		scoped.PrivateKey = k.during(hello)
	case *DecryptionKey:
		scoped.PrivateKey = &DecryptionKey{k.during(hello)}
	default:
		return c
	}
	return &scoped
}

func (k *Key) during(hello *tls.ClientHelloInfo) *Key {
	scoped := *k
	scoped.handshake = hello.Context()
	scoped.about.ServerName = hello.ServerName
	if hello.Conn != nil {
		scoped.about.ClientIP, scoped.about.ServerIP = ip(hello.Conn.RemoteAddr()), ip(hello.Conn.LocalAddr())
	}
	return &scoped
}

// ip returns the address of a peer over TCP.
func ip(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().WithZone("")
	}
	return netip.Addr{}
}

// Public returns the public key.
func (k *Key) Public() crypto.PublicKey { return k.public }

// Sign signs a digest, or with Ed25519 the message. The random source is not
// used: the servers have their own. It takes as long as the client's Timeout.
func (k *Key) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.SignContext(k.handshake, digest, opts)
}

// SignContext is Sign, as long as ctx lasts.
func (k *Key) SignContext(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	r := k.request(digest, opts)
	return k.client.Sign(ctx, &r)
}

// SignMessage signs a message of any length, which it hashes as opts say.
func (k *Key) SignMessage(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if h := opts.HashFunc(); h != 0 {
		if !h.Available() {
			return nil, fmt.Errorf("keyless: the hash %s is not linked into this program", h)
		}
		w := h.New()
		w.Write(message)
		message = w.Sum(nil)
	}
	return k.SignContext(k.handshake, message, opts)
}

// Decrypter returns the key as one that decrypts. Only RSA keys do.
func (k *Key) Decrypter() (*DecryptionKey, error) {
	if _, ok := k.public.(*rsa.PublicKey); !ok {
		return nil, errNotRSA
	}
	return &DecryptionKey{k}, nil
}

var errNotRSA = errors.New("keyless: only RSA keys decrypt")

// Decrypt decrypts; see Client.Decrypt for the options. The random source is
// not used.
func (k *DecryptionKey) Decrypt(_ io.Reader, ciphertext []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	return k.DecryptContext(k.handshake, ciphertext, opts)
}

// DecryptContext decrypts with an RSA key, as long as ctx lasts; see
// Client.Decrypt for the options.
func (k *Key) DecryptContext(ctx context.Context, ciphertext []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	r := k.request(ciphertext, opts)
	return k.client.Decrypt(ctx, &r)
}

func (k *Key) request(input []byte, options any) Request {
	r := k.about
	r.Key, r.Input, r.Options = k, input, options
	return r
}

// signingOpcode returns the operation that signs input as opts say.
func signingOpcode(public crypto.PublicKey, input []byte, opts crypto.SignerOpts) (wire.Opcode, error) {
	scheme, err := schemeOf(public, opts)
	if err != nil {
		return 0, err
	}
	h := opts.HashFunc()
	opcode, ok := wire.Signing(scheme, h)
	if !ok {
		return 0, fmt.Errorf("keyless: the protocol does not sign digests of %s with this key", h)
	}
	if h != 0 && len(input) != h.Size() {
		return 0, fmt.Errorf("keyless: the digest has %d bytes, and %s makes %d", len(input), h, h.Size())
	}
	return opcode, nil
}

func schemeOf(public crypto.PublicKey, opts crypto.SignerOpts) (wire.Scheme, error) {
	switch public.(type) {
	case *ecdsa.PublicKey:
		return wire.ECDSA, nil
	case ed25519.PublicKey:
		if o, ok := opts.(*ed25519.Options); ok && o.Context != "" || opts.HashFunc() != 0 {
			return 0, errors.New("keyless: the protocol has pure Ed25519 only, without a context")
		}
		return wire.Ed25519, nil
	}
	pss, ok := opts.(*rsa.PSSOptions)
	if !ok {
		return wire.PKCS1, nil
	}
	if s := pss.SaltLength; s != rsa.PSSSaltLengthEqualsHash && (pss.HashFunc() == 0 || s != pss.HashFunc().Size()) {
		return 0, errors.New("keyless: the protocol's PSS has a salt as long as the hash: ask for rsa.PSSSaltLengthEqualsHash")
	}
	return wire.PSS, nil
}
