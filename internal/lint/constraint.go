package lint

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	zx509 "github.com/zmap/zcrypto/x509"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Kinds of general names, as tags (RFC 5280 section 4.2.1.6).
const (
	nameEmail     = cbasn1.Tag(0x80 | 1)
	nameDNS       = cbasn1.Tag(0x80 | 2)
	nameDirectory = cbasn1.Tag(0xa0 | 4)
	nameURI       = cbasn1.Tag(0x80 | 6)
	nameIP        = cbasn1.Tag(0x80 | 7)
)

// generalName is a name of a certificate, or the base of a subtree.
type generalName struct {
	tag   cbasn1.Tag
	value []byte
}

// namesViolateConstraints holds the certificate's names against the name
// constraints of every authority above it (RFC 5280 section 4.2.1.10). Where
// verifiers differ in their reading, the stricter one counts: what passes
// here passes everywhere. Self-issued certificates of authorities are exempt.
func namesViolateConstraints(s *subject) bool {
	if !s.signedByOther() || s.selfIssued() && s.IsCA {
		return false
	}
	constraints := constraintsAbove(s)
	if len(constraints) == 0 {
		return false
	}
	names, ok := namesOf(s)
	if !ok {
		return true
	}
	for _, der := range constraints {
		permitted, excluded, ok := readConstraints(der)
		if !ok || slices.ContainsFunc(names, func(n generalName) bool { return !n.satisfies(permitted, excluded) }) {
			return true
		}
	}
	return false
}

// Permitted reports whether the name constraints of the authorities above a
// certificate, its issuer's first, leave it its names.
func Permitted(c *x509.Certificate, above []*x509.Certificate) bool {
	if len(above) == 0 {
		return true
	}
	parsed, err := zx509.ParseCertificate(c.Raw)
	return err == nil && !namesViolateConstraints(&subject{Certificate: parsed, issuer: above[0], above: above[1:]})
}

// constraintsAbove returns the name constraints of the authorities above.
func constraintsAbove(s *subject) [][]byte {
	var list [][]byte
	for _, issuer := range append([]*x509.Certificate{s.issuer}, s.above...) {
		for _, e := range issuer.Extensions {
			if e.Id.Equal(oidNameConstraints()) {
				list = append(list, e.Value)
			}
		}
	}
	return list
}

// readConstraints reads a NameConstraints extension.
func readConstraints(der cryptobyte.String) (permitted, excluded []generalName, ok bool) {
	var body cryptobyte.String
	if !der.ReadASN1(&body, cbasn1.SEQUENCE) || !der.Empty() {
		return nil, nil, false
	}
	for _, list := range []struct {
		tag  uint8
		into *[]generalName
	}{{0, &permitted}, {1, &excluded}} {
		var trees cryptobyte.String
		var has bool
		if !body.ReadOptionalASN1(&trees, &has, cbasn1.Tag(list.tag).ContextSpecific().Constructed()) {
			return nil, nil, false
		}
		for !trees.Empty() {
			var tree, value cryptobyte.String
			var base generalName
			// A minimum and a maximum are not used (section 4.2.1.10).
			if !trees.ReadASN1(&tree, cbasn1.SEQUENCE) || !tree.ReadAnyASN1(&value, &base.tag) || !tree.Empty() {
				return nil, nil, false
			}
			base.value = value
			*list.into = append(*list.into, base)
		}
	}
	return permitted, excluded, body.Empty()
}

// namesOf returns all names of a certificate: the alternative ones, the
// subject, and the e-mail addresses in it.
func namesOf(s *subject) ([]generalName, bool) {
	names := []generalName{}
	for _, e := range s.Extensions {
		if !is(e.Id, oidSubjectAltName()) {
			continue
		}
		in := cryptobyte.String(e.Value)
		var list cryptobyte.String
		if !in.ReadASN1(&list, cbasn1.SEQUENCE) || !in.Empty() {
			return nil, false
		}
		for !list.Empty() {
			var n generalName
			var value cryptobyte.String
			if !list.ReadAnyASN1(&value, &n.tag) {
				return nil, false
			}
			n.value = value
			names = append(names, n)
		}
	}
	if len(s.RawSubject) > 2 {
		names = append(names, generalName{nameDirectory, s.RawSubject})
	}
	for _, address := range s.Subject.EmailAddress {
		names = append(names, generalName{nameEmail, []byte(address)})
	}
	return names, true
}

