package azure

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// JSONWebKey is a key (RFC 7517), with Azure's own types and operations. Of a
// key that a vault shows only the public members are there.
type JSONWebKey struct {
	KID    string         `json:"kid,omitempty"`
	Type   KeyType        `json:"kty,omitempty"`
	Ops    []KeyOperation `json:"key_ops,omitempty"`
	N      Bytes          `json:"n,omitempty"`
	E      Bytes          `json:"e,omitempty"`
	Curve  CurveName      `json:"crv,omitempty"`
	X      Bytes          `json:"x,omitempty"`
	Y      Bytes          `json:"y,omitempty"`
	D      Bytes          `json:"d,omitempty"`
	P      Bytes          `json:"p,omitempty"`
	Q      Bytes          `json:"q,omitempty"`
	DP     Bytes          `json:"dp,omitempty"`
	DQ     Bytes          `json:"dq,omitempty"`
	QI     Bytes          `json:"qi,omitempty"`
	K      Bytes          `json:"k,omitempty"`
	KeyHSM Bytes          `json:"key_hsm,omitempty"` // a transfer blob: bring your own key
}

// Format shows what key it is, and nothing secret, whatever the verb.
func (k *JSONWebKey) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, string(k.Type)+" key "+k.KID)
}

// Clear overwrites the private members.
func (k *JSONWebKey) Clear() {
	for _, b := range []Bytes{k.D, k.P, k.Q, k.DP, k.DQ, k.QI, k.K} {
		clear(b)
	}
}

// maxModulus is the largest modulus that is read, in bytes.
const maxModulus = 2048

// Public returns the public half: *rsa.PublicKey, *ecdsa.PublicKey or
// *secp256k1.PublicKey; nil for a symmetric key, which has none.
func (k *JSONWebKey) Public() (crypto.PublicKey, error) {
	switch k.Type.Software() {
	case RSA:
		return k.rsaPublic()
	case EC:
		return k.ecPublic()
	case Oct:
		return nil, nil //nolint:nilnil // it has none, which is no error
	default:
		return nil, fmt.Errorf("a key of type %q is not known", k.Type)
	}
}

