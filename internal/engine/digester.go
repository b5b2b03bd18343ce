package engine

import (
	"bytes"
	"crypto/sha3"
	"io"

	"filippo.io/mldsa"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// Digester takes a message of any length piece by piece and gives what a key
// signs of it. Only a Digester of Ed25519 holds the message: that scheme
// reads it twice (RFC 8032 section 5.1.6).
type Digester struct {
	io.Writer
	sum  func() []byte
	form alg.Form
}

// NewDigester returns a Digester for a signature by the key with the
// algorithm.
func (p *PublicKey) NewDigester(a alg.Algorithm) (*Digester, error) {
	if err := usable(p.spec, a, alg.SignVerify); err != nil {
		return nil, err
	}
	if k, ok := p.key.(*mldsa.PublicKey); ok {
		return newMu(k), nil
	}
	if h := a.Info().Hash; h != 0 {
		state := h.New()
		return &Digester{state, func() []byte { return state.Sum(nil) }, alg.Digest}, nil
	}
	whole := &bytes.Buffer{}
	return &Digester{whole, whole.Bytes, alg.Raw}, nil
}

// newMu computes the message representative of ML-DSA with the empty context
// (FIPS 204 algorithms 2, 3 and 7, line 6): the hash of the public key's hash,
// of two zero bytes and of the message.
func newMu(k *mldsa.PublicKey) *Digester {
	tr, mu := sha3.NewSHAKE256(), sha3.NewSHAKE256()
	hashed := make([]byte, muSize)
	_, _ = tr.Write(k.Bytes()) // a hash never fails
	_, _ = tr.Read(hashed)
	_, _ = mu.Write(append(hashed, 0, 0))
	return &Digester{mu, func() []byte {
		out := make([]byte, muSize)
		_, _ = mu.Read(out)
		return out
	}, alg.ExternalMu}
}

// Message returns what is to be signed, or was. It is called once, after the
// last Write.
func (d *Digester) Message() Message { return Message{d.form, d.sum()} }