// satisfies reports whether a name lies in one of the permitted subtrees of
// its kind, if there are any, and in no excluded one. Constraints on a kind
// of names that cannot be compared here are not satisfied.
func (n generalName) satisfies(permitted, excluded []generalName) bool {
	for _, base := range excluded {
		if base.tag == n.tag && n.within(base, true) != no {
			return false
		}
	}
	limited := false
	for _, base := range permitted {
		if base.tag != n.tag {
			continue
		}
		if n.within(base, false) == yes {
			return true
		}
		limited = true
	}
	return !limited
}

// answer says whether a name lies within a subtree.
type answer uint8

const (
	no answer = iota
	yes
	unknown // it cannot be told
)

// within compares a name with the base of a subtree of its kind. wide asks
// for the wider of two readings.
func (n generalName) within(base generalName, wide bool) answer {
	switch n.tag { //nolint:exhaustive // a tag is any number
	case nameDNS:
		return truth(dnsWithin(fold(n.value), fold(base.value), wide))
	case nameEmail:
		return emailWithin(string(n.value), string(base.value), wide)
	case nameURI:
		return uriWithin(string(n.value), fold(base.value), wide)
	case nameIP:
		return ipWithin(n.value, base.value)
	case nameDirectory:
		return directoryWithin(n.value, base.value)
	}
	return unknown
}

func truth(b bool) answer {
	if b {
		return yes
	}
	return no
}

func fold(b []byte) string { return strings.TrimSuffix(strings.ToLower(string(b)), ".") }

// dnsWithin: a name is within itself and every name to the right of a dot in
// it; one with a leading dot is not itself within. A wildcard, in the wider
// reading, is within what it can stand for.
func dnsWithin(name, base string, wide bool) bool {
	if base == "" || name == base {
		return true
	}
	if parent, ok := strings.CutPrefix(name, "*."); ok && wide {
		if _, above, _ := strings.Cut(strings.TrimPrefix(base, "."), "."); above == parent {
			return true
		}
	}
	return strings.HasSuffix(name, "."+strings.TrimPrefix(base, "."))
}

// emailWithin: the base is a mailbox, a host, or with a leading dot a domain.
func emailWithin(address, base string, wide bool) answer {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return unknown
	}
	local, host := address[:at], fold([]byte(address[at+1:]))
	if at := strings.LastIndexByte(base, '@'); at >= 0 {
		same := base[:at] == local || wide && strings.EqualFold(base[:at], local)
		return truth(same && fold([]byte(base[at+1:])) == host)
	}
	return truth(hostWithin(host, fold([]byte(base)), wide))
}

// hostWithin: the base is a host, or with a leading dot a domain; some
// verifiers take a host for a domain.
func hostWithin(host, base string, wide bool) bool {
	if wide || base == "" || strings.HasPrefix(base, ".") {
		return dnsWithin(host, base, wide)
	}
	return host == base
}

// uriWithin: constraints are on the host, which must be a name.
func uriWithin(text, base string, wide bool) answer {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return unknown
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return unknown
	}
	return truth(hostWithin(fold([]byte(u.Hostname())), base, wide))
}

// ipWithin: the base is an address and a mask.
func ipWithin(ip, base []byte) answer {
	if len(base) != 2*len(ip) {
		return truth(len(base) != 8 && len(base) != 32)
	}
	for i, b := range ip {
		if mask := base[len(ip)+i]; b&mask != base[i]&mask {
			return no
		}
	}
	return yes
}

// directoryWithin: the base's relative names begin the name's.
func directoryWithin(name, base []byte) answer {
	n, err := readName(name)
	if err != nil {
		return unknown
	}
	b, err := readName(base)
	if err != nil {
		return unknown
	}
	if len(b) > len(n) {
		return no
	}
	for i := range b {
		if !sameRelative(n[i], b[i]) {
			return no
		}
	}
	return yes
}

func readName(der []byte) (pkix.RDNSequence, error) {
	var n pkix.RDNSequence
	rest, err := asn1.Unmarshal(der, &n)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes after a name", len(rest))
	}
	return n, err
}

// sameRelative compares values without regard to case and to the number of
// spaces (RFC 5280 section 7.1).
func sameRelative(a, b pkix.RelativeDistinguishedNameSET) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].Type.Equal(b[i].Type) || !sameValue(a[i].Value, b[i].Value) {
			return false
		}
	}
	return true
}

func sameValue(a, b any) bool {
	s, ok := a.(string)
	t, also := b.(string)
	if ok && also {
		return strings.EqualFold(strings.Join(strings.Fields(s), " "), strings.Join(strings.Fields(t), " "))
	}
	x, err := asn1.Marshal(a)
	if err != nil {
		return false
	}
	y, err := asn1.Marshal(b)
	return err == nil && bytes.Equal(x, y)
}
