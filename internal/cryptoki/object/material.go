package object

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"math/big"

	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

const octetString = asn1.OCTET_STRING

// Material returns the attribute of a key that its material has: PKCS #8 in DER
// of a private key, the bytes themselves of a secret key. Who asks has looked
// whether it may be shown.
func (o *Object) Material(t pkcs11.AttributeType, material []byte) ([]byte, error) {
	if o.Class == pkcs11.ClassSecretKey {
		return material, nil
	}
	k, err := x509.ParsePKCS8PrivateKey(material)
	if err != nil {
		return nil, pkcs11.RVFunctionFailed
	}
	switch k := k.(type) {
	case *rsa.PrivateKey:
		if v := component(k, t); v != nil {
			return v.Bytes(), nil
		}
	case *ecdsa.PrivateKey:
		if t == pkcs11.AttrValue {
			return k.Bytes()
		}
	case ed25519.PrivateKey:
		if t == pkcs11.AttrValue {
			return k.Seed(), nil
		}
	}
	return nil, pkcs11.RVAttributeTypeInvalid
}

func component(k *rsa.PrivateKey, t pkcs11.AttributeType) *big.Int {
	if len(k.Primes) != 2 {
		return nil
	}
	k.Precompute()
	switch t { //nolint:exhaustive // those of RSA's private half
	case pkcs11.AttrPrivateExponent:
		return k.D
	case pkcs11.AttrPrime1:
		return k.Primes[0]
	case pkcs11.AttrPrime2:
		return k.Primes[1]
	case pkcs11.AttrExponent1:
		return k.Precomputed.Dp
	case pkcs11.AttrExponent2:
		return k.Precomputed.Dq
	case pkcs11.AttrCoefficient:
		return k.Precomputed.Qinv
	}
	return nil
}

func (t Template) rsaPublic() (*rsa.PublicKey, error) {
	n, e := t.Bytes(pkcs11.AttrModulus), trimZeros(t.Bytes(pkcs11.AttrPublicExponent))
	if len(n) == 0 || len(e) == 0 {
		return nil, pkcs11.RVTemplateIncomplete
	}
	if len(e) > 4 || len(n) > maxModulus {
		return nil, pkcs11.RVAttributeValueInvalid
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
}

// maxModulus is the longest modulus in bytes.
const maxModulus = 1024

// SpecOfPrivate returns the spec of a private key that is PKCS #8 in DER.
func SpecOfPrivate(der []byte) (alg.Spec, error) {
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return 0, pkcs11.RVAttributeValueInvalid
	}
	signer, ok := k.(crypto.Signer)
	if !ok {
		return 0, pkcs11.RVKeyTypeInconsistent
	}
	if spec := engine.SpecOf(signer.Public()); spec != alg.NoSpec {
		return spec, nil
	}
	return 0, pkcs11.RVKeySizeRange
}

// Private returns the private key that a template of C_CreateObject has, as
// PKCS #8 in DER, and its spec. The caller clears it.
func (t Template) Private(key pkcs11.KeyType) ([]byte, alg.Spec, error) {
	k, spec, err := t.private(key)
	if err != nil {
		return nil, 0, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, 0, pkcs11.RVAttributeValueInvalid
	}
	return der, spec, nil
}

func (t Template) private(key pkcs11.KeyType) (any, alg.Spec, error) {
	if key == pkcs11.KeyRSA {
		return t.rsaPrivate()
	}
	spec := CurveOf(t.Bytes(pkcs11.AttrECParams))
	value := t.Bytes(pkcs11.AttrValue)
	switch {
	case key != pkcs11.KeyEC && key != pkcs11.KeyECEdwards:
		return nil, 0, pkcs11.RVAttributeValueInvalid
	case spec == alg.NoSpec, (spec == alg.Ed25519) != (key == pkcs11.KeyECEdwards):
		return nil, 0, pkcs11.RVCurveNotSupported
	case spec == alg.Ed25519 && len(value) != ed25519.SeedSize:
		return nil, 0, pkcs11.RVAttributeValueInvalid
	case spec == alg.Ed25519:
		return ed25519.NewKeyFromSeed(value), spec, nil
	}
	for _, c := range curves {
		if c.spec == spec {
			return t.ecPrivate(value, c.spec)
		}
	}
	return nil, 0, pkcs11.RVCurveNotSupported
}

func (t Template) ecPrivate(value []byte, spec alg.Spec) (any, alg.Spec, error) {
	size := (spec.Info().Bits + 7) / 8
	value = trimZeros(value)
	if len(value) == 0 || len(value) > size {
		return nil, 0, pkcs11.RVAttributeValueInvalid
	}
	padded := new(big.Int).SetBytes(value).FillBytes(make([]byte, size))
	defer clear(padded)
	for _, c := range curves {
		if c.spec == spec && c.curve != nil {
			k, err := ecdsa.ParseRawPrivateKey(c.curve, padded)
			if err != nil {
				return nil, 0, pkcs11.RVAttributeValueInvalid
			}
			return k, spec, nil
		}
	}
	return nil, 0, pkcs11.RVCurveNotSupported
}

func (t Template) rsaPrivate() (any, alg.Spec, error) {
	public, err := t.rsaPublic()
	if err != nil {
		return nil, 0, err
	}
	k := &rsa.PrivateKey{PublicKey: *public, D: new(big.Int).SetBytes(t.Bytes(pkcs11.AttrPrivateExponent))}
	for _, p := range []pkcs11.AttributeType{pkcs11.AttrPrime1, pkcs11.AttrPrime2} {
		if b := t.Bytes(p); len(b) > 0 && len(b) <= maxModulus {
			k.Primes = append(k.Primes, new(big.Int).SetBytes(b))
		}
	}
	if len(k.Primes) != 2 {
		return nil, 0, pkcs11.RVTemplateIncomplete
	}
	if err := k.Validate(); err != nil {
		return nil, 0, pkcs11.RVAttributeValueInvalid
	}
	spec, ok := map[int]alg.Spec{2048: alg.RSA2048, 3072: alg.RSA3072, 4096: alg.RSA4096}[public.N.BitLen()]
	if !ok {
		return nil, 0, pkcs11.RVKeySizeRange
	}
	return k, spec, nil
}
