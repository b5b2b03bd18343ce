package ocsp

import (
	"bytes"
	"crypto"
	_ "crypto/sha1"   //nolint:gosec // CertIDs are made with it, see Hashes
	_ "crypto/sha256" // and with it
	_ "crypto/sha512" // and its longer kin
	"encoding/asn1"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// CertID says which certificate a question or an answer is about (RFC 6960
// section 4.1.1).
type CertID struct {
	// Hash made NameHash and KeyHash. It is 0 when it is none of Hashes: such
	// an issuer is unknown to everybody.
	Hash crypto.Hash
	// NameHash is of the issuer's name in DER, KeyHash of the bits of its
	// public key (without tag, length and count of unused bits).
	NameHash, KeyHash []byte
	// Serial is the certificate's serial number, big-endian, without leading
	// zeros; it is never negative.
	Serial []byte
	// Raw is the whole in DER. An answer repeats the question's: a client may
	// compare them byte by byte.
	Raw []byte
}

// Hashes are the hash functions of CertIDs. RFC 5019 section 2.1.1 has
// clients use SHA-1, which need not be collision-free here: whoever asks picks
// the issuer from a list of known ones.
func Hashes() []crypto.Hash {
	return []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512}
}

// oidOf returns the identifier of a hash function, in DER without tag and
// length (RFC 3370 section 2.1, RFC 5754 section 2).
func oidOf(h crypto.Hash) string {
	switch h { //nolint:exhaustive // Hashes are the ones there are here
	case crypto.SHA1:
		return "\x2b\x0e\x03\x02\x1a"
	case crypto.SHA256:
		return "\x60\x86\x48\x01\x65\x03\x04\x02\x01"
	case crypto.SHA384:
		return "\x60\x86\x48\x01\x65\x03\x04\x02\x02"
	case crypto.SHA512:
		return "\x60\x86\x48\x01\x65\x03\x04\x02\x03"
	}
	return ""
}

// NewCertID returns the CertID of the certificate with the serial number that
// an issuer with the name (in DER) and the public key (its bits) issued. The
// hash is one of Hashes.
func NewCertID(h crypto.Hash, name, keyBits []byte, serial *big.Int) (CertID, error) {
	id := CertID{Hash: h, NameHash: Digest(h, name), KeyHash: Digest(h, keyBits), Serial: serial.Bytes()}
	var err error
	if id.Raw, err = id.encode(true); err != nil {
		return CertID{}, fmt.Errorf("encoding a CertID: %w", err)
	}
	return id, nil
}

// WithoutParameters returns the CertID in DER with the parameters of the hash
// function left out, which is the other form that clients write.
func (c CertID) WithoutParameters() []byte {
	raw, _ := c.encode(false) // what was encoded with them is encoded without
	return raw
}

func (c CertID) encode(parameters bool) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(oidOf(c.Hash))) })
			if parameters {
				b.AddASN1NULL()
			}
		})
		b.AddASN1OctetString(c.NameHash)
		b.AddASN1OctetString(c.KeyHash)
		b.AddASN1BigInt(new(big.Int).SetBytes(c.Serial))
	})
	return b.Bytes()
}

// Digest returns the hash of data.
func Digest(h crypto.Hash, data []byte) []byte {
	d := h.New()
	d.Write(data)
	return d.Sum(nil)
}

// KeyBits returns the bits of the public key in a SubjectPublicKeyInfo, which
// are what issuers and responders are hashed by.
func KeyBits(spki []byte) ([]byte, error) {
	in := cryptobyte.String(spki)
	var body, bits cryptobyte.String
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.SkipASN1(cbasn1.SEQUENCE) ||
		!body.ReadASN1(&bits, cbasn1.BIT_STRING) || !body.Empty() || len(bits) < 2 || bits[0] != 0 {
		return nil, malformed("a public key cannot be read")
	}
	return bits[1:], nil
}

// readCertID reads a CertID from the front of in.
func readCertID(in *cryptobyte.String) (CertID, error) {
	var raw, body, algorithm, oid, null cryptobyte.String
	id := CertID{}
	if !in.ReadASN1Element(&raw, cbasn1.SEQUENCE) {
		return id, malformed("no CertID")
	}
	id.Raw = raw
	ok := raw.ReadASN1(&body, cbasn1.SEQUENCE) &&
		body.ReadASN1(&algorithm, cbasn1.SEQUENCE) &&
		algorithm.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) && validOID(oid)
	if !ok {
		return id, malformed("a CertID has no hash algorithm")
	}
	for _, h := range Hashes() {
		if string(oid) == oidOf(h) {
			id.Hash = h
		}
	}
	// RFC 5754 section 2 wants no parameters, RFC 3370 takes NULL: both are met.
	if id.Hash != 0 && !algorithm.Empty() && (!algorithm.ReadASN1(&null, cbasn1.NULL) || !null.Empty() || !algorithm.Empty()) {
		return id, malformed("a CertID's hash algorithm has parameters")
	}
	if !body.ReadASN1Bytes(&id.NameHash, cbasn1.OCTET_STRING) || !body.ReadASN1Bytes(&id.KeyHash, cbasn1.OCTET_STRING) ||
		!body.ReadASN1Integer(&id.Serial) || !body.Empty() || len(id.Serial) > MaxSerial {
		return id, malformed("a CertID cannot be read")
	}
	if id.Hash != 0 && (len(id.NameHash) != id.Hash.Size() || len(id.KeyHash) != id.Hash.Size()) {
		return id, malformed("a CertID's hash has another length than its algorithm gives")
	}
	return id, nil
}

// Equal reports whether both say the same in the same bytes.
func (c CertID) Equal(o CertID) bool { return bytes.Equal(c.Raw, o.Raw) }

// validOID reports whether the content of an OBJECT IDENTIFIER is DER.
func validOID(content []byte) bool {
	if len(content) == 0 || content[len(content)-1]&0x80 != 0 {
		return false
	}
	start := true
	for _, b := range content {
		if start && b == 0x80 { // a number with a leading zero
			return false
		}
		start = b&0x80 == 0
	}
	return true
}

// oidText returns an object identifier's content octets as text, for messages.
func oidText(content []byte) string {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(content) })
	var oid asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(b.BytesOrPanic(), &oid); err != nil {
		return "with a number beyond all bounds"
	}
	return oid.String()
}
