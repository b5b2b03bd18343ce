package engine

import (
	"crypto"
	"errors"

	"filippo.io/mldsa"
	"filippo.io/mldsa/mldsacrypto"
	mldsax509 "filippo.io/mldsa/x509"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// This file, plain.go, engine/soft/mldsa.go and what makes throw-away keys
// (lint/throwaway.go) are all that know the ML-DSA library, which is Go's own code ahead of its release: built with Go 1.27 it is a thin
// layer over crypto/mldsa, which has the same API and can take its place.

// muSize is the length of mu in bytes (FIPS 204 algorithm 7, line 6).
const muSize = 64

// MLDSAParameters returns the library's name of a spec, and whether the spec
// is an ML-DSA one.
func MLDSAParameters(spec alg.Spec) (mldsa.Parameters, bool) {
	switch spec { //nolint:exhaustive // only the ML-DSA specs have parameters
	case alg.MLDSA44:
		return mldsa.MLDSA44(), true
	case alg.MLDSA65:
		return mldsa.MLDSA65(), true
	case alg.MLDSA87:
		return mldsa.MLDSA87(), true
	}
	return mldsa.Parameters{}, false
}

// mldsaSpec returns the spec of an ML-DSA key, or NoSpec for another key.
func mldsaSpec(pub crypto.PublicKey) alg.Spec {
	k, ok := pub.(*mldsa.PublicKey)
	if !ok {
		return alg.NoSpec
	}
	for _, s := range alg.Specs() {
		if p, ok := MLDSAParameters(s); ok && p == k.Parameters() {
			return s
		}
	}
	return alg.NoSpec
}

// parseMLDSA reads a SubjectPublicKeyInfo of RFC 9881 section 4.
func parseMLDSA(spki []byte) (crypto.PublicKey, error) {
	pub, err := mldsax509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, err
	}
	if k, ok := pub.(*mldsa.PublicKey); ok {
		return k, nil
	}
	return nil, errors.New("not an ML-DSA key")
}

func marshalMLDSA(pub crypto.PublicKey) ([]byte, error) { return mldsax509.MarshalPKIXPublicKey(pub) }

// mldsaOptions returns the options that say in which form the message comes.
func mldsaOptions(f alg.Form) crypto.SignerOpts {
	if f == alg.ExternalMu {
		return mldsacrypto.MLDSAMu
	}
	return crypto.Hash(0)
}

// FormOf returns the form of the message that comes with options as Options
// makes them.
func FormOf(opts crypto.SignerOpts) alg.Form {
	switch opts.HashFunc() {
	case 0:
		return alg.Raw
	case mldsacrypto.MLDSAMu:
		return alg.ExternalMu
	default:
		return alg.Digest
	}
}

// verifyMLDSA checks a signature of a message, or of its mu, with the empty
// context.
func verifyMLDSA(k *mldsa.PublicKey, m Message, signature []byte) bool {
	if m.Form == alg.ExternalMu {
		return verifyMu(mldsaSpec(k), k.Bytes(), m.Bytes, signature)
	}
	return mldsa.Verify(k, m.Bytes, signature, nil) == nil
}

// mldsaForm reports whether options ask for what the table has: a message or
// an external mu, and the empty context.
func mldsaForm(opts crypto.SignerOpts) bool {
	if o, ok := opts.(*mldsa.Options); ok && o.Context != "" {
		return false
	}
	h := opts.HashFunc()
	return h == 0 || h == mldsacrypto.MLDSAMu
}
