package soft

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"sync"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// agreement is an opened key on a NIST curve that agrees.
type agreement struct {
	redacted
	spec alg.Spec
	// private makes crypto/ecdh's form of the key once: it computes the public
	// half, which a key that only signs does not need.
	private func() (*ecdh.PrivateKey, error)
}

var _ engine.Agreement = (*agreement)(nil)

func newAgreement(spec alg.Spec, k *ecdsa.PrivateKey) *agreement {
	return &agreement{spec: spec, private: sync.OnceValues(k.ECDH)}
}

// Shared returns what the key shares with a public key of its spec.
func (a *agreement) Shared(peer *engine.PublicKey) ([]byte, error) {
	if err := engine.CheckPeer(a.spec, peer); err != nil {
		return nil, err
	}
	other, err := peer.ECDH()
	if err != nil {
		return nil, err
	}
	k, err := a.private()
	if err != nil {
		return nil, internal("engine/soft.Shared", err)
	}
	secret, err := k.ECDH(other)
	if err != nil {
		return nil, internal("engine/soft.Shared", err)
	}
	return secret, nil
}
