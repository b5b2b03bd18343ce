package inventory

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
// kind is one letter, see the constants. A value has no "/": termText sees to
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

// termsVersion is the version of what terms there are. A store with another
// one has its terms made again.
const termsVersion = 1

// The kinds.
const (
	// domainTerm has DNS names, and common names that look like one, in lower
	// case with the labels in reverse: all below a domain are one range.
	domainTerm = 'd'
	// nameTerm has all other names in lower case: URIs, mail and IP addresses,
	// and common names of people and things.
	nameTerm = 'n'
	// keyTerm has the first half of the SHA-256 of the public key (the DER of
	// SubjectPublicKeyInfo), in hexadecimal.
	keyTerm = 'k'
	// profileTerm and requesterTerm have blocks of serials.
	profileTerm   = 'p'
	requesterTerm = 'r'
	// serialTerm has the serials of foreign certificates.
	serialTerm = 's'
	// subjectTerm has what keyTerm has, of the subjects of foreign CA
	// certificates: chains are built by it.
	subjectTerm = 'c'
)

// blockDigits is how many digits of a serial make a block: of the 12 that are
// the time in milliseconds, all but the last 3, which are four seconds.
const blockDigits = 9

// foundMark stands in terms for the authority of a foreign certificate.
const foundMark = "found"

// maxTermText bounds a value. An id of the store has at most 1,024 bytes.
const maxTermText = 600

// termText makes a text the value of a term. "/" ends a value, and NUL and
// broken UTF-8 cannot be stored; a long text is found by its beginning.
func termText(text string) string {
	text = strings.ToValidUTF8(strings.ToLower(text), "\ufffd")
	text = strings.NewReplacer("/", "\\", "\x00", "\\").Replace(text)
	if len(text) > maxTermText {
		text = strings.ToValidUTF8(text[:maxTermText], "")
	}
	return text
}

// nameValue returns the kind and the value of a name as it stands in a
// certificate or as somebody asks for it.
func nameValue(name string) (kind byte, value string) {
	value = termText(name)
	if !looksLikeDomain(value) {
		return nameTerm, value
	}
	return domainTerm, reverse(strings.TrimSuffix(value, "."))
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

// termPrefix is what the ids of a realm's terms of a kind begin with.
func termPrefix(realm key.RealmID, kind byte) string {
	return string(realm) + "/" + string(kind) + "/"
}

// KeyHash returns the hash by which the public key of a certificate is known:
// the SHA-256 of its SubjectPublicKeyInfo, in hexadecimal; "" for what is no
// certificate. It reads certificates with keys that crypto/x509 does not know.
func KeyHash(der []byte) string {
	spki := publicKeyInfo(der)
	if spki == nil {
		return ""
	}
	hash := sha256.Sum256(spki)
	return hex.EncodeToString(hash[:])
}

// publicKeyInfo returns the SubjectPublicKeyInfo of a certificate in DER (RFC
// 5280 section 4.1), or nil. It reads no more than it has to: this is done
// for each certificate issued.
func publicKeyInfo(der []byte) []byte {
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

// commonName returns the common name of a subject in the form of RFC 2253, as
// package crypto/x509/pkix writes it; "" when there is none.
func commonName(subject string) string {
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

// nameTerms returns the beginnings of terms, up to the certificate, for the
// names of a certificate, each once.
func nameTerms(realm key.RealmID, c *ca.Certificate) []string {
	var list []string
	add := func(name string) {
		kind, value := nameValue(name)
		if value == "" {
			return
		}
		if term := termPrefix(realm, kind) + value + "/"; !slices.Contains(list, term) {
			list = append(list, term)
		}
	}
	for _, n := range c.Names {
		add(n)
	}
	add(commonName(c.Subject))
	return list
}

// Terms returns the rows of store.Terms for a certificate that an authority of
// the realm has issued.
func Terms(realm key.RealmID, c *ca.Certificate) []store.Row {
	id := ca.CertificateID(c.Authority, c.Serial)
	block := ca.CertificateID(c.Authority, c.Serial[:min(len(c.Serial), blockDigits)])
	rows := make([]store.Row, 0, 5)
	for _, t := range nameTerms(realm, c) {
		rows = append(rows, store.Row{ID: t + id})
	}
	if hash := KeyHash(c.DER); hash != "" {
		rows = append(rows, store.Row{ID: termPrefix(realm, keyTerm) + hash[:keyDigits] + "/" + id})
	}
	return append(rows,
		store.Row{ID: termPrefix(realm, profileTerm) + termText(c.Profile) + "/" + block},
		store.Row{ID: termPrefix(realm, requesterTerm) + termText(c.Requester) + "/" + block})
}

// keyDigits is how much of a hash stands in a term.
const keyDigits = 32

// foreignTerms returns the rows of store.Terms for a foreign certificate.
func foreignTerms(realm key.RealmID, e *Entry) []store.Row {
	var rows []store.Row
	for _, t := range nameTerms(realm, e.Certificate) {
		rows = append(rows, store.Row{ID: t + e.ID})
	}
	rows = append(rows,
		store.Row{ID: termPrefix(realm, keyTerm) + KeyHash(e.DER)[:keyDigits] + "/" + e.ID},
		store.Row{ID: termPrefix(realm, serialTerm) + e.Serial + "/" + e.ID})
	if e.Foreign.CA {
		rows = append(rows, store.Row{ID: termPrefix(realm, subjectTerm) + subjectHash(e.Foreign.subject) + "/" + e.ID})
	}
	return rows
}

// subjectHash returns the value of a subjectTerm.
func subjectHash(raw []byte) string {
	hash := sha256.Sum256(raw)
	return hex.EncodeToString(hash[:])[:keyDigits]
}
