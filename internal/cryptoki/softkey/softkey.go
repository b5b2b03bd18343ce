// Package softkey has the keys of PKCS #11 sessions (CKA_TOKEN false): made and
// used in this process, and gone with it. Key pairs are those of engine/soft,
// under a wrapping key that nobody else has; secret keys are bytes of any
// length.
//
// Start with New. The package is internal and may change with any release.
package softkey

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"sync"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Maker makes keys. Its methods may be called at the same time.
type Maker struct{ engine *soft.Engine }

// New returns a Maker with a wrapping key of its own. Close it after use.
func New(log *slog.Logger) (*Maker, error) {
	w, err := newWrapper()
	if err != nil {
		return nil, err
	}
	e, err := soft.New(w, soft.Options{Log: log})
	if err != nil {
		return nil, err
	}
	return &Maker{e}, nil
}

// Close ends the Maker. Its keys stay usable.
func (m *Maker) Close() error { return m.engine.Close() }

// Random fills b.
func (m *Maker) Random(ctx context.Context, b []byte) error { return m.engine.Random(ctx, b) }

// wrapper encrypts what engine/soft keeps.
type wrapper struct{ aead cipher.AEAD }

func newWrapper() (wrapper, error) {
	k := make([]byte, 32)
	defer clear(k)
	if _, err := rand.Read(k); err != nil {
		return wrapper{}, fmt.Errorf("making a wrapping key: %w", err)
	}
	block, err := aes.NewCipher(k)
	if err != nil {
		return wrapper{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return wrapper{aead}, err
}

// Wrap implements engine.Wrapper.
func (w wrapper) Wrap(_ key.RealmID, plaintext, associated []byte) ([]byte, error) {
	return w.aead.Seal(nil, nil, plaintext, associated), nil //nolint:gosec // the AEAD makes the nonce
}

// Unwrap implements engine.Wrapper.
func (w wrapper) Unwrap(_ key.RealmID, wrapped, associated []byte) ([]byte, error) {
	return w.aead.Open(nil, nil, wrapped, associated)
}

// Pair is a key pair. It implements cryptoki.Use.
type Pair struct {
	engine.Redacted

	maker   *Maker
	ref     engine.Ref
	spec    alg.Spec
	wrapped []byte
	public  []byte
	opened  *engine.Key
}

// Generate makes a key pair.
func (m *Maker) Generate(ctx context.Context, spec alg.Spec) (*Pair, error) {
	ref, err := newRef()
	if err != nil {
		return nil, err
	}
	material, err := m.engine.Generate(ctx, ref, engine.Kind{Spec: spec, Usage: alg.SignVerify, Exportable: true})
	if err != nil {
		return nil, err
	}
	return m.open(ctx, ref, spec, material)
}

// Import makes a key pair of PKCS #8 in DER, which stays the caller's.
func (m *Maker) Import(ctx context.Context, spec alg.Spec, der []byte) (*Pair, error) {
	ref, err := newRef()
	if err != nil {
		return nil, err
	}
	material, err := m.engine.Import(ctx, ref, engine.Kind{Spec: spec, Usage: alg.SignVerify, Exportable: true}, der)
	if err != nil {
		return nil, err
	}
	return m.open(ctx, ref, spec, material)
}

func newRef() (engine.Ref, error) {
	var random [16]byte
	_, err := rand.Read(random[:])
	return engine.Ref{Realm: "session", ID: key.NewID(random), Version: 1}, err
}

func (m *Maker) open(ctx context.Context, ref engine.Ref, spec alg.Spec, material engine.Material) (*Pair, error) {
	opened, err := m.engine.Open(ctx, ref, spec, material.Wrapped)
	if err != nil {
		return nil, err
	}
	return &Pair{maker: m, ref: ref, spec: spec, wrapped: material.Wrapped, public: material.Public, opened: opened}, nil
}

// Public returns the SubjectPublicKeyInfo in DER.
func (p *Pair) Public() []byte { return p.public }

// Spec returns the key's spec.
func (p *Pair) Spec() alg.Spec { return p.spec }

// Material returns the key as PKCS #8 in DER. The caller clears it.
func (p *Pair) Material(ctx context.Context) ([]byte, error) {
	return p.maker.engine.Export(ctx, p.ref, p.spec, p.wrapped)
}

// Sign signs a digest, or a message where the algorithm does not hash.
func (p *Pair) Sign(_ context.Context, a alg.Algorithm, input []byte) ([]byte, error) {
	form := alg.Digest
	if !a.Takes(form) {
		form = alg.Raw
	}
	return engine.Sign(p.opened.Signer, a, engine.Message{Form: form, Bytes: input})
}

// MAC is refused: a key pair makes none.
func (p *Pair) MAC(context.Context, alg.Algorithm, []byte) ([]byte, error) { return nil, wrongUsage() }

// Encrypt is refused: it is done with the public half.
func (p *Pair) Encrypt(context.Context, alg.Algorithm, engine.CipherParameters, []byte) ([]byte, error) {
	return nil, wrongUsage()
}

// Decrypt decrypts with an RSA key.
func (p *Pair) Decrypt(_ context.Context, a alg.Algorithm, _ engine.CipherParameters, ciphertext []byte) ([]byte, error) {
	if p.opened.Decrypter == nil {
		return nil, wrongUsage()
	}
	if a == alg.RSARaw {
		return p.opened.Decrypter.Decrypt(rand.Reader, ciphertext, engine.RawRSA{})
	}
	plaintext, err := p.opened.Decrypter.Decrypt(rand.Reader, ciphertext, &rsa.OAEPOptions{Hash: a.Info().Hash})
	if err != nil {
		return nil, &fault.Error{Kind: fault.BadCiphertext, Op: "softkey.Decrypt", Err: err}
	}
	return plaintext, nil
}

// Derive returns the secret that the key shares with the owner of another one.
func (p *Pair) Derive(_ context.Context, spki []byte) ([]byte, error) {
	peer, err := engine.ParsePeer(p.spec, spki)
	if err != nil {
		return nil, err
	}
	return engine.Agree(p.spec, p.opened.Agreement, peer)
}

func wrongUsage() error {
	return fault.Because(fault.InvalidArgument, fault.WrongUsage, "the key is not for that")
}

// Secret is a secret key. It implements cryptoki.Use.
type Secret struct {
	engine.Redacted

	// mu guards value, which is nil once it is wiped.
	mu    sync.RWMutex
	value []byte
}

// NewSecret returns a secret key, of a copy of value.
func NewSecret(value []byte) *Secret { return &Secret{value: bytes.Clone(value)} }

// Material returns a copy of the key. The caller clears it.
func (s *Secret) Material(context.Context) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.value == nil {
		return nil, wiped()
	}
	return bytes.Clone(s.value), nil
}

// Wipe overwrites the key, which is of no use afterwards.
func (s *Secret) Wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.value)
	s.value = nil
}

func wiped() error { return fault.New(fault.NotFound, "the key is gone") }
