package soft

import (
	"bytes"
	"crypto/ecdh"
	"crypto/x509"
	"math/big"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// runECDH has keys of the corpus agree with its points: the valid ones give the
// corpus's secret, the others are refused.
func runECDH(t *testing.T, c corpus) int {
	curve := map[alg.Spec]ecdh.Curve{alg.P256: ecdh.P256(), alg.P384: ecdh.P384(), alg.P521: ecdh.P521()}[c.spec]
	e := newEngine(t, Options{PureGo: true})
	n, valid := 0, 0
	for _, g := range c.groups(t) {
		for _, v := range g.Tests {
			n++
			peer, err := engine.ParsePeer(c.spec, enginetest.SPKIOfPoint(t, c.spec, v.Public))
			v.judge(t, err == nil, "reading the point")
			if err != nil {
				if fault.KindOf(err) != fault.InvalidArgument || fault.ReasonOf(err) != fault.UnfitPeer {
					t.Errorf("tcId %d: %v", v.ID, err)
				}
				continue
			}
			valid++
			d := new(big.Int).SetBytes(v.Private).FillBytes(make([]byte, engine.SharedSize(c.spec)))
			private, err := curve.NewPrivateKey(d)
			if err != nil {
				t.Fatalf("tcId %d: a private key of the corpus: %v", v.ID, err)
			}
			der, err := x509.MarshalPKCS8PrivateKey(private)
			if err != nil {
				t.Fatal(err)
			}
			k, err := importKey(t, e, c.spec, der)
			if err != nil {
				t.Fatalf("tcId %d: %v", v.ID, err)
			}
			if got, err := engine.Agree(c.spec, k.Agreement, peer); err != nil || !bytes.Equal(got, v.Shared) {
				t.Errorf("tcId %d (%s): %x, %v, want %x", v.ID, v.Comment, got, err, v.Shared)
			}
		}
	}
	if valid == 0 {
		t.Error("no vector is valid")
	}
	return n
}
