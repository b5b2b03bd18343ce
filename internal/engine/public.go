package engine

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"

	"filippo.io/mldsa"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// PublicKey is the public half of a key, ready to verify and encrypt. It
// needs no engine: public keys are not secret.
type PublicKey struct {
	spec alg.Spec
	key  crypto.PublicKey
	spki []byte // as it was read
}

// Key returns the key as crypto/x509 and crypto/tls know it: *rsa.PublicKey,
// *ecdsa.PublicKey or ed25519.PublicKey; of the specs that they do not know,
// *secp256k1.PublicKey or *mldsa.PublicKey.
func (p *PublicKey) Key() crypto.PublicKey { return p.key }

// SPKI returns the key's SubjectPublicKeyInfo in DER, as it was read. It must
// not be changed.
func (p *PublicKey) SPKI() []byte { return p.spki }

// Spec returns the key's spec.
func (p *PublicKey) Spec() alg.Spec { return p.spec }

// ParsePublic reads the SubjectPublicKeyInfo (RFC 5280 section 4.1) of a key
// of the spec. It takes DER only, and EC points only uncompressed: what it
// reads, MarshalPublic writes back byte for byte.
func ParsePublic(spec alg.Spec, spki []byte) (*PublicKey, error) {
	pub, err := parsePublic(spec, spki)
	if err != nil {
		return nil, &fault.Error{
			Kind: fault.InvalidArgument, Op: "engine.ParsePublic", Public: "not a public key of type " + spec.String(), Err: err,
		}
	}
	again, err := MarshalPublic(spec, pub)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, spki) {
		return nil, fault.New(fault.InvalidArgument, "the public key is not in its canonical encoding")
	}
	return &PublicKey{spec, pub, bytes.Clone(spki)}, nil
}

// ParseForeign reads the SubjectPublicKeyInfo of a key from elsewhere, as
// strictly as ParsePublic and without being told its spec. A key of a known
// kind whose size the table does not have, such as RSA with 8,192 bits, has
// the spec NoSpec: no algorithm goes with it.
func ParseForeign(spki []byte) (*PublicKey, error) {
	for _, family := range []alg.Spec{alg.NoSpec, alg.MLDSA44, alg.Secp256k1} { // crypto/x509, and what it does not know
		pub, err := parsePublic(family, spki)
		if err != nil {
			continue
		}
		switch pub.(type) {
		case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey, *mldsa.PublicKey, *secp256k1.PublicKey:
		default:
			return nil, unknownPublic()
		}
		spec := SpecOf(pub)
		if again, err := marshalPublic(spec, pub); err != nil || !bytes.Equal(again, spki) {
			return nil, fault.New(fault.InvalidArgument, "the public key is not in its canonical encoding")
		}
		return &PublicKey{spec, pub, bytes.Clone(spki)}, nil
	}
	return nil, unknownPublic()
}

func unknownPublic() error {
	return fault.New(fault.Unsupported, "the public key is of a kind that is not known here")
}

func parsePublic(spec alg.Spec, spki []byte) (crypto.PublicKey, error) {
	switch spec.Info().Family {
	case alg.K256:
		return parseSecp256k1(spki)
	case alg.MLDSA:
		return parseMLDSA(spki)
	default: // crypto/x509 refuses what it does not know
		return x509.ParsePKIXPublicKey(spki)
	}
}

// MarshalPublic returns the SubjectPublicKeyInfo of a key in DER: RFC 3279
// and RFC 5480 for RSA and EC, RFC 8410 for Ed25519, SEC 1 with the OID of
// SEC 2 for secp256k1, RFC 9881 for ML-DSA. A key of another spec is an error.
func MarshalPublic(spec alg.Spec, pub crypto.PublicKey) ([]byte, error) {
	if got := SpecOf(pub); got != spec || spec == alg.NoSpec {
		return nil, fault.New(fault.InvalidArgument, "the public key is of type %q, not %q", got, spec)
	}
	spki, err := marshalPublic(spec, pub)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "engine.MarshalPublic", Err: err}
	}
	return spki, nil
}

func marshalPublic(spec alg.Spec, pub crypto.PublicKey) ([]byte, error) {
	switch spec.Info().Family {
	case alg.K256:
		return marshalSecp256k1(pub)
	case alg.MLDSA:
		return marshalMLDSA(pub)
	default:
		return x509.MarshalPKIXPublicKey(pub)
	}
}

// SpecOf returns the spec of a public key, or NoSpec for what the table does
// not have, such as RSA with 1,024 bits.
func SpecOf(pub crypto.PublicKey) alg.Spec {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return rsaSpec(k)
	case *ecdsa.PublicKey:
		return curveSpec(k.Curve)
	case ed25519.PublicKey:
		if len(k) == ed25519.PublicKeySize {
			return alg.Ed25519
		}
	case *secp256k1.PublicKey:
		return alg.Secp256k1
	}
	return mldsaSpec(pub)
}

func rsaSpec(k *rsa.PublicKey) alg.Spec {
	for _, s := range alg.Specs() {
		if info := s.Info(); info.Family == alg.RSA && k.N != nil && info.Bits == k.N.BitLen() {
			return s
		}
	}
	return alg.NoSpec
}

func curveSpec(c elliptic.Curve) alg.Spec {
	switch c {
	case elliptic.P256():
		return alg.P256
	case elliptic.P384():
		return alg.P384
	case elliptic.P521():
		return alg.P521
	}
	return alg.NoSpec
}
