package vaulttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"strconv"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	wire "github.com/holdfast-kms/holdfast/internal/wire/vault"
)

// RSA makes an RSA key.
type RSA func(bits int) (*rsa.PrivateKey, error)

// RSAKeys has the server take its RSA keys from elsewhere: tests need not make
// each of them.
func RSAKeys(f RSA) Option { return func(o *flavour) { o.rsa = f } }

func makeRSA(bits int) (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, bits) }

// key is a key with all its versions.
type key struct {
	wire.Key
	spec     alg.Spec
	versions map[int]*version
}

// version is the material of a version.
type version struct {
	secret  []byte
	private crypto.Signer
	public  string
	made    time.Time
}

// newKey returns a key without a version.
func newKey(name string, spec alg.Spec, t wire.Type) *key {
	family := spec.Info().Family
	encrypts, signs := family == alg.AES || family == alg.RSA, !spec.Symmetric()
	k := &key{spec: spec, versions: map[int]*version{}, Key: wire.Key{
		Name: name, Type: t.Name, KeySize: t.KeySize, MinDecryptionVersion: 1, SupportsEncryption: encrypts, SupportsDecryption: encrypts,
		SupportsSigning: signs, SupportsDerivation: family == alg.AES || family == alg.EdDSA,
	}}
	return k
}

// rotate makes a version.
func (k *key) rotate(makeRSA RSA) error {
	v := &version{}
	var err error
	switch info := k.spec.Info(); info.Family {
	case alg.AES, alg.HMAC:
		v.secret = make([]byte, info.Bits/8)
		_, _ = rand.Read(v.secret) // never fails
	case alg.RSA:
		v.private, err = makeRSA(info.Bits)
	case alg.EC:
		curve := map[alg.Spec]elliptic.Curve{alg.P256: elliptic.P256(), alg.P384: elliptic.P384(), alg.P521: elliptic.P521()}[k.spec]
		v.private, err = ecdsa.GenerateKey(curve, rand.Reader)
	case alg.EdDSA:
		_, v.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("unsupported key type %s", k.Type)
	}
	if err != nil {
		return err
	}
	return k.add(v)
}

// take makes a version of material that came in.
func (k *key) take(plain []byte) error {
	if k.spec.Symmetric() {
		if want := k.spec.Info().Bits / 8; k.spec == alg.AES256 && len(plain) != want {
			return fmt.Errorf("invalid key size %d bytes for key type %s", len(plain), k.Type)
		}
		return k.add(&version{secret: plain})
	}
	private, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return fmt.Errorf("error parsing asymmetric key: %w", err)
	}
	signer, ok := private.(crypto.Signer)
	if !ok || engine.SpecOf(signer.Public()) != k.spec {
		return fmt.Errorf("invalid key type: expected %s, got %T", k.Type, private)
	}
	return k.add(&version{private: signer})
}

// add makes a version the latest one.
func (k *key) add(v *version) error {
	v.made = time.Now()
	if v.private != nil {
		spki, err := engine.MarshalPublic(k.spec, v.private.Public())
		if err != nil {
			return err
		}
		if v.public, err = wire.FormatPublicKey(k.spec, spki); err != nil {
			return err
		}
	}
	k.LatestVersion++
	k.versions[k.LatestVersion] = v
	return nil
}

// shown returns the key as it is answered.
func (k *key) shown() *wire.Key {
	out := k.Key
	if k.spec.Info().Family == alg.HMAC {
		return &out
	}
	out.Versions = map[string]wire.KeyVersion{}
	for n, v := range k.versions {
		shown := wire.KeyVersion{CreationTime: v.made, PublicKey: v.public}
		switch p := v.private.(type) {
		case *ecdsa.PrivateKey:
			shown.Name = p.Params().Name
		case ed25519.PrivateKey, *rsa.PrivateKey:
			shown.Name = k.Type
		}
		out.Versions[strconv.Itoa(n)] = shown
	}
	return &out
}

// Change has a key show another type, and whether it derives, as one that the
// server cannot make.
func (s *Server) Change(name, typ string, derived bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[""][name]
	k.Type, k.Derived = typ, derived
}
