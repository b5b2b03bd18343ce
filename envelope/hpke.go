package envelope

import (
	"context"
	"crypto/ecdh"
	"crypto/hpke"
	"fmt"
)

// hpkeMethod returns the method of a curve.
func hpkeMethod(c ecdh.Curve) (Method, error) {
	m, ok := map[ecdh.Curve]Method{ecdh.P256(): HPKEP256, ecdh.P384(): HPKEP384, ecdh.P521(): HPKEP521, ecdh.X25519(): HPKEX25519}[c]
	if !ok {
		return "", fmt.Errorf("no method is for keys over %s", c)
	}
	return m, nil
}

// HPKE is the public half of a key that agrees on secrets (ECDH), as a
// Recipient. It wraps here, without asking whoever has the private half.
type HPKE struct {
	uri    string
	public hpke.PublicKey
	method Method
}

var _ Recipient = (*HPKE)(nil)

// NewHPKE returns the public half of the ECDH key that the URI names.
func NewHPKE(uri string, public *ecdh.PublicKey) (*HPKE, error) {
	method, err := hpkeMethod(public.Curve())
	if err != nil {
		return nil, err
	}
	p, err := hpke.DHKEM(public.Curve()).NewPublicKey(public.Bytes())
	if err != nil {
		return nil, err
	}
	return &HPKE{uri, p, method}, nil
}

// URI returns where the private half is.
func (k *HPKE) URI() string { return k.uri }

// Wrap encrypts a file key, with the binding as the info.
func (k *HPKE) Wrap(_ context.Context, fileKey, binding []byte) (Method, []byte, error) {
	wrapped, err := hpke.Seal(k.public, hpke.HKDFSHA256(), hpke.AES256GCM(), binding, fileKey)
	return k.method, wrapped, err
}

// HPKEIdentity is the private half of a key that agrees on secrets.
type HPKEIdentity struct {
	uri string
	key ecdh.KeyExchanger
}

var _ Identity = (*HPKEIdentity)(nil)

// NewHPKEIdentity returns the private half of the ECDH key that the URI names.
func NewHPKEIdentity(uri string, k ecdh.KeyExchanger) *HPKEIdentity { return &HPKEIdentity{uri, k} }

// URI returns where the key is.
func (k *HPKEIdentity) URI() string { return k.uri }

// Unwrap decrypts a file key.
func (k *HPKEIdentity) Unwrap(_ context.Context, s Stanza, binding []byte) ([]byte, error) {
	if method, err := hpkeMethod(k.key.Curve()); err != nil || method != s.Method {
		return nil, fmt.Errorf("%s: %w", s.Method, ErrMethod)
	}
	private, err := hpke.NewDHKEMPrivateKey(k.key)
	if err != nil {
		return nil, err
	}
	return hpke.Open(private, hpke.HKDFSHA256(), hpke.AES256GCM(), binding, s.Wrapped)
}
