package enginetest

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// peer is the other side of a key agreement.
type peer struct {
	private *ecdh.PrivateKey
	public  *engine.PublicKey
}

// newPeer makes the other side for keys of the spec.
func newPeer(t *testing.T, spec alg.Spec) *peer {
	t.Helper()
	made, err := newPrivate(spec)
	if err != nil {
		t.Fatal(err)
	}
	k, ok := made.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatalf("%s does not agree", spec)
	}
	private, err := k.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public, err := engine.ParsePeer(spec, spki)
	if err != nil {
		t.Fatal(err)
	}
	return &peer{private, public}
}

// testAgreement asserts that both sides come to the same secret, that another
// peer gives another one, and that no key of another spec is taken.
func testAgreement(t *testing.T, spec alg.Spec, m engine.Material, a engine.Agreement) {
	own, err := public(t, spec, m).ECDH()
	if err != nil {
		t.Fatal(err)
	}
	var seen [][]byte
	for range 3 {
		other := newPeer(t, spec)
		want, err := other.private.ECDH(own)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the same each time
			got, err := engine.Agree(spec, a, other.public)
			if err != nil || !bytes.Equal(got, want) || len(got) != engine.SharedSize(spec) {
				t.Fatalf("Agree: %x, %v, want %x", got, err, want)
			}
		}
		for _, s := range seen {
			if bytes.Equal(s, want) {
				t.Error("two peers have the same secret")
			}
		}
		seen = append(seen, want)
	}
	if _, err := engine.Agree(spec, a, public(t, spec, m)); err != nil {
		t.Errorf("Agree with itself: %v", err) // as good a point as any
	}
	testUnfitPeers(t, spec, a)
}

// testUnfitPeers asserts that a public key that is no point of the curve is not
// even read, and that one of another spec is refused by the key itself.
func testUnfitPeers(t *testing.T, spec alg.Spec, a engine.Agreement) {
	want := func(err error, when string) {
		t.Helper()
		wantKind(t, err, fault.InvalidArgument, when)
		if fault.ReasonOf(err) != fault.UnfitPeer {
			t.Errorf("%s: %v, want the reason UnfitPeer", when, err)
		}
	}
	for name, spki := range UnfitPeers(t, spec) {
		_, err := engine.ParsePeer(spec, spki)
		want(err, name)
	}
	_, err := a.Shared(nil)
	want(err, "no peer")
	for _, other := range alg.Specs() {
		if other == spec || other.Symmetric() || other.Info().Family == alg.RSA {
			continue
		}
		spki := publicOf(t, other, NewPlain(t, other))
		p, err := engine.ParsePublic(other, spki)
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.Shared(p)
		want(err, "a peer of type "+other.String())
		_, err = engine.Agree(spec, a, p)
		want(err, "a peer of type "+other.String())
	}
}

// UnfitPeers returns, by what is wrong with them, SubjectPublicKeyInfos with
// which no key of the spec may agree: with a point beside the curve, each use
// would tell a part of the private key (Biehl, Meyer and Mueller, CRYPTO 2000).
func UnfitPeers(t testing.TB, spec alg.Spec) map[string][]byte {
	t.Helper()
	good, err := engine.ParsePublic(spec, publicOf(t, spec, NewPlain(t, spec)))
	if err != nil {
		t.Fatal(err)
	}
	e, err := good.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	point, size := e.Bytes(), engine.SharedSize(spec)
	changed := func(at int) []byte {
		p := bytes.Clone(point)
		p[at] ^= 1
		return p
	}
	random := bytes.Clone(point)
	_, _ = rand.Read(random[1:]) // never fails
	if spec == alg.P521 {
		random[1], random[1+size] = 0, 0
	}
	zero := make([]byte, len(point))
	zero[0] = 4
	all := map[string][]byte{}
	for name, p := range map[string][]byte{
		"a point beside the curve (x)": changed(size), "a point beside the curve (y)": changed(2 * size), "random coordinates": random,
		"coordinates of zero": zero, "a compressed point": append([]byte{2 + point[2*size]&1}, point[1:1+size]...),
		"the point at infinity": {0}, "no point": {}, "half a point": point[:1+size],
	} {
		all[name] = SPKIOfPoint(t, spec, p)
	}
	other := alg.P384
	if spec == other {
		other = alg.P256
	}
	all["nothing"], all["no DER"], all["a byte more"] = nil, []byte("key"), append(bytes.Clone(good.SPKI()), 0)
	all["another curve"], all["another kind of key"] = publicOf(t, other, NewPlain(t, other)), publicOf(t, alg.Ed25519, NewPlain(t, alg.Ed25519))
	return all
}

// SPKIOfPoint returns the SubjectPublicKeyInfo of a point, whatever it is, on
// the curve of the spec.
func SPKIOfPoint(t testing.TB, spec alg.Spec, point []byte) []byte {
	t.Helper()
	curve := map[alg.Spec]asn1.ObjectIdentifier{ // RFC 5480 section 2.1.1.1
		alg.P256: {1, 2, 840, 10045, 3, 1, 7}, alg.P384: {1, 3, 132, 0, 34}, alg.P521: {1, 3, 132, 0, 35},
	}[spec]
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1})
			b.AddASN1ObjectIdentifier(curve)
		})
		b.AddASN1BitString(point)
	})
	spki, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return spki
}
