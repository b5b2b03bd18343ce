package holdfast

import (
	"crypto/ecdh"
	"crypto/x509"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// Agreement returns the key as what agrees on a secret with another key of its
// curve (ECDH), or an error of the kind Unsupported. What ECDH returns is the
// shared x coordinate: derive keys from it, and do not use it as one.
func (k *Key) Agreement() (ecdh.KeyExchanger, error) {
	const op = "agreeing with"
	if k.exchange != nil { // of a curve that package alg does not have
		return exchange{k, k.exchange.PublicKey()}, nil
	}
	if k.key.Agreement == nil || len(k.of(alg.KeyAgreement)) == 0 {
		return nil, k.lacks(op, "agree on secrets")
	}
	public, err := k.public.ECDH()
	if err != nil {
		return nil, k.failed(op, err)
	}
	return exchange{k, public}, nil
}

// exchange is a key that agrees.
type exchange struct {
	key    *Key
	public *ecdh.PublicKey
}

var _ ecdh.KeyExchanger = exchange{}

// PublicKey returns the public half.
func (e exchange) PublicKey() *ecdh.PublicKey { return e.public }

// Curve returns the key's curve.
func (e exchange) Curve() ecdh.Curve { return e.public.Curve() }

// ECDH returns the secret shared with the owner of a public key.
func (e exchange) ECDH(peer *ecdh.PublicKey) ([]byte, error) {
	const op = "agreeing with"
	if peer == nil || peer.Curve() != e.Curve() {
		return nil, refuse(InvalidArgument, op, e.key.uri, "the other key is of another curve")
	}
	if e.key.exchange != nil {
		secret, err := e.key.exchange.ECDH(peer)
		return secret, e.key.failed(op, err)
	}
	der, err := x509.MarshalPKIXPublicKey(peer)
	if err != nil {
		return nil, e.key.failed(op, err)
	}
	other, err := engine.ParsePeer(e.key.spec, der)
	if err != nil {
		return nil, e.key.failed(op, err)
	}
	secret, err := engine.Agree(e.key.spec, e.key.key.Agreement, other)
	return secret, e.key.failed(op, err)
}
