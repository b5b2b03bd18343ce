package soft

import (
	"crypto"
	"fmt"

	"filippo.io/mldsa"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Signatures are the hedged ones (FIPS 204 section 3.4): each has fresh
// randomness. See engine/mldsa.go on the library.

func generateMLDSA(spec alg.Spec) (*secret, error) {
	params, _ := engine.MLDSAParameters(spec)
	k, err := mldsa.GenerateKey(params)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "engine/soft.Generate", Err: err}
	}
	return &secret{encoded: k.Bytes(), public: k.PublicKey()}, nil
}

func parseMLDSA(spec alg.Spec, seed []byte) (crypto.Signer, error) {
	params, ok := engine.MLDSAParameters(spec)
	if !ok {
		return nil, fmt.Errorf("%q is no ML-DSA key type", spec)
	}
	return mldsa.NewPrivateKey(params, seed)
}
