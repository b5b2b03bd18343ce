package lint

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
)

// below has an authority issue a certificate for the party.
func (p *party) below(t testing.TB, l *Linter, issuer *party, template *x509.Certificate, a alg.Algorithm) *party {
	t.Helper()
	token, err := l.Certificate(template, issuer.cert, issuer.public, p.public, a)
	if err != nil {
		t.Fatal(err)
	}
	der, err := token.Sign(issuer.signer)
	if err != nil {
		t.Fatal(err)
	}
	p.cert = parse(t, der)
	return p
}

// issuing returns the template of an authority below another.
func issuing(t testing.TB, p *party) *x509.Certificate {
	t.Helper()
	return &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: "Issuing"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(100 * day),
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SubjectKeyId: p.keyID(t),
	}
}

// extension returns an extension for a template.
func extension(t testing.TB, critical bool, value any, oid ...int) pkix.Extension {
	t.Helper()
	der, err := asn1.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return pkix.Extension{Id: oid, Critical: critical, Value: der}
}

// TestOwnLints shows for each of our lints what it refuses. Every lint has to
// appear.
func TestOwnLints(t *testing.T) {
	l, seen := New(), map[string]bool{}
	root, leaf, rsaLeaf, quantum := authority(t, l, alg.P256, alg.ECDSASHA256), newParty(t, alg.P256), newParty(t, alg.RSA2048), newParty(t, alg.MLDSA44)
	sub := newParty(t, alg.P256)
	template := issuing(t, sub)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.PermittedDNSDomains, template.PermittedDNSDomainsCritical = []string{"example.com"}, true
	sub.below(t, l, root, template, alg.ECDSASHA256)

	tests := []struct {
		lint   string
		issuer *party
		key    *party
		asCA   bool // the change is to an authority's template
		change func(c *x509.Certificate)
	}{
		{lint: "e_holdfast_already_expired", change: func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }},
		{lint: "e_holdfast_no_validity", change: func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(-time.Second) }},
		{lint: "e_holdfast_not_before_far_off", change: func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(400*day), time.Now().Add(401*day)
		}},
		{lint: "e_holdfast_not_after_past_issuers", change: func(c *x509.Certificate) { c.NotAfter = time.Now().Add(1001 * day) }},
		{lint: "e_holdfast_serial_number_foreseeable", change: func(c *x509.Certificate) { c.SerialNumber = big.NewInt(1 << 62) }},
		{lint: "e_holdfast_serial_number_foreseeable", change: func(c *x509.Certificate) {
			c.SerialNumber = new(big.Int).Lsh(big.NewInt(1), 159) // 20 bytes and the sign
		}},
		{lint: "e_holdfast_ca_without_cert_sign", asCA: true, change: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }},
		{lint: "e_holdfast_cert_sign_without_ca", change: func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }},
		{lint: "e_holdfast_ca_not_asked_for", change: func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{extension(t, true, struct{ CA bool }{true}, 2, 5, 29, 19)}
		}},
		{lint: "e_holdfast_path_length_not_below_issuers", issuer: sub, asCA: true, change: func(c *x509.Certificate) { c.Subject.CommonName = "Below" }},
		{lint: "e_holdfast_extended_key_usage_beyond_issuers", issuer: sub, change: func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		}},
		{lint: "e_holdfast_extended_key_usage_beyond_issuers", issuer: sub, change: func(c *x509.Certificate) {
			c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, []asn1.ObjectIdentifier{{1, 2, 3}}
		}},
		{lint: "e_holdfast_extended_key_usage_beyond_issuers", issuer: sub, change: func(c *x509.Certificate) { c.ExtKeyUsage = nil }},
		{lint: "e_holdfast_name_constraints_violated", issuer: sub, change: func(c *x509.Certificate) {
			c.Subject, c.DNSNames = pkix.Name{}, []string{"a.example.org"}
		}},
		{lint: "e_holdfast_subject_empty_and_names_not_critical", change: func(c *x509.Certificate) {
			c.Subject = pkix.Name{}
			c.ExtraExtensions = []pkix.Extension{extension(t, false, []asn1.RawValue{{Class: 2, Tag: 2, Bytes: []byte("a.example.com")}}, 2, 5, 29, 17)}
		}},
		{lint: "e_holdfast_subject_empty_and_names_not_critical", change: func(c *x509.Certificate) {
			c.Subject, c.DNSNames, c.ExtKeyUsage = pkix.Name{}, nil, nil
		}},
		{lint: "e_holdfast_key_usage_not_for_key", change: func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyEncipherment }},
		{lint: "e_holdfast_key_usage_not_for_key", key: rsaLeaf, change: func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyAgreement }},
		{lint: "e_holdfast_key_usage_not_for_key", key: quantum, change: func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyEncipherment }},
		{lint: "e_holdfast_key_usage_not_for_key", key: quantum, change: func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyAgreement }},
		{lint: "e_holdfast_no_subject_key_identifier", change: func(c *x509.Certificate) { c.SubjectKeyId = nil }},
		{lint: "w_holdfast_common_name_not_among_names", change: func(c *x509.Certificate) { c.Subject.CommonName = "b.example.com" }},
		{lint: "w_holdfast_common_name_not_among_names", change: func(c *x509.Certificate) { c.Subject.CommonName = "192.0.2.1" }},
		{lint: "e_holdfast_control_character", change: func(c *x509.Certificate) { c.Subject.Organization = []string{"a\x00b"} }},
		{lint: "e_holdfast_control_character", change: func(c *x509.Certificate) { c.Subject.Organization = []string{"a\u202eb"} }},
		{lint: "e_holdfast_control_character", change: func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, "a\x00.example.com") }},
		{lint: "e_holdfast_control_character", change: func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{extension(t, false, []asn1.RawValue{
				{Class: 2, Tag: 2, Bytes: []byte("a.example.com")},
				{Class: 2, Tag: 0, IsCompound: true, Bytes: []byte("\x06\x02\x2a\x03\xa0\x05\x0c\x03a\x07b")},
			}, 2, 5, 29, 17)}
		}},
		{lint: "e_holdfast_duplicate_extension", change: func(c *x509.Certificate) {
			e := extension(t, false, 5, 1, 2, 3, 4)
			c.ExtraExtensions = []pkix.Extension{e, e}
		}},
	}
	for _, test := range tests {
		seen[test.lint] = true
		issuer, key := root, leaf
		if test.issuer != nil {
			issuer = test.issuer
		}
		if test.key != nil {
			key = test.key
		}
		c := server(t, key)
		if test.asCA {
			c = issuing(t, key)
		}
		test.change(c)
		token, err := l.Certificate(c, issuer.cert, issuer.public, key.public, alg.ECDSASHA256)
		if !strings.HasPrefix(test.lint, "w_") {
			wantRefused(t, err, test.lint)
		} else if err != nil || !slices.Contains(token.Warnings(), test.lint) {
			t.Errorf("no warning of %s: %v", test.lint, err)
		}
	}
	mismatches(t, l, root, leaf, seen)
	for _, own := range ownLints() {
		if !seen[own.name] {
			t.Errorf("nothing shows that %s refuses anything", own.name)
		}
	}
}

