package remote

import (
	"context"
	"crypto"
	"crypto/subtle"
	"fmt"
	"io"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Operations are what a service does with a key. A nil one is one that it does
// not have. Errors are those of Line.Do; algorithms are checked before.
type Operations struct {
	// Sign signs a digest, or a message where the algorithm takes no digest.
	// ECDSA signatures are DER.
	Sign func(ctx context.Context, k *Reference, a alg.Algorithm, m engine.Message) ([]byte, error)
	// Verify returns nil, or a BadSignature error. Of a MAC algorithm the
	// signature is the code.
	Verify func(ctx context.Context, k *Reference, a alg.Algorithm, m engine.Message, signature []byte) error
	// Decrypt undoes RSAES-OAEP.
	Decrypt func(ctx context.Context, k *Reference, a alg.Algorithm, ciphertext []byte) ([]byte, error)
	// Seal and Unseal are authenticated encryption; a ciphertext carries all
	// that Unseal needs beside the key and the associated data.
	Seal   func(ctx context.Context, k *Reference, plaintext, associated []byte) ([]byte, error)
	Unseal func(ctx context.Context, k *Reference, ciphertext, associated []byte) ([]byte, error)
	// Overhead is by how many bytes a ciphertext of Seal is longer, at most.
	Overhead int
	// MAC computes a message authentication code.
	MAC func(ctx context.Context, k *Reference, a alg.Algorithm, message []byte) ([]byte, error)
	// Agree returns the secret that the key shares with the owner of a public key
	// of its spec, as engine.Agreement has it.
	Agree func(ctx context.Context, k *Reference, peer *engine.PublicKey) ([]byte, error)
}

// Open returns a key of the service, ready for use. It asks the service
// nothing.
func Open(l *Line, o *Operations, spec alg.Spec, r *Reference) (*engine.Key, error) {
	h := handle{line: l, does: o, spec: spec, at: r}
	switch spec.Info().Family {
	case alg.AES:
		return &engine.Key{AEAD: &aead{h}, Algorithms: r.algorithms()}, nil
	case alg.HMAC:
		k := &engine.Key{MAC: &mac{h}, Algorithms: r.algorithms()}
		if o.Verify != nil {
			k.Verifier = &verifier{h}
		}
		return k, nil
	case alg.RSA, alg.EC, alg.K256, alg.EdDSA, alg.MLDSA:
	}
	public, err := engine.ParsePublic(spec, r.Public)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "remote.Open", Err: err}
	}
	private := &privateKey{h, public}
	k := &engine.Key{Signer: private, Algorithms: r.algorithms()}
	if o.Verify != nil {
		k.Verifier = &verifier{h}
	}
	switch spec.Info().Family {
	case alg.RSA:
		k.Decrypter = decrypter{private}
	case alg.EC:
		k.Agreement = agreement{private}
	case alg.AES, alg.HMAC, alg.K256, alg.EdDSA, alg.MLDSA:
	}
	return k, nil
}

// handle is an opened key, of any type.
type handle struct {
	line *Line
	does *Operations
	spec alg.Spec
	at   *Reference
}

// Format shows which key it is, whatever the verb.
func (h *handle) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, h.at.Name) }

// lacks is the answer where a service does not have an operation.
func (h *handle) lacks(what string) error {
	return fault.New(fault.Unsupported, "the key service %s does not %s with this key", h.line.Name(), what)
}

// privateKey is an opened key with a public half.
type privateKey struct {
	handle
	public *engine.PublicKey
}

// Public returns the public half.
func (k *privateKey) Public() crypto.PublicKey { return k.public.Key() }

// Sign signs a digest, or a message where the algorithm has no hash.
func (k *privateKey) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	a, err := engine.SigningAlgorithm(k.spec, digest, opts)
	if err != nil {
		return nil, err
	}
	if err := k.at.Allows(a); err != nil {
		return nil, err
	}
	if k.does.Sign == nil {
		return nil, k.lacks("sign")
	}
	if opts == nil {
		opts = crypto.Hash(0)
	}
	ctx, cancel := k.line.Context()
	defer cancel()
	return k.does.Sign(ctx, k.at, a, engine.Message{Form: engine.FormOf(opts), Bytes: digest})
}

