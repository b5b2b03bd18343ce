package sshkey

import (
	"crypto"
	"fmt"
	"io"
	"slices"

	"golang.org/x/crypto/ssh"
)

// Signer is a key with the algorithms that it uses, the preferred one first.
// It is an ssh.Signer and an ssh.MultiAlgorithmSigner.
type Signer struct {
	signer     ssh.AlgorithmSigner
	algorithms []string
}

var _ ssh.MultiAlgorithmSigner = (*Signer)(nil)

// NewSigner returns a key for SSH: RSA, ECDSA over P-256, P-384 or P-521, or
// Ed25519. Without algorithms it uses all that are its own, but for RSA with
// SHA-1: rsa-sha2-512 and rsa-sha2-256. A key that its place restricts to one
// of them has to be given it.
func NewSigner(key crypto.Signer, algorithms ...string) (*Signer, error) {
	s, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		return nil, err
	}
	all := algorithmsOf(s.PublicKey())
	for _, a := range algorithms {
		if !slices.Contains(all, a) {
			return nil, fmt.Errorf("the algorithm %q is not one of the key's: %q", a, all)
		}
	}
	if len(algorithms) == 0 {
		algorithms = all
	}
	if a, ok := s.(ssh.AlgorithmSigner); ok && len(algorithms) > 0 {
		return &Signer{a, slices.Clone(algorithms)}, nil
	}
	return nil, fmt.Errorf("keys of the type %T do not sign for SSH", key.Public())
}

// algorithmsOf returns what a public key may be used with.
func algorithmsOf(public ssh.PublicKey) []string {
	switch t := public.Type(); t {
	case ssh.KeyAlgoRSA:
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	case ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoED25519:
		return []string{t}
	}
	return nil
}

// PublicKey returns the public key.
func (s *Signer) PublicKey() ssh.PublicKey { return s.signer.PublicKey() }

// Algorithms returns the algorithms, the preferred one first.
func (s *Signer) Algorithms() []string { return slices.Clone(s.algorithms) }

// Sign signs with the preferred algorithm.
func (s *Signer) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return s.SignWithAlgorithm(rand, data, s.algorithms[0])
}

// SignWithAlgorithm signs with one of the algorithms.
func (s *Signer) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	if !slices.Contains(s.algorithms, algorithm) {
		return nil, fmt.Errorf("the algorithm %q is not one of the key's: %q", algorithm, s.algorithms)
	}
	return s.signer.SignWithAlgorithm(rand, data, algorithm)
}