// mismatches has certificates that were rightly encoded judged against what
// they were not made for.
func mismatches(t *testing.T, l *Linter, root, leaf *party, seen map[string]bool) {
	t.Helper()
	good := server(t, leaf)
	leaf.below(t, l, root, good, alg.ECDSASHA256)
	other, noCA, noID := *root.cert, *root.cert, *root.cert
	other.RawSubject = []byte{0x30, 0}
	noCA.IsCA = false
	noID.SubjectKeyId = []byte{1}
	for name, against := range map[string]*subject{
		"e_holdfast_issuer_name_differs":                  {template: good, issuer: &other},
		"e_holdfast_issuer_is_no_ca":                      {template: good, issuer: &noCA},
		"e_holdfast_authority_key_identifier_not_issuers": {template: good, issuer: &noID},
		"e_holdfast_other_key":                            {template: good, issuer: root.cert, spki: root.spki},
		"e_holdfast_unknown_critical_extension":           {template: &x509.Certificate{IsCA: true}, issuer: root.cert},
		"e_holdfast_extended_key_usage_beyond_issuers":    {template: good, issuer: root.cert, above: []*x509.Certificate{{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}}},
	} {
		seen[name] = true
		der := leaf.cert.Raw
		if name == "e_holdfast_unknown_critical_extension" {
			asked := server(t, leaf)
			asked.ExtraExtensions = []pkix.Extension{extension(t, true, 5, 1, 2, 3, 4)}
			der = newParty(t, alg.P256).sameKey(leaf).below(t, l, root, asked, alg.ECDSASHA256).cert.Raw // it is good when asked for
		}
		found, err := l.certificate(der, false, against)
		if err != nil || !slices.Contains(found.Errors, name) {
			t.Errorf("found %v (%v), want %s", found, err, name)
		}
	}
}