// decrypter is an opened RSA key that decrypts.
type decrypter struct{ *privateKey }

// Decrypt undoes RSAES-OAEP.
func (d decrypter) Decrypt(_ io.Reader, ciphertext []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	a, err := engine.DecryptionAlgorithm(d.spec, opts)
	if err != nil {
		return nil, err
	}
	if err := d.at.Allows(a); err != nil {
		return nil, err
	}
	if d.does.Decrypt == nil {
		return nil, d.lacks("decrypt")
	}
	ctx, cancel := d.line.Context()
	defer cancel()
	return d.does.Decrypt(ctx, d.at, a, ciphertext)
}

// agreement is an opened key on a NIST curve that agrees.
type agreement struct{ *privateKey }

// Shared returns what the key shares with a public key of its spec.
func (g agreement) Shared(peer *engine.PublicKey) ([]byte, error) {
	if err := engine.CheckPeer(g.spec, peer); err != nil {
		return nil, err
	}
	if err := g.at.Allows(alg.ECDH); err != nil {
		return nil, err
	}
	if g.does.Agree == nil {
		return nil, g.lacks("agree")
	}
	ctx, cancel := g.line.Context()
	defer cancel()
	return g.does.Agree(ctx, g.at, peer)
}

// verifier has the service check a signature or a code.
type verifier struct{ handle }

// Verify returns nil, or a BadSignature error.
func (v *verifier) Verify(a alg.Algorithm, m engine.Message, signature []byte) error {
	if !v.spec.Lists(a) {
		return fault.Because(fault.InvalidArgument, fault.WrongAlgorithm, "algorithm %q does not go with a key of type %q", a, v.spec)
	}
	if err := v.at.Allows(a); err != nil {
		return err
	}
	ctx, cancel := v.line.Context()
	defer cancel()
	return v.does.Verify(ctx, v.at, a, m, signature)
}

// aead encrypts in the service.
type aead struct{ handle }

// Overhead returns by how many bytes a ciphertext is longer, at most.
func (a *aead) Overhead() int { return a.does.Overhead }

// Seal appends the encryption of plaintext to dst.
func (a *aead) Seal(dst, plaintext, associated []byte) ([]byte, error) {
	if err := a.at.Allows(alg.AESGCM); err != nil {
		return nil, err
	}
	if a.does.Seal == nil {
		return nil, a.lacks("encrypt")
	}
	ctx, cancel := a.line.Context()
	defer cancel()
	ciphertext, err := a.does.Seal(ctx, a.at, plaintext, associated)
	return append(dst, ciphertext...), err
}

// Open appends the decryption of ciphertext to dst.
func (a *aead) Open(dst, ciphertext, associated []byte) ([]byte, error) {
	if err := a.at.Allows(alg.AESGCM); err != nil {
		return nil, err
	}
	if a.does.Unseal == nil {
		return nil, a.lacks("decrypt")
	}
	ctx, cancel := a.line.Context()
	defer cancel()
	plaintext, err := a.does.Unseal(ctx, a.at, ciphertext, associated)
	defer clear(plaintext)
	return append(dst, plaintext...), err
}

// mac computes codes in the service.
type mac struct{ handle }

// Sum appends the code of message to dst.
func (m *mac) Sum(dst, message []byte) ([]byte, error) {
	a := m.spec.For(alg.GenerateVerifyMAC)[0]
	if err := m.at.Allows(a); err != nil {
		return nil, err
	}
	if m.does.MAC == nil {
		return nil, m.lacks("compute codes")
	}
	ctx, cancel := m.line.Context()
	defer cancel()
	code, err := m.does.MAC(ctx, m.at, a, message)
	if err != nil {
		return nil, err
	}
	if len(code) != a.Info().Hash.Size() {
		return nil, &fault.Error{Kind: fault.Internal, Op: "remote.MAC", Err: fmt.Errorf("the service's code has %d bytes", len(code))}
	}
	return append(dst, code...), nil
}

// SameCode reports whether two codes are the same, in constant time: for
// services that compute codes and do not check them.
func SameCode(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
