package lint

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"sync"

	"filippo.io/mldsa"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// throwAways makes, once for each kind and only when it is needed, a key that
// nothing depends on, and one signature by it. The maps are fixed at the
// start; making an RSA key takes up to a second and holds up only who needs
// that kind.
type throwAways struct {
	keys       map[alg.Spec]func() (crypto.Signer, error)
	signatures map[kind]func() ([]byte, error)
}

// kind is what the form of a signature depends on.
type kind struct {
	spec      alg.Spec
	algorithm alg.Algorithm
}

func newThrowAways() *throwAways {
	t := &throwAways{keys: map[alg.Spec]func() (crypto.Signer, error){}, signatures: map[kind]func() ([]byte, error){}}
	for _, spec := range cert.Specs() {
		key := sync.OnceValues(func() (crypto.Signer, error) { return makeKey(spec) })
		t.keys[spec] = key
		for _, a := range spec.For(alg.SignVerify) {
			t.signatures[kind{spec, a}] = sync.OnceValues(func() ([]byte, error) {
				signer, err := key()
				if err != nil {
					return nil, err
				}
				return cert.SignMessage(signer, a, []byte("throw-away"))
			})
		}
	}
	return t
}

// complete joins the bytes to be signed with the throw-away signature of the
// issuer's kind.
func (t *throwAways) complete(tbs []byte, spec alg.Spec, a alg.Algorithm) ([]byte, error) {
	once, ok := t.signatures[kind{spec, a}]
	if !ok {
		return nil, cert.CheckAlgorithm(spec, a)
	}
	signature, err := once()
	if err != nil {
		return nil, fmt.Errorf("making a throw-away signature: %w", err)
	}
	identifier, err := cert.Identifier(spec, a)
	if err != nil {
		return nil, err
	}
	return cert.Assemble(tbs, identifier, signature)
}

// StandIn returns the public key of a throw-away key of the spec, to rehearse
// a certificate for a key that is not made yet.
func (l *Linter) StandIn(spec alg.Spec) (*engine.PublicKey, error) {
	once, ok := l.throwAways.keys[spec]
	if !ok {
		return nil, cert.CheckSpec(spec)
	}
	signer, err := once()
	if err != nil {
		return nil, fmt.Errorf("making a throw-away key: %w", err)
	}
	spki, err := engine.MarshalPublic(spec, signer.Public())
	if err != nil {
		return nil, err
	}
	return engine.ParsePublic(spec, spki)
}

// makeKey makes a key of one of the specs.
func makeKey(spec alg.Spec) (crypto.Signer, error) {
	info := spec.Info()
	switch {
	case info.Family == alg.RSA:
		return rsa.GenerateKey(rand.Reader, info.Bits)
	case spec == alg.P256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case spec == alg.P384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case spec == alg.P521:
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case spec == alg.Ed25519:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	if params, ok := engine.MLDSAParameters(spec); ok {
		return mldsa.GenerateKey(params)
	}
	return nil, cert.CheckSpec(spec)
}
