package engine

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"encoding/asn1"
	"errors"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/titanous/rocacheck"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// privateKeyInfo is the frame of a PKCS #8 key (OneAsymmetricKey, RFC 5958
// section 2). crypto/x509 reads the keys themselves, but neither secp256k1 nor
// the public half that a file may carry beside the private one.
type privateKeyInfo struct {
	Redacted
	algorithm asn1.ObjectIdentifier
	curve     asn1.ObjectIdentifier // the parameter of id-ecPublicKey, else nil
	private   []byte                // the content of privateKey
	public    []byte                // publicKey's bits, nil when it is not there
}

// The context-specific tags of RFC 5958 section 2 and of SEC 1 section C.4.
const (
	tagAttributes = cbasn1.Tag(0) | cbasn1.Tag(0x80) | cbasn1.Tag(0x20)
	tagPublicKey  = cbasn1.Tag(1) | cbasn1.Tag(0x80)
	tagParameters = tagAttributes
	tagPoint      = cbasn1.Tag(1) | cbasn1.Tag(0x80) | cbasn1.Tag(0x20)
)

var errPKCS8 = errors.New("not a PKCS #8 key in DER")

func readPrivateKeyInfo(der []byte) (*privateKeyInfo, error) {
	in := cryptobyte.String(der)
	var info, algorithm, private, public cryptobyte.String
	var version int64
	var k privateKeyInfo
	var carried bool
	if !in.ReadASN1(&info, cbasn1.SEQUENCE) || !in.Empty() ||
		!info.ReadASN1Int64WithTag(&version, cbasn1.INTEGER) || version < 0 || version > 1 ||
		!info.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&k.algorithm) ||
		!info.ReadASN1(&private, cbasn1.OCTET_STRING) ||
		!info.SkipOptionalASN1(tagAttributes) ||
		!info.ReadOptionalASN1(&public, &carried, tagPublicKey) || !info.Empty() {
		return nil, errPKCS8
	}
	if k.algorithm.Equal(idECPublicKey()) && !algorithm.ReadASN1ObjectIdentifier(&k.curve) {
		return nil, errPKCS8
	}
	k.private = private
	if carried {
		if len(public) == 0 || public[0] != 0 {
			return nil, errPKCS8
		}
		k.public = public[1:]
	}
	if k.curve != nil {
		_, point, err := readECPrivateKey(k.private)
		if err != nil {
			return nil, err
		}
		if point != nil {
			k.public = point
		}
	}
	return &k, nil
}

// readECPrivateKey reads an ECPrivateKey (RFC 5915 section 3): the scalar, and
// the point where it is there.
func readECPrivateKey(der []byte) (scalar, point []byte, err error) {
	in := cryptobyte.String(der)
	var body, d, wrapped cryptobyte.String
	var version int64
	var carried bool
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() ||
		!body.ReadASN1Int64WithTag(&version, cbasn1.INTEGER) || version != 1 ||
		!body.ReadASN1(&d, cbasn1.OCTET_STRING) || !body.SkipOptionalASN1(tagParameters) ||
		!body.ReadOptionalASN1(&wrapped, &carried, tagPoint) || !body.Empty() {
		return nil, nil, errPKCS8
	}
	if carried && (!wrapped.ReadASN1BitStringAsBytes(&point) || !wrapped.Empty()) {
		return nil, nil, errPKCS8
	}
	return d, point, nil
}

// secp256k1 returns the scalar of a key on that curve, in 32 bytes.
func (k *privateKeyInfo) secp256k1() ([]byte, error) {
	if !k.curve.Equal(idSecp256k1()) {
		return nil, fault.New(fault.InvalidArgument, "the key material is not a key of type secp256k1")
	}
	d, _, err := readECPrivateKey(k.private)
	if err != nil {
		return nil, err
	}
	var scalar secp256k1.ModNScalar
	defer scalar.Zero()
	if len(d) != secp256k1.PrivKeyBytesLen || scalar.SetByteSlice(d) || scalar.IsZero() {
		return nil, errors.New("not a scalar of secp256k1")
	}
	return bytes.Clone(d), nil
}

// agrees checks that the public half that the material carries, if it does,
// is that of its private half.
func (k *privateKeyInfo) agrees(public crypto.PublicKey) error {
	if k.public == nil {
		return nil
	}
	spki, err := MarshalPublic(SpecOf(public), public)
	if err != nil {
		return err
	}
	in := cryptobyte.String(spki)
	var info cryptobyte.String
	var bits []byte
	if !in.ReadASN1(&info, cbasn1.SEQUENCE) || !info.SkipASN1(cbasn1.SEQUENCE) || !info.ReadASN1BitStringAsBytes(&bits) {
		return errPKCS8
	}
	if !samePoint(k.public, bits) {
		return fault.New(fault.InvalidArgument, "the private key and the public key of the material are not a pair")
	}
	return nil
}

// samePoint compares public keys; given may be an EC point in compressed form,
// which is the sign of y and x (SEC 1 section 2.3.3).
func samePoint(given, public []byte) bool {
	if len(given) == (len(public)+1)/2 && public[0] == 4 && (given[0] == 2 || given[0] == 3) {
		return given[0]&1 == public[len(public)-1]&1 && bytes.Equal(given[1:], public[1:len(given)])
	}
	return bytes.Equal(given, public)
}

// writeSecp256k1 returns the PKCS #8 form of a key, with the public key.
func writeSecp256k1(k *secp256k1.PrivateKey) ([]byte, error) {
	d := k.Serialize()
	defer clear(d)
	b := cryptobyte.NewBuilder(make([]byte, 0, 160))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(idECPublicKey())
			b.AddASN1ObjectIdentifier(idSecp256k1())
		})
		b.AddASN1(cbasn1.OCTET_STRING, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1)
				b.AddASN1OctetString(d)
				b.AddASN1(tagPoint, func(b *cryptobyte.Builder) { b.AddASN1BitString(k.PubKey().SerializeUncompressed()) })
			})
		})
	})
	return b.Bytes()
}

// primeRounds makes a composite pass as a prime with a probability below
// 2^-128 even if somebody chose it for that (FIPS 186-5 table B.1 asks for
// less of random candidates).
const primeRounds = 64

// checkRSA refuses RSA keys that FIPS 186-5 appendix A.1.1 would not make and
// that crypto/rsa lets through: its own check sees to the arithmetic, to the
// distance of the primes and to the length of the private exponent. Nor does
// it take keys of the generator of CVE-2017-15361.
func checkRSA(k *rsa.PrivateKey) error {
	if len(k.Primes) != 2 {
		return fault.New(fault.Unsupported, "RSA keys of more than two primes are not supported")
	}
	if err := k.Validate(); err != nil {
		return err
	}
	p, q := k.Primes[0], k.Primes[1]
	switch {
	case k.E < 1<<16+1:
		return weak("its public exponent is below 65537")
	case p.BitLen() != q.BitLen():
		return weak("its primes are not of equal length")
	case rocacheck.IsWeak(&k.PublicKey):
		return weak("it was made by a generator with a known flaw (CVE-2017-15361)")
	case !p.ProbablyPrime(primeRounds) || !q.ProbablyPrime(primeRounds):
		return weak("its factors are not prime")
	}
	return nil
}

func weak(why string) error {
	return fault.Because(fault.InvalidArgument, fault.WeakKey, "the RSA key is refused: %s", why)
}
