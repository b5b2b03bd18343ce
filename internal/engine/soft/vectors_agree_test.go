package soft

import (
	"bytes"
	"crypto/ecdh"
	"crypto/x509"
	"math/big"
	"slices"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// runECDH has keys of the corpus agree with its points: the valid ones give the
// corpus's secret, the others are refused. Of the largest group, a quarter runs.
func runECDH(t *testing.T, c corpus) int {
	e := newEngine(t, Options{PureGo: true})
	keys := map[string]*engine.Key{} // the corpus has few, each for many points
	n := 0
	for _, g := range c.groups(t) {
		for _, v := range g.Tests {
			if slices.Contains(v.Flags, "EdgeCaseDoubling") && v.ID%4 != 0 {
				continue // hundreds that try the arithmetic of crypto/ecdh, 20 ms each with the race detector
			}
			n++
			peer, err := engine.ParsePeer(c.spec, enginetest.SPKIOfPoint(t, c.spec, v.Public))
			v.judge(t, err == nil, "reading the point")
			if err != nil {
				if fault.KindOf(err) != fault.InvalidArgument || fault.ReasonOf(err) != fault.UnfitPeer {
					t.Errorf("tcId %d: %v", v.ID, err)
				}
				continue
			}
			k := keys[string(v.Private)]
			if k == nil {
				k = importScalar(t, e, c.spec, v.Private)
				keys[string(v.Private)] = k
			}
			if got, err := engine.Agree(c.spec, k.Agreement, peer); err != nil || !bytes.Equal(got, v.Shared) {
				t.Errorf("tcId %d (%s): %x, %v, want %x", v.ID, v.Comment, got, err, v.Shared)
			}
		}
	}
	if len(keys) == 0 {
		t.Error("no vector is valid")
	}
	return n
}

// importScalar takes a private key of the corpus, a number of any length.
func importScalar(t *testing.T, e *Engine, spec alg.Spec, scalar []byte) *engine.Key {
	t.Helper()
	curve := map[alg.Spec]ecdh.Curve{alg.P256: ecdh.P256(), alg.P384: ecdh.P384(), alg.P521: ecdh.P521()}[spec]
	private, err := curve.NewPrivateKey(new(big.Int).SetBytes(scalar).FillBytes(make([]byte, engine.SharedSize(spec))))
	if err != nil {
		t.Fatalf("a private key of the corpus: %v", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	k, err := importKey(t, e, spec, der)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