// sameKey makes the party one with another's key.
func (p *party) sameKey(other *party) *party {
	*p = *other
	return p
}

// TestOwnLintsPass: what is right has no finding: a delegated OCSP signer
// below an authority for servers, an authority's next key, names in every
// form.
func TestOwnLintsPass(t *testing.T) {
	l := New()
	root := authority(t, l, alg.P256, alg.ECDSASHA256)
	sub := newParty(t, alg.Ed25519)
	template := issuing(t, sub)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	sub.below(t, l, root, template, alg.ECDSASHA256)
	key := newParty(t, alg.P256)

	responder := server(t, key)
	responder.ExtKeyUsage, responder.DNSNames = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}, nil
	responder.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, Value: []byte{5, 0}}}
	newParty(t, alg.P256).sameKey(key).below(t, l, sub, responder, alg.Ed25519Pure)

	next := newParty(t, alg.P384)
	rollover := issuing(t, next)
	rollover.Subject, rollover.MaxPathLen, rollover.MaxPathLenZero = root.cert.Subject, -1, false
	next.below(t, l, root, rollover, alg.ECDSASHA256)

	many := server(t, key)
	many.DNSNames = append(many.DNSNames, "*.b.example.com")
	many.IPAddresses = []net.IP{net.ParseIP("2001:db8::1"), {192, 0, 2, 1}}
	many.URIs, many.EmailAddresses = []*url.URL{{Scheme: "spiffe", Host: "example.com", Path: "/x"}}, []string{"a@example.com"}
	many.Subject = pkix.Name{CommonName: "192.0.2.1", Organization: []string{"Größe & Co"}}
	newParty(t, alg.P256).sameKey(key).below(t, l, root, many, alg.ECDSASHA256)

	plain := server(t, key)
	plain.Subject.CommonName = "a thing"
	newParty(t, alg.P256).sameKey(key).below(t, l, root, plain, alg.ECDSASHA256)
}

// TestForeign: a certificate from elsewhere is judged by what can be said of
// it alone.
func TestForeign(t *testing.T) {
	l := New()
	p := newParty(t, alg.P256)
	old := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Old"}, NotBefore: time.Now().Add(-2 * day), NotAfter: time.Now().Add(-day),
		KeyUsage: x509.KeyUsageKeyEncipherment, SubjectKeyId: []byte{1},
	}
	tbs, err := cert.Encode(old, old, p.public, p.public, alg.ECDSASHA256)
	if err != nil {
		t.Fatal(err)
	}
	der, err := l.throwAways.complete(tbs, alg.P256, alg.ECDSASHA256)
	if err != nil {
		t.Fatal(err)
	}
	found, err := l.Judge(der)
	if err != nil || !slices.Contains(found.Errors, "e_holdfast_key_usage_not_for_key") || strings.Contains(strings.Join(found.Errors, " "), "expired") {
		t.Errorf("found %v (%v)", found, err)
	}
}
