package soft

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Wrapped material, version 1, is
//
//	version   1 byte, 0x01
//	box       what Wrapper.Wrap made of the encoded secret
//
// The encoded secret is, by the spec's family,
//
//	AES, HMAC            the secret itself, as long as the spec says
//	RSA, EC, EdDSA       PKCS #8 PrivateKeyInfo in DER (RFC 5208, 5915, 8410)
//	K256                 the scalar d, 32 bytes, big-endian
//	MLDSA                the seed ξ, 32 bytes (FIPS 204 algorithm 1)
//
// and the box's associated data is that of engine.Ref.Bind with the label
// "holdfast/soft/material", so that no box opens as another key, version or
// spec, nor in another format. The version also says how the secret is used:
// that of AES-256 for encrypt-decrypt is described in aead.go.
const (
	materialVersion = 1
	materialLabel   = "holdfast/soft/material"
)

// secret is new material: encoded, and with its public half.
type secret struct {
	redacted
	encoded []byte
	public  crypto.PublicKey // nil for symmetric keys
}

// wrap returns the secret wrapped for ref, and overwrites it.
func (e *Engine) wrap(ref engine.Ref, spec alg.Spec, s *secret) (engine.Material, error) {
	defer clear(s.encoded)
	var m engine.Material
	if s.public != nil {
		spki, err := engine.MarshalPublic(spec, s.public)
		if err != nil {
			return engine.Material{}, err
		}
		m.Public = spki
	}
	wrapped, err := e.box.Seal(ref, spec, s.encoded)
	if err != nil {
		return engine.Material{}, err
	}
	m.Wrapped = wrapped
	return m, nil
}

// unwrap returns the encoded secret.
func (e *Engine) unwrap(ref engine.Ref, spec alg.Spec, wrapped []byte) ([]byte, error) {
	return e.box.Open(ref, spec, wrapped)
}

// generate makes the secret of a new key.
func (e *Engine) generate(ctx context.Context, spec alg.Spec) (*secret, error) {
	switch info := spec.Info(); info.Family {
	case alg.AES, alg.HMAC:
		b := make([]byte, info.Bits/8)
		_, _ = rand.Read(b) // never fails
		return &secret{encoded: b}, nil
	case alg.RSA:
		k, err := e.stock.take(ctx, spec)
		if err != nil {
			return nil, err
		}
		return pkcs8(k, k.Public())
	case alg.EC:
		k, err := ecdsa.GenerateKey(curve(spec), rand.Reader)
		if err != nil {
			return nil, err
		}
		return pkcs8(k, k.Public())
	case alg.EdDSA:
		public, k, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		return pkcs8(k, public)
	case alg.K256:
		return generateSecp256k1()
	case alg.MLDSA:
		return generateMLDSA(spec)
	}
	return nil, fault.New(fault.Unsupported, "the soft engine makes no keys of type %q", spec)
}

func pkcs8(private crypto.PrivateKey, public crypto.PublicKey) (*secret, error) {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "engine/soft.Generate", Err: err}
	}
	return &secret{encoded: der, public: public}, nil
}

func curve(spec alg.Spec) elliptic.Curve {
	switch spec { //nolint:exhaustive // only the NIST curves have a crypto/elliptic.Curve
	case alg.P384:
		return elliptic.P384()
	case alg.P521:
		return elliptic.P521()
	}
	return elliptic.P256()
}

// open reads an encoded secret. It keeps no reference to encoded.
func (e *Engine) open(spec alg.Spec, encoded []byte) (*engine.Key, error) {
	switch spec.Info().Family {
	case alg.AES:
		return openAES(spec, encoded)
	case alg.HMAC:
		m, err := newMAC(spec, encoded)
		return &engine.Key{MAC: m}, err
	case alg.K256:
		return openSigner(spec)(parseSecp256k1(encoded))
	case alg.MLDSA:
		return openSigner(spec)(parseMLDSA(spec, encoded))
	case alg.RSA, alg.EC, alg.EdDSA:
		return e.openPKCS8(spec, encoded)
	}
	return nil, fmt.Errorf("no key has the type %q", spec)
}

// openAES returns what a key can be used for. Which of the two it is used for,
// whoever opens it knows by its usage.
func openAES(spec alg.Spec, encoded []byte) (*engine.Key, error) {
	c, err := engine.NewCipher(encoded)
	if err != nil || spec != alg.AES256 {
		return &engine.Key{Cipher: c}, err
	}
	a, err := newAEAD(encoded)
	return &engine.Key{AEAD: a, Cipher: c}, err
}

func (e *Engine) openPKCS8(spec alg.Spec, der []byte) (*engine.Key, error) {
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	if k, ok := private.(*rsa.PrivateKey); ok && engine.SpecOf(k.Public()) == spec {
		r := e.rsa.newKey(spec, k, der)
		return &engine.Key{Signer: r, Decrypter: r, Unwrapper: &unwrapper{engine: e, key: r}}, nil
	}
	s, ok := private.(crypto.Signer)
	if !ok {
		return nil, errors.New("not a signing key")
	}
	k, err := openSigner(spec)(s, nil)
	if ec, ok := private.(*ecdsa.PrivateKey); ok && err == nil {
		k.Agreement = newAgreement(spec, ec)
	}
	return k, err
}

// openSigner returns what makes a Key of a signer, if that is one of the spec.
func openSigner(spec alg.Spec) func(crypto.Signer, error) (*engine.Key, error) {
	return func(s crypto.Signer, err error) (*engine.Key, error) {
		if err != nil {
			return nil, err
		}
		public := s.Public()
		if got := engine.SpecOf(public); got != spec {
			return nil, fmt.Errorf("a key of type %q where one of type %q is expected", got, spec)
		}
		return &engine.Key{Signer: &signer{spec: spec, inner: s, public: public}}, nil
	}
}
