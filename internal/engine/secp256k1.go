package engine

import (
	"crypto"
	"encoding/asn1"
	"errors"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	k256 "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// idECPublicKey is id-ecPublicKey (RFC 5480 section 2.1.1).
func idECPublicKey() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1} }

// idSecp256k1 names the curve (SEC 2 section A.2.1).
func idSecp256k1() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 132, 0, 10} }

// parseSecp256k1 reads a SubjectPublicKeyInfo with the named curve and an
// uncompressed point (SEC 1 sections 2.3.3 and C.3). crypto/x509 does not
// know the curve.
func parseSecp256k1(spki []byte) (*secp256k1.PublicKey, error) {
	in := cryptobyte.String(spki)
	var info, algorithm cryptobyte.String
	var kind, curve asn1.ObjectIdentifier
	var point []byte
	if !in.ReadASN1(&info, cbasn1.SEQUENCE) || !in.Empty() ||
		!info.ReadASN1(&algorithm, cbasn1.SEQUENCE) ||
		!algorithm.ReadASN1ObjectIdentifier(&kind) ||
		!algorithm.ReadASN1ObjectIdentifier(&curve) || !algorithm.Empty() ||
		!info.ReadASN1BitStringAsBytes(&point) || !info.Empty() {
		return nil, errors.New("malformed SubjectPublicKeyInfo")
	}
	if !kind.Equal(idECPublicKey()) || !curve.Equal(idSecp256k1()) {
		return nil, errors.New("not a key on secp256k1")
	}
	if len(point) != secp256k1.PubKeyBytesLenUncompressed || point[0] != secp256k1.PubKeyFormatUncompressed {
		return nil, errors.New("not an uncompressed point")
	}
	return secp256k1.ParsePubKey(point) // checks that the point is on the curve
}

// marshalSecp256k1 writes what parseSecp256k1 reads.
func marshalSecp256k1(pub crypto.PublicKey) ([]byte, error) {
	k, ok := pub.(*secp256k1.PublicKey)
	if !ok {
		return nil, errors.New("not a secp256k1 key")
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(idECPublicKey())
			b.AddASN1ObjectIdentifier(idSecp256k1())
		})
		b.AddASN1BitString(k.SerializeUncompressed())
	})
	return b.Bytes()
}

// verifySecp256k1 checks a DER signature of a 32-byte digest. Both values of
// s are accepted, as ECDSA has it (FIPS 186-5 section 6.4.2), not only the
// lower one that some ledgers want.
func verifySecp256k1(k *secp256k1.PublicKey, digest, signature []byte) bool {
	s, err := k256.ParseDERSignature(signature)
	return err == nil && s.Verify(digest, k)
}
