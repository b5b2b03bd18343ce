package engine

import (
	"crypto"
	"errors"
	"fmt"
	"math/big"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// EncodeECDSA turns r and s, each as long as the order (IEEE 1363, the form of
// PKCS #11, JOSE and Azure), into DER. On secp256k1 it returns the lower of the
// two values of s, as engine/soft does: every verifier takes that one, and some
// demand it.
func EncodeECDSA(spec alg.Spec, raw []byte) ([]byte, error) {
	if len(raw) == 0 || len(raw)%2 != 0 || len(raw) > 2*66 {
		return nil, fmt.Errorf("an ECDSA signature of %d bytes is not a pair of numbers", len(raw))
	}
	r, s := new(big.Int).SetBytes(raw[:len(raw)/2]), new(big.Int).SetBytes(raw[len(raw)/2:])
	var low secp256k1.ModNScalar
	if spec == alg.Secp256k1 && !low.SetByteSlice(raw[len(raw)/2:]) && low.IsOverHalfOrder() {
		b := low.Negate().Bytes()
		s.SetBytes(b[:])
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, len(raw)+9))
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(r)
		b.AddASN1BigInt(s)
	})
	return b.Bytes()
}

// DecodeECDSA is the reverse of EncodeECDSA: r and s, each as long as the
// order of the spec's curve. What is no DER signature of that curve is an
// error.
func DecodeECDSA(spec alg.Spec, der []byte) ([]byte, error) {
	size := (spec.Info().Bits + 7) / 8
	var r, s big.Int
	var inner cryptobyte.String
	in := cryptobyte.String(der)
	if !in.ReadASN1(&inner, asn1.SEQUENCE) || !in.Empty() || !inner.ReadASN1Integer(&r) || !inner.ReadASN1Integer(&s) || !inner.Empty() {
		return nil, errors.New("not an ECDSA signature in DER")
	}
	if r.Sign() <= 0 || s.Sign() <= 0 || r.BitLen() > 8*size || s.BitLen() > 8*size {
		return nil, fmt.Errorf("not an ECDSA signature by a key of type %s", spec)
	}
	raw := make([]byte, 2*size)
	r.FillBytes(raw[:size])
	s.FillBytes(raw[size:])
	return raw, nil
}

// DigestInfo returns what RSASSA-PKCS1-v1_5 signs of a digest of SHA-1 or SHA-2
// (RFC 8017 section 9.2, note 1): the DER of the hash's name and the digest. Of
// crypto.MD5SHA1 and of no hash it is the digest itself.
func DigestInfo(h crypto.Hash, digest []byte) []byte {
	switch h { //nolint:exhaustive // the others are SHA-2
	case 0, crypto.MD5SHA1:
		return digest
	case crypto.SHA1:
		return append([]byte{0x30, 33, 0x30, 9, 0x06, 5, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 20}, digest...)
	}
	last := map[crypto.Hash]byte{crypto.SHA256: 1, crypto.SHA384: 2, crypto.SHA512: 3, crypto.SHA224: 4}[h]
	size := byte(len(digest)) //nolint:gosec // at most 64, and checked
	prefix := []byte{
		0x30, 17 + size, 0x30, 13, 0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, last, 0x05, 0x00, 0x04, size,
	}
	return append(prefix, digest...)
}
