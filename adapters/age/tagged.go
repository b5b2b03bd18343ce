package age

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/base64"

	"filippo.io/age"
	"filippo.io/age/tag"
)

// The stanzas of age's own recipients on P-256, which any age writes:
//
//	-> p256tag TAG ENCAPSULATED
//	CIPHERTEXT
//
// It is HPKE (RFC 9180) in its base mode with DHKEM(P-256, HKDF-SHA256),
// HKDF-SHA256 and ChaCha20Poly1305.
const (
	taggedType = "p256tag"
	taggedInfo = "age-encryption.org/p256tag"
)

// taggedOf returns the recipient of a key on P-256.
func taggedOf(p *ecdh.PublicKey) (*tag.Recipient, error) {
	b := p.Bytes() // 4, x, y
	const size = 32
	compressed := append([]byte{2 + b[2*size]&1}, b[1:1+size]...)
	return tag.NewClassicRecipient(compressed)
}

// unwrapTagged decrypts the file key in a stanza of age's own, or returns
// errOther.
func unwrapTagged(key ecdh.KeyExchanger, s *age.Stanza) ([]byte, error) {
	if len(s.Args) != 2 || key.Curve() != ecdh.P256() {
		return nil, errOther
	}
	enc, err := base64.RawStdEncoding.Strict().DecodeString(s.Args[1])
	if err != nil {
		return nil, errOther
	}
	recipient, err := taggedOf(key.PublicKey())
	if err != nil {
		return nil, err
	}
	hint, err := recipient.Tag(enc)
	if err != nil || base64.RawStdEncoding.EncodeToString(hint) != s.Args[0] {
		return nil, errOther
	}
	private, err := hpke.NewDHKEMPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return hpke.Open(private, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(taggedInfo), bytes.Join([][]byte{enc, s.Body}, nil))
}
