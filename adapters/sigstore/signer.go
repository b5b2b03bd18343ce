package sigstore

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/kms"

	"github.com/holdfast-kms/holdfast"
)

// SignerVerifier is a key for sigstore's libraries. All methods may be called
// at the same time.
type SignerVerifier struct {
	uri  string
	hash crypto.Hash
	opts []holdfast.Option

	mu  sync.Mutex
	key *holdfast.Key // guarded by mu; nil until it is first used
}

var _ kms.SignerVerifier = (*SignerVerifier)(nil)

// New returns the key of a reference. The key itself is opened when it is first
// used, for it may have to be made first. The hash is used if the key has it;
// else the key's own is: SHA-384 of a key on P-384, none of Ed25519.
func New(ref string, hash crypto.Hash, opts ...holdfast.Option) (*SignerVerifier, error) {
	uri, err := uriOf(ref)
	if err != nil {
		return nil, err
	}
	return &SignerVerifier{uri: uri, hash: hash, opts: opts}, nil
}

// open returns the key.
func (s *SignerVerifier) open(ctx context.Context) (*holdfast.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != nil {
		return s.key, ctx.Err()
	}
	key, err := holdfast.Open(ctx, s.uri, s.opts...)
	if err != nil {
		return nil, err
	}
	s.key = key
	return key, nil
}

// Close gives up the connection to where the key lives. The next use opens
// another one.
func (s *SignerVerifier) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key == nil {
		return nil
	}
	key := s.key
	s.key = nil
	return key.Close()
}

// PublicKey returns the public half.
func (s *SignerVerifier) PublicKey(opts ...signature.PublicKeyOption) (crypto.PublicKey, error) {
	c, err := callOf(opts)
	if err != nil {
		return nil, err
	}
	key, err := s.open(c.ctx)
	if err != nil {
		return nil, err
	}
	_, err = methodOf(key, c.opts)
	return key.Public(), err
}

// SignMessage signs a message, or the digest that an option gives. ECDSA
// signatures are DER; those of RSA are PKCS #1 v1.5, unless the key has PSS
// alone or an option is *rsa.PSSOptions.
func (s *SignerVerifier) SignMessage(message io.Reader, opts ...signature.SignOption) ([]byte, error) {
	c, err := callOf(opts)
	if err != nil {
		return nil, err
	}
	key, m, err := s.method(c)
	if err != nil {
		return nil, err
	}
	input, hash, err := signature.ComputeDigestForSigning(message, m.preferred(s.hash), m.hashes, opts...)
	if err != nil {
		return nil, err
	}
	if hash == 0 {
		return key.SignWith(c.ctx, m.algorithm(hash), input)
	}
	return key.SignDigestWith(c.ctx, m.algorithm(hash), input)
}

// VerifySignature checks a signature of a message, or of the digest that an
// option gives: here, with the public half, or with the option
// RemoteVerification where the key lives, if that place verifies.
func (s *SignerVerifier) VerifySignature(sig, message io.Reader, opts ...signature.VerifyOption) error {
	c, err := callOf(opts)
	if err != nil {
		return err
	}
	key, m, err := s.method(c)
	if err != nil {
		return err
	}
	input, hash, err := signature.ComputeDigestForVerifying(message, m.preferred(s.hash), m.hashes, opts...)
	if err != nil {
		return err
	}
	if sig == nil {
		return errors.New("there is no signature to verify")
	}
	claimed, err := io.ReadAll(sig)
	switch {
	case err != nil:
		return fmt.Errorf("reading the signature: %w", err)
	case !c.remote:
		return m.verify(key.Public(), hash, input, claimed)
	case hash == 0:
		return key.Verify(c.ctx, m.algorithm(hash), input, claimed)
	}
	return key.VerifyDigest(c.ctx, m.algorithm(hash), input, claimed)
}

// method opens the key and chooses how it signs.
func (s *SignerVerifier) method(c *call) (*holdfast.Key, *method, error) {
	key, err := s.open(c.ctx)
	if err != nil {
		return nil, nil, err
	}
	m, err := methodOf(key, c.opts)
	return key, m, err
}

// specs are the keys that CreateKey makes. The first is what it makes if
// nobody says more.
var specs = []string{"p-256", "p-384", "p-521", "ed25519", "rsa-2048", "rsa-3072", "rsa-4096"}

// SupportedAlgorithms returns the types of keys that CreateKey makes.
func (*SignerVerifier) SupportedAlgorithms() []string { return slices.Clone(specs) }

// DefaultAlgorithm returns the type of key to make where nobody chooses.
func (*SignerVerifier) DefaultAlgorithm() string { return specs[0] }

// CreateKey makes the key, if there is none, and returns its public half. A key
// of another type that has the name already is an error.
func (s *SignerVerifier) CreateKey(ctx context.Context, algorithm string) (crypto.PublicKey, error) {
	if !slices.Contains(specs, algorithm) {
		return nil, fmt.Errorf("no key of the type %q is made here: these are: %s", algorithm, strings.Join(specs, ", "))
	}
	key, err := s.create(ctx, algorithm)
	if holdfast.KindOf(err) == holdfast.AlreadyExists {
		key, err = s.open(ctx)
	}
	switch {
	case err != nil:
		return nil, err
	case key.Spec() != algorithm:
		return nil, &holdfast.Error{
			Kind: holdfast.Conflict, Op: "making", URI: key.URI(),
			Detail: "there is a key already, of the type " + key.Spec(),
		}
	}
	return key.Public(), nil
}

func (s *SignerVerifier) create(ctx context.Context, spec string) (*holdfast.Key, error) {
	key, err := holdfast.Create(ctx, s.uri, spec, append(slices.Clone(s.opts), holdfast.WithUsage("sign-verify"))...)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != nil {
		return s.key, key.Close() // somebody was faster
	}
	s.key = key
	return key, nil
}

// CryptoSigner returns the key as a crypto.Signer, and the options to call it
// with. The function is told of every failure to sign; it may be nil.
func (s *SignerVerifier) CryptoSigner(ctx context.Context, failed func(error)) (crypto.Signer, crypto.SignerOpts, error) {
	key, m, err := s.method(&call{ctx: ctx})
	if err != nil {
		return nil, nil, err
	}
	return &cryptoSigner{key, failed}, m.preferred(s.hash), nil
}

type cryptoSigner struct {
	*holdfast.Key
	failed func(error)
}

// Sign signs a digest and tells of failures.
func (c *cryptoSigner) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	sig, err := c.Key.Sign(random, digest, opts)
	if err != nil && c.failed != nil {
		c.failed(err)
	}
	return sig, err
}
