// Package ocsp reads and writes the messages of the Online Certificate Status
// Protocol (RFC 6960, its lightweight profile RFC 5019, and the nonce of RFC
// 9654). It knows bytes and nothing else: which certificates there are, and
// who signs, is package status's.
//
// Start with ParseRequest and Response. Everything is strict DER: what
// ParseRequest and ParseAnswer accept, encoding gives back byte for byte.
package ocsp

import (
	"encoding/asn1"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Object identifiers of RFC 6960 appendix B, in DER without tag and length.
const (
	oidBasic = "\x2b\x06\x01\x05\x05\x07\x30\x01\x01" // id-pkix-ocsp-basic
	oidNonce = "\x2b\x06\x01\x05\x05\x07\x30\x01\x02" // id-pkix-ocsp-nonce
)

// NoCheck is id-pkix-ocsp-nocheck (RFC 6960 section 4.2.2.2.1): a certificate
// with this extension, whose value is NULL, is not to be checked itself.
func NoCheck() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5} }

// Media types (RFC 6960 appendix C).
const (
	TypeRequest  = "application/ocsp-request"
	TypeResponse = "application/ocsp-response"
)

// Limits of what is read.
const (
	// MaxRequest is the largest request in bytes: a signed one with an ML-DSA
	// certificate fits.
	MaxRequest = 16 << 10
	// MaxSingles is how many certificates one request may ask about.
	MaxSingles = 16
	// MaxNonce is the longest nonce in bytes (RFC 9654 section 2.1).
	MaxNonce = 128
	// MaxSerial is the longest serial number in bytes; certificates have at
	// most 20 (RFC 5280 section 4.1.2.2).
	MaxSerial = 32
)

// malformed returns the error of a message that cannot be read.
func malformed(what string) error {
	return fault.New(fault.InvalidArgument, "the OCSP message is malformed: %s", what)
}
