package lint

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"unicode"
	"unicode/utf16"

	zasn1 "github.com/zmap/zcrypto/encoding/asn1"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// pkixExtension is an extension of a template.
type pkixExtension = pkix.Extension

// Object identifiers (RFC 5280 appendix A).
func idCE() asn1.ObjectIdentifier                { return asn1.ObjectIdentifier{2, 5, 29} }
func oidSubjectAltName() asn1.ObjectIdentifier   { return asn1.ObjectIdentifier{2, 5, 29, 17} }
func oidNameConstraints() asn1.ObjectIdentifier  { return asn1.ObjectIdentifier{2, 5, 29, 30} }
func oidExtendedKeyUsage() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, 37} }
func oidOCSPSigning() asn1.ObjectIdentifier      { return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 9} }

// is compares an object identifier of zcrypto's type with one of Go's.
func is(id zasn1.ObjectIdentifier, want asn1.ObjectIdentifier) bool {
	return asn1.ObjectIdentifier(id).Equal(want)
}

// hasControlCharacter is about strings that end or hide where some reader
// thinks they do: in the subject and in the alternative names.
func hasControlCharacter(s *subject) bool {
	if control(s.RawSubject, 0) {
		return true
	}
	for _, e := range s.Extensions {
		if is(e.Id, oidSubjectAltName()) && control(e.Value, 0) {
			return true
		}
	}
	return false
}

// maxDepth bounds the nesting of what control reads: an otherName of a
// directory name in a certificate needs 7.
const maxDepth = 12

// control reports whether a string in the DER has a control character, or
// whether it cannot be read.
func control(der cryptobyte.String, depth int) bool {
	for !der.Empty() {
		var element cryptobyte.String
		var tag cbasn1.Tag
		if depth > maxDepth || !der.ReadAnyASN1(&element, &tag) {
			return true
		}
		switch {
		case tag&0x20 != 0: // constructed
			if control(element, depth+1) {
				return true
			}
		case tag == cbasn1.UTF8String, tag == cbasn1.PrintableString, tag == cbasn1.T61String, tag == cbasn1.IA5String,
			tag == nameEmail, tag == nameDNS, tag == nameURI, tag == tagNumeric, tag == tagVisible:
			if hides(string(element)) {
				return true
			}
		case tag == tagBMP:
			if len(element)%2 != 0 || hides(bmp(element)) {
				return true
			}
		}
	}
	return false
}

// Tags of strings that package cryptobyte has no name for.
const (
	tagNumeric cbasn1.Tag = 18
	tagVisible cbasn1.Tag = 26
	tagBMP     cbasn1.Tag = 30
)

// hides reports whether a text has characters that end it, or turn it round,
// for some readers: control characters and those of bidirectional embedding.
func hides(text string) bool {
	for _, r := range text {
		if unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return true
		}
	}
	return false
}

// bmp reads a BMPString.
func bmp(s []byte) string {
	units := make([]uint16, 0, len(s)/2)
	for ; len(s) > 1; s = s[2:] {
		units = append(units, binary.BigEndian.Uint16(s))
	}
	return string(utf16.Decode(units))
}
