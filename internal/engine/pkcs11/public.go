package pkcs11

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"math/big"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// publicOf returns the SubjectPublicKeyInfo of the key of which an object is a
// half, as far as the object shows it: nil when it does not. A key of another
// spec is InvalidArgument.
func publicOf(ctx context.Context, s *pkcs11.Session, o pkcs11.Object, spec alg.Spec) ([]byte, error) {
	types := []pkcs11.AttributeType{pkcs11.AttrECPoint, pkcs11.AttrECParams, pkcs11.AttrPublicKeyInfo}
	if spec.Info().Family == alg.RSA {
		types = []pkcs11.AttributeType{pkcs11.AttrModulus, pkcs11.AttrPublicExponent, pkcs11.AttrPublicKeyInfo}
	}
	a, err := s.Attributes(ctx, o, types...)
	if err != nil {
		return nil, err
	}
	if len(a[0].Value) > 0 && len(a[1].Value) > 0 {
		public, err := readPublic(spec, a[0].Value, a[1].Value)
		if err != nil {
			return nil, err
		}
		return engine.MarshalPublic(spec, public)
	}
	if spec.Info().Family != alg.RSA && len(a[1].Value) > 0 && specOfCurve(a[1].Value) != spec {
		return nil, otherKey(spec)
	}
	if len(a[2].Value) > 0 {
		p, err := engine.ParsePublic(spec, a[2].Value)
		if err != nil {
			return nil, otherKey(spec)
		}
		return p.SPKI(), nil
	}
	return nil, nil
}

func otherKey(spec alg.Spec) error {
	return fault.New(fault.InvalidArgument, "the key material is not a key of type %s", spec)
}

// readPublic reads a public key: the modulus and the exponent of RSA, the point
// and the curve of the others.
func readPublic(spec alg.Spec, first, second []byte) (crypto.PublicKey, error) {
	if spec.Info().Family == alg.RSA {
		e := new(big.Int).SetBytes(second)
		k := &rsa.PublicKey{N: new(big.Int).SetBytes(first), E: int(e.Int64())}
		if e.BitLen() > 31 || engine.SpecOf(k) != spec {
			return nil, otherKey(spec)
		}
		return k, nil
	}
	if specOfCurve(second) != spec {
		return nil, otherKey(spec)
	}
	point := first
	in := cryptobyte.String(first) // the DER of an OCTET STRING, but some tokens give what is in it
	var inner cryptobyte.String
	if in.ReadASN1(&inner, asn1.OCTET_STRING) && in.Empty() {
		point = inner
	}
	return parsePoint(spec, point)
}

func parsePoint(spec alg.Spec, point []byte) (crypto.PublicKey, error) {
	switch spec {
	case alg.Ed25519:
		if len(point) == ed25519.PublicKeySize {
			return ed25519.PublicKey(append([]byte(nil), point...)), nil
		}
	case alg.Secp256k1:
		if k, err := secp256k1.ParsePubKey(point); err == nil {
			return k, nil
		}
	default:
		if c := goCurve(spec); c != nil {
			if k, err := ecdsa.ParseUncompressedPublicKey(c, point); err == nil {
				return k, nil
			}
		}
	}
	return nil, otherKey(spec)
}

func goCurve(spec alg.Spec) elliptic.Curve {
	return map[alg.Spec]elliptic.Curve{alg.P256: elliptic.P256(), alg.P384: elliptic.P384(), alg.P521: elliptic.P521()}[spec]
}

// specOfCurve returns the spec of a CKA_EC_PARAMS.
func specOfCurve(params []byte) alg.Spec {
	for spec, der := range curves() {
		if string(der) == string(params) {
			return spec
		}
	}
	if string(params) == edwards25519 {
		return alg.Ed25519
	}
	return alg.NoSpec
}
