package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"sync"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// specs returns the specs of keys that certificates are for and that
// authorities sign with. ML-DSA and secp256k1 are not among them: crypto/x509
// does not encode them.
func specs() []alg.Spec {
	return []alg.Spec{alg.RSA2048, alg.RSA3072, alg.RSA4096, alg.P256, alg.P384, alg.P521, alg.Ed25519}
}

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
	for _, spec := range specs() {
		key := sync.OnceValues(func() (crypto.Signer, error) { return makeKey(spec) })
		t.keys[spec] = key
		for _, a := range spec.For(alg.SignVerify) {
			t.signatures[kind{spec, a}] = sync.OnceValues(func() ([]byte, error) {
				signer, err := key()
				if err != nil {
					return nil, err
				}
				return signMessage(signer, a, []byte("throw-away"))
			})
		}
	}
	return t
}

// complete joins the bytes to be signed with the throw-away signature of the
// issuer's kind.
func (t *throwAways) complete(tbs []byte, issuer crypto.PublicKey, a alg.Algorithm) ([]byte, error) {
	spec := specOf(issuer)
	once, ok := t.signatures[kind{spec, a}]
	if !ok {
		return nil, unsupportedSpec(spec)
	}
	signature, err := once()
	if err != nil {
		return nil, fmt.Errorf("making a throw-away signature: %w", err)
	}
	return assemble(tbs, signature)
}

// public returns the public key of a throw-away key, to rehearse a
// certificate for a key that is not made yet.
func (t *throwAways) public(spec alg.Spec) (crypto.PublicKey, error) {
	once, ok := t.keys[spec]
	if !ok {
		return nil, unsupportedSpec(spec)
	}
	signer, err := once()
	if err != nil {
		return nil, fmt.Errorf("making a throw-away key: %w", err)
	}
	return signer.Public(), nil
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
	return nil, unsupportedSpec(spec)
}

// unsupportedSpec returns the error for keys that X.509 does not serve here.
func unsupportedSpec(spec alg.Spec) error {
	return fault.New(fault.Unsupported, "certificates with keys of the spec %s are not supported yet", spec)
}

// specOf returns the spec of a public key, or NoSpec.
func specOf(pub crypto.PublicKey) alg.Spec {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		for _, spec := range []alg.Spec{alg.RSA2048, alg.RSA3072, alg.RSA4096} {
			if k.N.BitLen() == spec.Info().Bits {
				return spec
			}
		}
	case *ecdsa.PublicKey:
		return map[elliptic.Curve]alg.Spec{
			elliptic.P256(): alg.P256, elliptic.P384(): alg.P384, elliptic.P521(): alg.P521,
		}[k.Curve]
	case ed25519.PublicKey:
		return alg.Ed25519
	}
	return alg.NoSpec
}