func (k *JSONWebKey) rsaPublic() (*rsa.PublicKey, error) {
	n, e := new(big.Int).SetBytes(k.N), new(big.Int).SetBytes(k.E)
	if len(k.N) > maxModulus || n.Sign() == 0 || n.Bit(0) == 0 || e.BitLen() > 31 || e.Bit(0) == 0 || e.Cmp(big.NewInt(1)) <= 0 {
		return nil, errors.New("not an RSA public key")
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

// point returns the public point in its uncompressed form (SEC 1 section 2.3.3).
// Coordinates are as long as the curve's field (RFC 7518 section 6.2.1.2);
// shorter ones are read too.
func (k *JSONWebKey) point() ([]byte, error) {
	size := (k.Curve.Spec().Info().Bits + 7) / 8
	if size == 0 || len(k.X) > size || len(k.Y) > size || len(k.X) == 0 || len(k.Y) == 0 {
		return nil, errors.New("not an EC public key")
	}
	point := make([]byte, 1+2*size)
	point[0] = 4
	copy(point[1+size-len(k.X):], k.X)
	copy(point[1+2*size-len(k.Y):], k.Y)
	return point, nil
}

func (k *JSONWebKey) ecPublic() (crypto.PublicKey, error) {
	point, err := k.point()
	if err != nil {
		return nil, err
	}
	if k.Curve == P256K {
		return secp256k1.ParsePubKey(point)
	}
	return ecdsa.ParseUncompressedPublicKey(curveOf(k.Curve), point)
}

func curveOf(name CurveName) elliptic.Curve {
	switch name {
	case P384:
		return elliptic.P384()
	case P521:
		return elliptic.P521()
	default: // P256: point has refused what is no curve, and P-256K is none of these
		return elliptic.P256()
	}
}

// Private returns the private key: *rsa.PrivateKey, *ecdsa.PrivateKey or
// *secp256k1.PrivateKey, whose public half is the one that the JSON has.
func (k *JSONWebKey) Private() (crypto.PrivateKey, error) {
	switch k.Type.Software() {
	case RSA:
		return k.rsaPrivate()
	case EC:
		return k.ecPrivate()
	case Oct:
		return nil, errors.New("a symmetric key is no private key")
	default:
		return nil, fmt.Errorf("a key of type %q is not known", k.Type)
	}
}

func (k *JSONWebKey) rsaPrivate() (*rsa.PrivateKey, error) {
	public, err := k.rsaPublic()
	if err != nil {
		return nil, err
	}
	if len(k.D) > maxModulus || len(k.P) > maxModulus || len(k.Q) > maxModulus {
		return nil, errors.New("not an RSA private key")
	}
	private := &rsa.PrivateKey{
		PublicKey: *public, D: new(big.Int).SetBytes(k.D),
		Primes: []*big.Int{new(big.Int).SetBytes(k.P), new(big.Int).SetBytes(k.Q)},
	}
	if err := private.Validate(); err != nil {
		return nil, fmt.Errorf("not an RSA private key: %w", err)
	}
	private.Precompute()
	return private, nil
}

func (k *JSONWebKey) ecPrivate() (crypto.PrivateKey, error) {
	point, err := k.point()
	if err != nil {
		return nil, err
	}
	size := (len(point) - 1) / 2
	if len(k.D) == 0 || len(k.D) > size {
		return nil, errors.New("not an EC private key")
	}
	d := make([]byte, size)
	defer clear(d)
	copy(d[size-len(k.D):], k.D)
	if k.Curve == P256K {
		var scalar secp256k1.ModNScalar
		if scalar.SetByteSlice(d) || scalar.IsZero() {
			return nil, errors.New("not an EC private key")
		}
		private := secp256k1.NewPrivateKey(&scalar)
		if string(private.PubKey().SerializeUncompressed()) != string(point) {
			return nil, errors.New("the halves are not of one key")
		}
		return private, nil
	}
	private, err := ecdsa.ParseRawPrivateKey(curveOf(k.Curve), d)
	if err != nil {
		return nil, err
	}
	if own, err := private.PublicKey.Bytes(); err != nil || string(own) != string(point) {
		return nil, errors.New("the halves are not of one key")
	}
	return private, nil
}

// NewJSONWebKey returns a key as JSON: of a private key with its private
// members, of a public one without, of bytes a symmetric key.
func NewJSONWebKey(key any, hsm bool) (*JSONWebKey, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return &JSONWebKey{Type: KeyTypeOf(alg.RSA2048, hsm), N: k.N.Bytes(), E: big.NewInt(int64(k.E)).Bytes()}, nil
	case *rsa.PrivateKey:
		return newRSA(k, hsm)
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			return nil, err
		}
		return newEC(CurveName(k.Params().Name), point, nil, hsm)
	case *ecdsa.PrivateKey:
		point, errPoint := k.PublicKey.Bytes()
		d, errD := k.Bytes()
		if err := errors.Join(errPoint, errD); err != nil {
			return nil, err
		}
		return newEC(CurveName(k.Params().Name), point, d, hsm)
	case *secp256k1.PublicKey:
		return newEC(P256K, k.SerializeUncompressed(), nil, hsm)
	case *secp256k1.PrivateKey:
		return newEC(P256K, k.PubKey().SerializeUncompressed(), k.Serialize(), hsm)
	case []byte:
		return &JSONWebKey{Type: KeyTypeOf(alg.AES256, hsm), K: append(Bytes(nil), k...)}, nil
	default:
		return nil, fmt.Errorf("a %T is no key of a vault", key)
	}
}

func newRSA(k *rsa.PrivateKey, hsm bool) (*JSONWebKey, error) {
	if len(k.Primes) != 2 {
		return nil, errors.New("an RSA key with other than two primes has no JSON here")
	}
	out, err := NewJSONWebKey(&k.PublicKey, hsm)
	if err != nil {
		return nil, err
	}
	k.Precompute()
	out.D, out.P, out.Q = k.D.Bytes(), k.Primes[0].Bytes(), k.Primes[1].Bytes()
	out.DP, out.DQ, out.QI = k.Precomputed.Dp.Bytes(), k.Precomputed.Dq.Bytes(), k.Precomputed.Qinv.Bytes()
	return out, nil
}

func newEC(curve CurveName, point, d []byte, hsm bool) (*JSONWebKey, error) {
	if curve.Spec() == alg.NoSpec {
		return nil, fmt.Errorf("a vault has no keys on %s", curve)
	}
	size := (len(point) - 1) / 2
	return &JSONWebKey{Type: KeyTypeOf(alg.P256, hsm), Curve: curve, X: point[1 : 1+size], Y: point[1+size:], D: d}, nil
}
