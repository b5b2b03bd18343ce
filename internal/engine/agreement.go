package engine

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Agreement is a key's half of a key agreement.
type Agreement interface {
	// Shared returns the secret that the key shares with the owner of a public
	// key: the x coordinate Z of ECC CDH (NIST SP 800-56A section 5.7.1.2), as
	// long as a coordinate, with no key derivation after it. The curves have the
	// cofactor 1, so Z is that of plain ECDH. What CheckPeer refuses is refused.
	Shared(peer *PublicKey) ([]byte, error)
}

// CheckPeer refuses a public key with which a key of the spec cannot agree: one
// that is not of the same spec. That it is a point of its curve and not the one
// at infinity (SP 800-56A section 5.6.2.3.3) was seen to when it was read.
func CheckPeer(spec alg.Spec, peer *PublicKey) error {
	if err := usable(spec, alg.ECDH, alg.KeyAgreement); err != nil {
		return err
	}
	if peer == nil || peer.spec != spec {
		return unfitPeer(spec, nil)
	}
	return nil
}

// ParsePeer reads the SubjectPublicKeyInfo of the other side of an agreement,
// as ParsePublic does. What is no key of the spec is InvalidArgument with the
// reason UnfitPeer.
func ParsePeer(spec alg.Spec, spki []byte) (*PublicKey, error) {
	if err := usable(spec, alg.ECDH, alg.KeyAgreement); err != nil {
		return nil, err
	}
	p, err := ParsePublic(spec, spki)
	if err != nil {
		return nil, unfitPeer(spec, err)
	}
	return p, nil
}

func unfitPeer(spec alg.Spec, err error) error {
	return &fault.Error{
		Kind: fault.InvalidArgument, Reason: fault.UnfitPeer, Op: "engine.CheckPeer",
		Public: "the other side's public key is not a key of type " + spec.String(), Err: err,
	}
}

// ECDH returns the public key as crypto/ecdh has it, of the specs that agree.
func (p *PublicKey) ECDH() (*ecdh.PublicKey, error) {
	k, ok := p.key.(*ecdsa.PublicKey)
	if !ok {
		return nil, fault.Because(fault.InvalidArgument, fault.WrongAlgorithm, "algorithm %q does not go with a key of type %q", alg.ECDH, p.spec)
	}
	e, err := k.ECDH()
	return e, classify("engine.ECDH", fault.InvalidArgument, err)
}

// Agree returns the secret that a key of the spec shares with the owner of a
// public key. Nil is the Agreement of a key whose engine has none: Unsupported.
// A result that is no coordinate of the curve is an Internal error.
func Agree(spec alg.Spec, a Agreement, peer *PublicKey) ([]byte, error) {
	if err := CheckPeer(spec, peer); err != nil {
		return nil, err
	}
	if a == nil {
		return nil, fault.New(fault.Unsupported, "the key does not agree on secrets where it lives")
	}
	secret, err := a.Shared(peer)
	if err != nil {
		return nil, classify("engine.Agree", fault.Internal, err)
	}
	if size := SharedSize(spec); len(secret) != size {
		clear(secret)
		return nil, &fault.Error{Kind: fault.Internal, Op: "engine.Agree", Err: fmt.Errorf("a shared secret of %d bytes, not %d", len(secret), size)}
	}
	return secret, nil
}

// SharedSize returns the length of a shared secret in bytes.
func SharedSize(spec alg.Spec) int { return (spec.Info().Bits + 7) / 8 }

// RehearseAgreement has a key that was just taken agree with one of the moment,
// which shows that its public half is its own (SP 800-56A section 5.6.2.1.4).
func RehearseAgreement(a Agreement, public *PublicKey) error {
	own, err := public.ECDH()
	if err != nil {
		return err
	}
	other, err := own.Curve().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	want, err := other.ECDH(own)
	if err != nil {
		return err
	}
	defer clear(want)
	spki, err := x509.MarshalPKIXPublicKey(other.PublicKey())
	if err != nil {
		return err
	}
	peer, err := ParsePeer(public.spec, spki)
	if err != nil {
		return err
	}
	got, err := Agree(public.spec, a, peer)
	if err != nil {
		return err
	}
	defer clear(got)
	if subtle.ConstantTimeCompare(got, want) != 1 {
		return errors.New("the halves are not of one key: they do not agree")
	}
	return nil
}
