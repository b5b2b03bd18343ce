package keyless

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // a name, not a protection (RFC 5280 section 4.2.1.2)
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"
)

// SKISize is the length of a subject key identifier in bytes.
const SKISize = sha1.Size

// SKI returns the name of a public key: the SHA-1 of the bit string in its
// SubjectPublicKeyInfo (RFC 5280 section 4.2.1.2, method 1).
func SKI(public crypto.PublicKey) ([SKISize]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return [SKISize]byte{}, fmt.Errorf("encoding a public key: %w", err)
	}
	return SKIOf(der)
}

// SKIOf is SKI for a SubjectPublicKeyInfo in DER.
func SKIOf(spki []byte) ([SKISize]byte, error) {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	rest, err := asn1.Unmarshal(spki, &info)
	if err != nil || len(rest) > 0 {
		return [SKISize]byte{}, errors.New("keyless: this is no SubjectPublicKeyInfo")
	}
	return sha1.Sum(info.Key.Bytes), nil //nolint:gosec // a name
}

// Digest returns the older name of an RSA key: the SHA-256 of its modulus in
// upper-case hex.
func Digest(public *rsa.PublicKey) [sha256.Size]byte {
	return sha256.Sum256([]byte(strings.ToUpper(public.N.Text(16))))
}
