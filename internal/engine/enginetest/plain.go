package enginetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"sync"
	"testing"

	"filippo.io/mldsa"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// rsaKeys are two RSA keys of each size, made when they are first asked for:
// making one takes seconds with the race detector, and what is tested with them
// is not how they are made.
var rsaKeys = map[int][2]func() (*rsa.PrivateKey, error){2048: twoRSA(2048), 3072: twoRSA(3072), 4096: twoRSA(4096)}

func twoRSA(bits int) [2]func() (*rsa.PrivateKey, error) {
	generate := func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, bits) }
	return [2]func() (*rsa.PrivateKey, error){sync.OnceValues(generate), sync.OnceValues(generate)}
}

// otherRSA returns an RSA key that NewPlain does not.
func otherRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsaKeys[bits][1]()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// NewPlain returns a key of the spec in its plain form, made outside of any
// engine: a new one, but of RSA the same one again.
func NewPlain(t testing.TB, spec alg.Spec) []byte {
	t.Helper()
	if spec.Symmetric() {
		secret := make([]byte, spec.Info().Bits/8)
		_, _ = rand.Read(secret) // never fails
		return secret
	}
	private, err := newPrivate(spec)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := engine.MarshalPlain(private)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func newPrivate(spec alg.Spec) (crypto.PrivateKey, error) {
	switch info := spec.Info(); info.Family {
	case alg.RSA:
		return rsaKeys[info.Bits][0]()
	case alg.K256:
		return secp256k1.GeneratePrivateKeyFromRand(rand.Reader)
	case alg.EdDSA:
		_, k, err := ed25519.GenerateKey(rand.Reader)
		return k, err
	case alg.MLDSA:
		params, _ := engine.MLDSAParameters(spec)
		return mldsa.GenerateKey(params)
	default:
		return ecdsa.GenerateKey(map[alg.Spec]elliptic.Curve{
			alg.P256: elliptic.P256(), alg.P384: elliptic.P384(), alg.P521: elliptic.P521(),
		}[spec], rand.Reader)
	}
}

// publicOf returns the SubjectPublicKeyInfo of a plain key; nil of a symmetric
// one.
func publicOf(t testing.TB, spec alg.Spec, plain []byte) []byte {
	t.Helper()
	if spec.Symmetric() {
		return nil
	}
	p, err := engine.ParsePlain(spec, plain)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := engine.MarshalPublic(spec, p.Public)
	if err != nil {
		t.Fatal(err)
	}
	return spki
}

// exponent3 returns the plain form of an RSA-2048 key with the public exponent
// 3, which is sound in all else.
func exponent3(t testing.TB) []byte {
	t.Helper()
	one, e := big.NewInt(1), big.NewInt(3)
	for {
		p, errP := rand.Prime(rand.Reader, 1024)
		q, errQ := rand.Prime(rand.Reader, 1024)
		if errP != nil || errQ != nil {
			t.Fatal(errP, errQ)
		}
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(e, phi)
		if d == nil {
			continue
		}
		k := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 3}, D: d, Primes: []*big.Int{p, q}}
		k.Precompute()
		plain, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return plain
	}
}
