package object

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"math/big"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Public is a public key as attributes show it.
type Public struct {
	// SPKI is the SubjectPublicKeyInfo in DER.
	SPKI []byte
	Key  crypto.PublicKey
	Type pkcs11.KeyType
	Bits int
	Spec alg.Spec // alg.NoSpec for one that the table does not have

	modulus, exponent []byte // big-endian
	curve             []byte // CKA_EC_PARAMS
	point             []byte // CKA_EC_POINT: the point in an OCTET STRING
}

// The curves by their CKA_EC_PARAMS: the DER of their object identifier (RFC
// 5480 section 2.1.1.1). Edwards25519 is known by its name, too (PKCS #11
// version 3.0, section 2.3.3).
var curves = []struct {
	params string
	spec   alg.Spec
	curve  elliptic.Curve
}{
	{"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", alg.P256, elliptic.P256()},
	{"\x06\x05\x2b\x81\x04\x00\x22", alg.P384, elliptic.P384()},
	{"\x06\x05\x2b\x81\x04\x00\x23", alg.P521, elliptic.P521()},
	{edwardsName, alg.Ed25519, nil},
	{"\x06\x03\x2b\x65\x70", alg.Ed25519, nil},
}

const edwardsName = "\x13\x0cedwards25519"

// CurveOf returns the spec of the keys on a curve of CKA_EC_PARAMS, or
// alg.NoSpec.
func CurveOf(params []byte) alg.Spec {
	for _, c := range curves {
		if c.params == string(params) {
			return c.spec
		}
	}
	return alg.NoSpec
}

// paramsOf is the reverse of CurveOf.
func paramsOf(spec alg.Spec) []byte {
	for _, c := range curves {
		if c.spec == spec {
			return []byte(c.params)
		}
	}
	return nil
}

// ParsePublic reads a SubjectPublicKeyInfo in DER. Of RSA, the NIST curves and
// Ed25519; of others the error is pkcs11.RVKeyTypeInconsistent.
func ParsePublic(spki []byte) (*Public, error) {
	k, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, pkcs11.RVKeyTypeInconsistent
	}
	p := &Public{SPKI: spki, Key: k, Spec: engine.SpecOf(k)}
	switch k := k.(type) {
	case *rsa.PublicKey:
		p.Type, p.Bits = pkcs11.KeyRSA, k.N.BitLen()
		p.modulus, p.exponent = k.N.Bytes(), big.NewInt(int64(k.E)).Bytes()
		return p, nil
	case *ecdsa.PublicKey:
		p.Type, p.Bits, p.curve = pkcs11.KeyEC, k.Curve.Params().BitSize, paramsOf(p.Spec)
		point, err := k.Bytes()
		if err != nil || p.curve == nil {
			return nil, pkcs11.RVKeyTypeInconsistent
		}
		p.point, err = asn1.Marshal(point)
		return p, err
	case ed25519.PublicKey:
		p.Type, p.Bits, p.curve = pkcs11.KeyECEdwards, 256, []byte(edwardsName)
		p.point, err = asn1.Marshal([]byte(k))
		return p, err
	}
	return nil, pkcs11.RVKeyTypeInconsistent
}

// point turns a public point on the curve of a spec into a
// SubjectPublicKeyInfo in DER.
func spkiOf(spec alg.Spec, point []byte) ([]byte, error) {
	if spec == alg.Ed25519 {
		if len(point) != ed25519.PublicKeySize {
			return nil, pkcs11.RVAttributeValueInvalid
		}
		return x509.MarshalPKIXPublicKey(ed25519.PublicKey(point))
	}
	for _, c := range curves {
		if c.spec == spec && c.curve != nil {
			k, err := ecdsa.ParseUncompressedPublicKey(c.curve, point)
			if err != nil {
				return nil, pkcs11.RVAttributeValueInvalid
			}
			return x509.MarshalPKIXPublicKey(k)
		}
	}
	return nil, pkcs11.RVCurveNotSupported
}

// SPKIOfPoint turns a public point, uncompressed, on the curve of a public key
// into a SubjectPublicKeyInfo in DER.
func (p *Public) SPKIOfPoint(point []byte) ([]byte, error) {
	return spkiOf(p.Spec, point)
}
