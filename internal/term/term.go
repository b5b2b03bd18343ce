// Package term has what certificates are found by: rows whose ids say which
// certificates are about a value. Package inventory writes and follows them.
//
// Start with Of, and with Pattern for the names that people search for.
package term

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// A term is a row of store.Terms without a body, whose id says that a
// certificate is about a value:
//
//	realm/kind/value/certificate
//
// kind is one letter, see the constants. A value has no "/": Text sees to
// it. certificate is the id of the row in store.Certificates, or of one in
// store.Found with "found" in the place of the realm. For the kinds whose
// values have very many certificates it is shortened: "authority id/start of
// the serial" stands for all certificates of the authority whose serials begin
// so, some of which are about the value. That keeps their rows few where
// certificates are many.
//
// The terms follow from the certificates and could be made again from them.
// A term may be left behind by a certificate that is not there: whoever
// follows it reads the certificate and looks whether it is what was asked for.

// Version is the version of what terms there are. A store with another
// one has its terms made again.
const Version = 1

// The kinds.
const (
	// Domain has DNS names, and common names that look like one, in lower
	// case with the labels in reverse: all below a domain are one range.
	Domain = 'd'
	// Name has all other names in lower case: URIs, mail and IP addresses,
	// and common names of people and things.
	Name = 'n'
	// Key has the first half of the SHA-256 of the public key (the DER of
	// SubjectPublicKeyInfo), in hexadecimal.
	Key = 'k'
	// Profile and Requester have blocks of serials.
	Profile   = 'p'
	Requester = 'r'
	// Serial has the serials of foreign certificates.
	Serial = 's'
	// Subject has what Key has, of the subjects of foreign CA
	// certificates: chains are built by it.
	Subject = 'c'
)

// BlockDigits is how many digits of a serial make a block: of the 12 that are
// the time in milliseconds, all but the last 3, which are four seconds.
const BlockDigits = 9

// FoundMark stands in terms for the authority of a foreign certificate.
const FoundMark = "found"

// MaxText bounds a value. An id of the store has at most 1,024 bytes.
const MaxText = 600

// Text makes a text the value of a term. "/" ends a value, and NUL and
// broken UTF-8 cannot be stored; a long text is found by its beginning.
func Text(text string) string {
	text = strings.ToValidUTF8(strings.ToLower(text), "\ufffd")
	text = strings.NewReplacer("/", "\\", "\x00", "\\").Replace(text)
	if len(text) > MaxText {
		text = strings.ToValidUTF8(text[:MaxText], "")
	}
	return text
}

// NameValue returns the kind and the value of a name as it stands in a
// certificate or as somebody asks for it.
func NameValue(name string) (kind byte, value string) {
	value = Text(name)
	if !looksLikeDomain(value) {
		return Name, value
	}
	return Domain, reverse(strings.TrimSuffix(value, "."))
}

// looksLikeDomain reports whether a text in lower case is to be found as a
// DNS name.
func looksLikeDomain(text string) bool {
	if text == "" || strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-_.*") != "" {
		return false
	}
	_, err := netip.ParseAddr(text)
	return err != nil
}

// reverse turns the labels of a domain around.
func reverse(domain string) string {
	labels := strings.Split(domain, ".")
	slices.Reverse(labels)
	return strings.Join(labels, ".")
}

// Prefix is what the ids of a realm's terms of a kind begin with.
func Prefix(realm key.RealmID, kind byte) string {
	return string(realm) + "/" + string(kind) + "/"
}

// KeyHash returns the hash by which the public key of a certificate is known:
// the SHA-256 of its SubjectPublicKeyInfo, in hexadecimal; "" for what is no
// certificate. It reads certificates with keys that crypto/x509 does not know.
func KeyHash(der []byte) string {
	spki := PublicKeyInfo(der)
	if spki == nil {
		return ""
	}
	hash := sha256.Sum256(spki)
	return hex.EncodeToString(hash[:])
}

// PublicKeyInfo returns the SubjectPublicKeyInfo of a certificate in DER (RFC
// 5280 section 4.1), or nil. It reads no more than it has to: this is done
// for each certificate issued.
func PublicKeyInfo(der []byte) []byte {
	input := cryptobyte.String(der)
	var certificate, tbs, spki cryptobyte.String
	if !input.ReadASN1(&certificate, asn1.SEQUENCE) || !certificate.ReadASN1(&tbs, asn1.SEQUENCE) ||
		!tbs.SkipOptionalASN1(asn1.Tag(0).ContextSpecific().Constructed()) || // version
		!tbs.SkipASN1(asn1.INTEGER) { // serialNumber
		return nil
	}
	for range 4 { // signature, issuer, validity, subject
		if !tbs.SkipASN1(asn1.SEQUENCE) {
			return nil
		}
	}
	if !tbs.ReadASN1Element(&spki, asn1.SEQUENCE) {
		return nil
	}
	return spki
}

// CommonName returns the common name of a subject in the form of RFC 2253, as
// package crypto/x509/pkix writes it; "" when there is none.
func CommonName(subject string) string {
	var part strings.Builder
	for rest := subject; rest != ""; rest = rest[1:] {
		switch {
		case rest[0] == '\\' && len(rest) > 1:
			rest = rest[1:]
		case rest[0] == ',' || rest[0] == '+':
			if name, ok := strings.CutPrefix(part.String(), "CN="); ok {
				return name
			}
			part.Reset()
			continue
		}
		part.WriteByte(rest[0])
	}
	name, ok := strings.CutPrefix(part.String(), "CN=")
	if !ok {
		return ""
	}
	return name
}

// Names returns the beginnings of terms, up to the certificate, for the
// names of a certificate, each once.
func Names(realm key.RealmID, c *ca.Certificate) []string {
	var list []string
	add := func(name string) {
		kind, value := NameValue(name)
		if value == "" {
			return
		}
		if term := Prefix(realm, kind) + value + "/"; !slices.Contains(list, term) {
			list = append(list, term)
		}
	}
	for _, n := range c.Names {
		add(n)
	}
	add(CommonName(c.Subject))
	return list
}

// Of returns the rows of store.Terms for a certificate that an authority of
// the realm has issued.
func Of(realm key.RealmID, c *ca.Certificate) []store.Row {
	id := ca.CertificateID(c.Authority, c.Serial)
	block := ca.CertificateID(c.Authority, c.Serial[:min(len(c.Serial), BlockDigits)])
	rows := make([]store.Row, 0, 5)
	for _, t := range Names(realm, c) {
		rows = append(rows, store.Row{ID: t + id})
	}
	if hash := KeyHash(c.DER); hash != "" {
		rows = append(rows, store.Row{ID: Prefix(realm, Key) + hash[:KeyDigits] + "/" + id})
	}
	return append(rows,
		store.Row{ID: Prefix(realm, Profile) + Text(c.Profile) + "/" + block},
		store.Row{ID: Prefix(realm, Requester) + Text(c.Requester) + "/" + block})
}

// KeyDigits is how much of a hash stands in a term.
const KeyDigits = 32

// SubjectHash returns the value of a Subject.
func SubjectHash(raw []byte) string {
	hash := sha256.Sum256(raw)
	return hex.EncodeToString(hash[:])[:KeyDigits]
}
