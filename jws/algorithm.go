package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of the algorithms
	_ "crypto/sha512"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// Algorithm is the value of the header "alg".
type Algorithm string

// The algorithms.
const (
	RS256 Algorithm = "RS256" // RSASSA-PKCS1-v1_5
	RS384 Algorithm = "RS384"
	RS512 Algorithm = "RS512"
	PS256 Algorithm = "PS256" // RSASSA-PSS, with a salt as long as the hash
	PS384 Algorithm = "PS384"
	PS512 Algorithm = "PS512"
	ES256 Algorithm = "ES256" // ECDSA over P-256
	ES384 Algorithm = "ES384" // over P-384
	ES512 Algorithm = "ES512" // over P-521
	EdDSA Algorithm = "EdDSA" // Ed25519 (RFC 8037)
	// Ed25519 is the other name of the same (RFC 9864). It is not chosen
	// unless it is asked for: few programs know it yet.
	Ed25519 Algorithm = "Ed25519"
)

// family is what algorithms have in common that keys of one type do.
type family int

const (
	pkcs1 family = iota + 1
	pss
	elliptical
	edwards
)

// scheme is how an algorithm signs.
type scheme struct {
	family family
	hash   crypto.Hash // 0: the message itself is signed
	curve  elliptic.Curve
}

// scheme returns how the algorithm signs; ok tells whether it is known.
func (a Algorithm) scheme() (s scheme, ok bool) {
	s, ok = map[Algorithm]scheme{
		RS256: {pkcs1, crypto.SHA256, nil}, RS384: {pkcs1, crypto.SHA384, nil}, RS512: {pkcs1, crypto.SHA512, nil},
		PS256: {pss, crypto.SHA256, nil}, PS384: {pss, crypto.SHA384, nil}, PS512: {pss, crypto.SHA512, nil},
		ES256: {elliptical, crypto.SHA256, elliptic.P256()},
		ES384: {elliptical, crypto.SHA384, elliptic.P384()},
		ES512: {elliptical, crypto.SHA512, elliptic.P521()},
		EdDSA: {edwards, 0, nil}, Ed25519: {edwards, 0, nil},
	}[a]
	return s, ok
}

// minRSA is the smallest RSA key in bits (RFC 7518 section 3.3).
const minRSA = 2048

// Algorithms returns what a public key can verify, the usual one first.
func Algorithms(public crypto.PublicKey) ([]Algorithm, error) {
	switch p := public.(type) {
	case *rsa.PublicKey:
		if p.N.BitLen() < minRSA {
			return nil, fmt.Errorf("an RSA key of %d bits does not sign JWS: it needs %d (RFC 7518 section 3.3)", p.N.BitLen(), minRSA)
		}
		return []Algorithm{RS256, PS256, RS384, RS512, PS384, PS512}, nil
	case *ecdsa.PublicKey:
		for _, a := range []Algorithm{ES256, ES384, ES512} {
			if s, _ := a.scheme(); s.curve == p.Curve {
				return []Algorithm{a}, nil
			}
		}
		return nil, fmt.Errorf("no algorithm of JWS is for keys over %s", p.Curve.Params().Name)
	case ed25519.PublicKey:
		return []Algorithm{EdDSA, Ed25519}, nil
	}
	return nil, fmt.Errorf("no algorithm of JWS is for keys of the type %T", public)
}

// fits checks that an algorithm is one of a public key.
func (a Algorithm) fits(public crypto.PublicKey) error {
	all, err := Algorithms(public)
	if err == nil && !slices.Contains(all, a) {
		err = fmt.Errorf("the algorithm %q is not one of the key: %q", a, all)
	}
	return err
}

// options returns what a crypto.Signer is told.
func (s scheme) options() crypto.SignerOpts {
	if s.family == pss {
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: s.hash}
	}
	return s.hash
}

// raw turns a signature of ECDSA from ASN.1 into the two numbers, each as long
// as the curve's order (RFC 7518 section 3.4).
func (s scheme) raw(der []byte) ([]byte, error) {
	var numbers struct{ R, S *big.Int }
	size := (s.curve.Params().N.BitLen() + 7) / 8
	rest, err := asn1.Unmarshal(der, &numbers)
	if err != nil || len(rest) > 0 || numbers.R.Sign() <= 0 || numbers.S.Sign() <= 0 ||
		numbers.R.BitLen() > size*8 || numbers.S.BitLen() > size*8 {
		return nil, errors.New("the key's signature is none of ECDSA")
	}
	b := make([]byte, 2*size)
	numbers.R.FillBytes(b[:size])
	numbers.S.FillBytes(b[size:])
	return b, nil
}

// verify checks a signature of digest, which is the message itself where the
// scheme has no hash.
func (s scheme) verify(public crypto.PublicKey, digest, signature []byte) bool {
	switch p := public.(type) {
	case *rsa.PublicKey:
		if s.family == pss {
			return rsa.VerifyPSS(p, s.hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(p, s.hash, digest, signature) == nil
	case *ecdsa.PublicKey:
		half := (s.curve.Params().N.BitLen() + 7) / 8
		if len(signature) != 2*half {
			return false
		}
		return ecdsa.Verify(p, digest, new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:]))
	case ed25519.PublicKey:
		return ed25519.Verify(p, digest, signature)
	}
	return false
}
