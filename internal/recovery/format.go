package recovery

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/split"
)

const (
	formatVersion  = 1
	shareAlgorithm = "feldman_ristretto255" // see package split
	kdfName        = "sp108_kdf"            // see counterKDF
	rootTag        = "root_key"
)

// MaxSize bounds a package, in bytes.
const MaxSize = 256 << 10

// Package is a recovery package, version 1, as JSON. Two of its members,
// EncData and SharedKeys, are those of a security domain of a managed HSM; the
// differences are that shares are of a group and not of bytes, so that each can
// be verified, and that the package says what it is about.
//
//	EncData.data[0].compact_jwe   the root key: {"alg":"dir","enc":"A256CBC-HS512","kid":tag}
//	                              under counterKDF of the shares' key, with the
//	                              digest of all else in the package beside it
//	SharedKeys.enc_shares[].enc_key   a share's text (package split):
//	                              {"alg":"RSA-OAEP-256","enc":"A256CBC-HS512","kid":x5t_256}
type Package struct {
	V int `json:"v"`
	// ID is random, 32 hexadecimal digits: the owner of the shares.
	ID           string `json:"id"`
	Installation string `json:"installation"`
	// RootKey is the id of the root key that is inside.
	RootKey    string     `json:"root_key"`
	CreatedAt  time.Time  `json:"created"`
	Data       Data       `json:"EncData"`
	SharedKeys SharedKeys `json:"SharedKeys"`
}

// Data is what the package holds, encrypted.
type Data struct {
	Data []Datum `json:"data"`
	KDF  string  `json:"kdf"`
}

// Datum is one thing in Data.
type Datum struct {
	JWE string `json:"compact_jwe"`
	Tag string `json:"tag"`
}

// SharedKeys are the shares of the key of Data.
type SharedKeys struct {
	Shares    []Share   `json:"enc_shares"`
	Algorithm string    `json:"key_algorithm"`
	Required  int       `json:"required"`
	Set       split.Set `json:"set"`
}

// Share is one share, encrypted to a certificate.
type Share struct {
	Key string `json:"enc_key"`
	// Thumbprint is base64url of the certificate's SHA-256 (RFC 7515 section
	// 4.1.8), Subject its subject, to tell people whose it is.
	Thumbprint string `json:"x5t_256"`
	Subject    string `json:"subject"`
}

// Parse reads a package. A member that the format lacks is refused, as is
// anything after it.
func Parse(text []byte) (*Package, error) {
	if len(text) > MaxSize {
		return nil, fault.New(fault.InvalidArgument, "this is no recovery package: it has more than %d bytes", MaxSize)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	p := &Package{}
	if err := d.Decode(p); err != nil {
		return nil, &fault.Error{Kind: fault.InvalidArgument, Public: "this is no recovery package: it is not JSON of its shape", Err: err}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.InvalidArgument, "this is no recovery package: something follows it")
	}
	return p, p.Validate()
}

// Marshal writes the package as Parse reads it.
func (p *Package) Marshal() ([]byte, error) {
	text, err := json.MarshalIndent(p, "", "  ")
	return append(text, '\n'), err
}

// Validate returns an error for a package that Create cannot have made.
func (p *Package) Validate() error {
	if p.V != formatVersion {
		return fault.New(fault.Unsupported, "the recovery package has version %d, which this program does not know", p.V)
	}
	if p.SharedKeys.Algorithm != shareAlgorithm || p.Data.KDF != kdfName {
		return fault.New(fault.Unsupported, "the recovery package is made with %q and %q, which this program does not know",
			p.SharedKeys.Algorithm, p.Data.KDF)
	}
	if err := p.SharedKeys.Set.Validate(); err != nil {
		return err
	}
	n := len(p.SharedKeys.Shares)
	if p.ID == "" || p.Installation == "" || n < MinCertificates || n > MaxCertificates || n != p.SharedKeys.Set.Shares ||
		p.SharedKeys.Required != p.SharedKeys.Set.Threshold || len(p.Data.Data) != 1 || p.Data.Data[0].Tag != rootTag {
		return fault.New(fault.InvalidArgument, "the recovery package contradicts itself")
	}
	return nil
}

// counterKDF derives the key of one tag from the shares' key: NIST SP 800-108
// in counter mode with HMAC-SHA-512, the tag as label, an empty context, and a
// length of 512 bits ([i] and [L] are 32 bits, big-endian).
func counterKDF(secret []byte, tag string) []byte {
	m := hmac.New(sha512.New, secret)
	m.Write(binary.BigEndian.AppendUint32(nil, 1))
	m.Write([]byte(tag))
	m.Write([]byte{0})
	m.Write(binary.BigEndian.AppendUint32(nil, 8*sha512.Size))
	return m.Sum(nil)
}
