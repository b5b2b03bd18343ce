package pkcs11

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"math/big"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	k256 "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// publicHalf returns the SubjectPublicKeyInfo of a private key. Few tokens show
// the point of a private key that came in wrapped, and none has to. Two
// signatures tell it: of each, there are two keys to which it may belong (SEC 1
// section 4.1.6), and one that both share.
func (in *incoming) publicHalf(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) ([]byte, error) {
	spki, err := publicOf(ctx, s, o, in.kind.Spec)
	switch {
	case err != nil:
		return nil, err
	case spki != nil && in.known != nil && string(spki) != string(in.known):
		return nil, fmt.Errorf("the token shows another public half than the key has")
	case spki != nil:
		return spki, nil
	case in.known != nil:
		return in.known, nil
	}
	return recoverPublic(ctx, s, o, in.kind.Spec)
}

// recoverTries is how often signatures are asked for. One time in 2^128 the
// first ones do not tell.
const recoverTries = 3

func recoverPublic(ctx context.Context, s *pkcs11.Session, o pkcs11.Object, spec alg.Spec) ([]byte, error) {
	if f := spec.Info().Family; f != alg.EC && f != alg.K256 {
		return nil, fault.New(fault.Unsupported, "the HSM does not show the public half of a key of type %s", spec)
	}
	a := spec.For(alg.SignVerify)[0]
	for range recoverTries {
		var digests, raw [2][]byte
		for i := range digests {
			digests[i] = make([]byte, a.Info().Hash.Size())
			_, _ = rand.Read(digests[i]) // never fails
			var err error
			if raw[i], err = s.Sign(ctx, pkcs11.Mechanism{Type: pkcs11.MechECDSA}, o, digests[i]); err != nil {
				return nil, err
			}
		}
		second, err := engine.EncodeECDSA(spec, raw[1])
		if err != nil {
			return nil, err
		}
		for _, candidate := range candidates(spec, digests[0], raw[0]) {
			spki, err := engine.MarshalPublic(spec, candidate)
			if err != nil {
				continue
			}
			p, err := engine.ParsePublic(spec, spki)
			if err == nil && p.Verify(a, engine.Message{Form: alg.Digest, Bytes: digests[1]}, second) == nil {
				return spki, nil
			}
		}
	}
	return nil, fmt.Errorf("the token's signatures do not tell the public half of a key of type %s", spec)
}

// candidates returns the public keys to which a signature of a digest may
// belong.
func candidates(spec alg.Spec, digest, raw []byte) []crypto.PublicKey {
	var found []crypto.PublicKey
	c := goCurve(spec)
	for odd := range byte(2) {
		if c != nil {
			if k := recoverNIST(c, digest, raw, odd); k != nil {
				found = append(found, k)
			}
			continue
		}
		compact := append([]byte{27 + odd}, raw...)
		if k, _, err := k256.RecoverCompact(compact, digest); err == nil {
			found = append(found, k)
		}
	}
	return found
}

// recoverNIST returns r⁻¹(sR − eG) for the point R with the x coordinate r and
// the given y. All of it is public: nothing here has to take constant time.
func recoverNIST(c elliptic.Curve, digest, raw []byte, odd byte) *ecdsa.PublicKey {
	n := c.Params().N
	size := (c.Params().BitSize + 7) / 8
	r, s := new(big.Int).SetBytes(raw[:len(raw)/2]), new(big.Int).SetBytes(raw[len(raw)/2:])
	inverse := new(big.Int).ModInverse(r, n)
	if inverse == nil || r.BitLen() > 8*size {
		return nil
	}
	compressed := append([]byte{2 + odd}, r.FillBytes(make([]byte, size))...)
	x, y := elliptic.UnmarshalCompressed(c, compressed)
	if x == nil {
		return nil
	}
	e := new(big.Int).SetBytes(digest) // never longer than the order: of P-521 it is shorter
	u1 := new(big.Int).Mul(e.Neg(e), inverse)
	u2 := new(big.Int).Mul(s, inverse)
	x1, y1 := c.ScalarBaseMult(u1.Mod(u1, n).Bytes())   //nolint:staticcheck // of public numbers; crypto/ecdh does not add points
	x2, y2 := c.ScalarMult(x, y, u2.Mod(u2, n).Bytes()) //nolint:staticcheck // the same
	qx, qy := c.Add(x1, y1, x2, y2)                     //nolint:staticcheck // the same
	point := append([]byte{4}, append(qx.FillBytes(make([]byte, size)), qy.FillBytes(make([]byte, size))...)...)
	k, err := ecdsa.ParseUncompressedPublicKey(c, point)
	if err != nil {
		return nil
	}
	return k
}

// pointOf returns the point of a public key.
func pointOf(p *engine.PublicKey) []byte {
	switch k := p.Key().(type) {
	case *ecdsa.PublicKey:
		if b, err := k.Bytes(); err == nil {
			return b
		}
	case *secp256k1.PublicKey:
		return k.SerializeUncompressed()
	case ed25519.PublicKey:
		return k
	}
	return nil
}

// octets returns the DER of an OCTET STRING, in which CKA_EC_POINT is (PKCS #11
// 3.1 section 6.3.3).
func octets(b []byte) []byte {
	out := cryptobyte.NewBuilder(nil)
	out.AddASN1(asn1.OCTET_STRING, func(in *cryptobyte.Builder) { in.AddBytes(b) })
	der, err := out.Bytes()
	if err != nil {
		return nil // a short string always encodes
	}
	return der
}
