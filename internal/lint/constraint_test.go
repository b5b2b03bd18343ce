package lint

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
)

// named are the names of a certificate and the constraints above it.
type named struct {
	dns, ip, uri, email string // one name each
	subject             pkix.Name
	constraints         x509.Certificate
}

// TestNameConstraints: what we let pass, Go and OpenSSL let pass, and what
// they refuse, we refuse. strict marks where we are stricter than one of them.
func TestNameConstraints(t *testing.T) {
	network := func(s string) []*net.IPNet {
		_, n, err := net.ParseCIDR(s)
		if err != nil {
			t.Fatal(err)
		}
		return []*net.IPNet{n}
	}
	permit := x509.Certificate{PermittedDNSDomains: []string{"example.com"}}
	exclude := x509.Certificate{ExcludedDNSDomains: []string{"secret.example.com"}}
	for name, test := range map[string]struct {
		named
		good, strict bool
	}{
		"itself":                     {named{dns: "example.com", constraints: permit}, true, false},
		"below":                      {named{dns: "a.b.example.com", constraints: permit}, true, false},
		"in another case":            {named{dns: "A.Example.COM", constraints: permit}, true, false},
		"wildcard below":             {named{dns: "*.example.com", constraints: permit}, true, false},
		"only a suffix":              {named{dns: "notexample.com", constraints: permit}, false, false},
		"elsewhere":                  {named{dns: "example.org", constraints: permit}, false, false},
		"above":                      {named{dns: "com", constraints: permit}, false, false},
		"another kind":               {named{ip: "192.0.2.1", constraints: permit}, true, false},
		"excluded":                   {named{dns: "secret.example.com", constraints: exclude}, false, false},
		"below the excluded":         {named{dns: "a.secret.example.com", constraints: exclude}, false, false},
		"beside the excluded":        {named{dns: "public.example.com", constraints: exclude}, true, false},
		"wildcard for the excluded":  {named{dns: "*.example.com", constraints: exclude}, false, true},
		"wildcard elsewhere":         {named{dns: "*.example.org", constraints: exclude}, true, false},
		"address within":             {named{ip: "10.1.2.3", constraints: x509.Certificate{PermittedIPRanges: network("10.0.0.0/8")}}, true, false},
		"address without":            {named{ip: "11.1.2.3", constraints: x509.Certificate{PermittedIPRanges: network("10.0.0.0/8")}}, false, false},
		"address excluded":           {named{ip: "10.1.2.3", constraints: x509.Certificate{ExcludedIPRanges: network("10.1.0.0/16")}}, false, false},
		"IPv6 within":                {named{ip: "2001:db8::1", constraints: x509.Certificate{PermittedIPRanges: network("2001:db8::/32")}}, true, false},
		"IPv6 where IPv4 is allowed": {named{ip: "2001:db8::1", constraints: x509.Certificate{PermittedIPRanges: network("10.0.0.0/8")}}, false, false},
		"mail at a host":             {named{email: "a@example.com", constraints: x509.Certificate{PermittedEmailAddresses: []string{"example.com"}}}, true, false},
		"mail at a subdomain":        {named{email: "a@b.example.com", constraints: x509.Certificate{PermittedEmailAddresses: []string{".example.com"}}}, true, false},
		"mail below a host":          {named{email: "a@b.example.com", constraints: x509.Certificate{PermittedEmailAddresses: []string{"example.com"}}}, false, true},
		"one mailbox":                {named{email: "a@example.com", constraints: x509.Certificate{PermittedEmailAddresses: []string{"a@example.com"}}}, true, false},
		"another mailbox":            {named{email: "b@example.com", constraints: x509.Certificate{PermittedEmailAddresses: []string{"a@example.com"}}}, false, false},
		"excluded mail":              {named{email: "a@b.example.com", constraints: x509.Certificate{ExcludedEmailAddresses: []string{"example.com"}}}, false, true},
		"URI on a host":              {named{uri: "https://example.com/x", constraints: x509.Certificate{PermittedURIDomains: []string{"example.com"}}}, true, false},
		"URI below a domain":         {named{uri: "https://a.example.com:8443/x", constraints: x509.Certificate{PermittedURIDomains: []string{".example.com"}}}, true, false},
		"URI elsewhere":              {named{uri: "https://example.org/", constraints: x509.Certificate{PermittedURIDomains: []string{"example.com"}}}, false, false},
		"URI on an address":          {named{uri: "https://10.0.0.1/", constraints: x509.Certificate{ExcludedURIDomains: []string{"example.com"}}}, false, true},
		"URI without a host":         {named{uri: "urn:x", constraints: x509.Certificate{PermittedURIDomains: []string{"example.com"}}}, false, false},
		"excluded URI":               {named{uri: "https://example.com/", constraints: x509.Certificate{ExcludedURIDomains: []string{"example.com"}}}, false, false},
	} {
		t.Run(name, func(t *testing.T) { checkConstraints(t, &test.named, test.good, test.strict) })
	}
}

func checkConstraints(t *testing.T, n *named, good, strict bool) {
	l := New()
	root := authority(t, l, alg.P256, alg.ECDSASHA256)
	sub := newParty(t, alg.P256)
	template := issuing(t, sub)
	template.PermittedDNSDomains, template.ExcludedDNSDomains = n.constraints.PermittedDNSDomains, n.constraints.ExcludedDNSDomains
	template.PermittedIPRanges, template.ExcludedIPRanges = n.constraints.PermittedIPRanges, n.constraints.ExcludedIPRanges
	template.PermittedEmailAddresses, template.ExcludedEmailAddresses = n.constraints.PermittedEmailAddresses, n.constraints.ExcludedEmailAddresses
	template.PermittedURIDomains, template.ExcludedURIDomains = n.constraints.PermittedURIDomains, n.constraints.ExcludedURIDomains
	template.PermittedDNSDomainsCritical, template.ExtraExtensions = true, n.constraints.ExtraExtensions
	sub.below(t, l, root, template, alg.ECDSASHA256)
	leaf := newParty(t, alg.P256)
	c := server(t, leaf)
	c.Subject, c.DNSNames, c.ExtKeyUsage = n.subject, nil, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if n.subject.String() == "" {
		c.Subject = pkix.Name{Organization: []string{"X"}}
	}
	if n.dns != "" {
		c.DNSNames = []string{n.dns}
	}
	if n.ip != "" {
		c.IPAddresses = []net.IP{net.ParseIP(n.ip)}
	}
	if n.email != "" {
		c.EmailAddresses = []string{n.email}
	}
	if n.uri != "" {
		u, err := url.Parse(n.uri)
		if err != nil {
			t.Fatal(err)
		}
		c.URIs = []*url.URL{u}
	}
	_, err := l.Certificate(c, sub.cert, sub.public, leaf.public, alg.ECDSASHA256)
	if good && err != nil {
		t.Errorf("refused: %v", err)
	}
	if !good {
		wantRefused(t, err, "e_holdfast_name_constraints_violated")
	}
	if strict {
		return
	}
	judgeByOthers(t, good, root, sub, signAnyway(t, sub, leaf, c), n.constraints.ExtraExtensions == nil)
}

// signAnyway signs what the lint may refuse.
func signAnyway(t *testing.T, issuer, p *party, c *x509.Certificate) *x509.Certificate {
	t.Helper()
	tbs, err := cert.Encode(c, issuer.cert, issuer.public, p.public, alg.ECDSASHA256)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := cert.SignMessage(issuer.signer, alg.ECDSASHA256, tbs)
	if err != nil {
		t.Fatal(err)
	}
	identifier, err := cert.Identifier(alg.P256, alg.ECDSASHA256)
	if err != nil {
		t.Fatal(err)
	}
	der, err := cert.Assemble(tbs, identifier, signature)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, der)
}

// judgeByOthers has Go, if it knows the kinds of names, and OpenSSL verify a
// certificate.
func judgeByOthers(t *testing.T, good bool, root, sub *party, c *x509.Certificate, byGo bool) {
	t.Helper()
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root.cert)
	intermediates.AddCert(sub.cert)
	_, err := c.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if byGo && (err == nil) != good {
		t.Errorf("Go: %v, want good: %v", err, good)
	}
	dir := t.TempDir()
	for name, c := range map[string]*x509.Certificate{"root": root.cert, "sub": sub.cert, "leaf": c} {
		block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
		if err := os.WriteFile(filepath.Join(dir, name), block, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "openssl", "verify", "-x509_strict", "-CAfile", filepath.Join(dir, "root"),
		"-untrusted", filepath.Join(dir, "sub"), filepath.Join(dir, "leaf")).CombinedOutput()
	if (err == nil) != good {
		t.Errorf("openssl: %s, want good: %v", strings.TrimSpace(string(out)), good)
	}
}

// TestDirectoryConstraints: constraints on the subject, which Go does not
// know, and on kinds that nobody compares.
func TestDirectoryConstraints(t *testing.T) {
	subtree := func(tag int, der []byte) asn1.RawValue {
		return asn1.RawValue{Class: 2, Tag: tag, IsCompound: true, Bytes: der}
	}
	type tree struct{ Base asn1.RawValue }
	directory := func(n pkix.Name) asn1.RawValue {
		der, err := asn1.Marshal(n.ToRDNSequence())
		if err != nil {
			t.Fatal(err)
		}
		return subtree(4, der)
	}
	encode := func(permitted, excluded []tree) []pkix.Extension {
		var b struct {
			Permitted []tree `asn1:"optional,tag:0"`
			Excluded  []tree `asn1:"optional,tag:1"`
		}
		b.Permitted, b.Excluded = permitted, excluded
		return []pkix.Extension{extension(t, true, b, 2, 5, 29, 30)}
	}
	swiss := pkix.Name{Country: []string{"CH"}}
	bank := pkix.Name{Country: []string{"CH"}, Organization: []string{"Bank"}}
	for name, test := range map[string]struct {
		permitted, excluded []tree
		subject             pkix.Name
		good                bool
	}{
		"below":             {permitted: []tree{{directory(swiss)}}, subject: bank, good: true},
		"itself":            {permitted: []tree{{directory(bank)}}, subject: bank, good: true},
		"elsewhere":         {permitted: []tree{{directory(swiss)}}, subject: pkix.Name{Country: []string{"AT"}, Organization: []string{"Bank"}}},
		"another case":      {excluded: []tree{{directory(bank)}}, subject: pkix.Name{Country: []string{"CH"}, Organization: []string{"bAnk"}}},
		"excluded":          {excluded: []tree{{directory(swiss)}}, subject: bank},
		"above the allowed": {permitted: []tree{{directory(bank)}}, subject: swiss},
	} {
		t.Run(name, func(t *testing.T) {
			n := &named{subject: test.subject, constraints: x509.Certificate{ExtraExtensions: encode(test.permitted, test.excluded)}}
			checkConstraints(t, n, test.good, false)
		})
	}
	upn := subtree(0, []byte("\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03\xa0\x0e\x0c\x0c@example.com"))
	other := generalName{0xa0, upn.Bytes}
	if other.satisfies([]generalName{other}, nil) || other.satisfies(nil, []generalName{other}) || !other.satisfies(nil, nil) {
		t.Error("a constraint on names that cannot be compared is not an obstacle")
	}
}

// FuzzConstraints: reading constraints and names never fails in another way
// than by saying so.
func FuzzConstraints(f *testing.F) {
	f.Add([]byte("\x30\x0f\xa0\x0d\x30\x0b\x82\x09example.c"), []byte("a.example.c"), uint8(0x82))
	f.Add([]byte("\x30\x0c\xa1\x0a\x30\x08\x87\x06abcdef"), []byte{10, 0, 0, 1}, uint8(0x87))
	f.Fuzz(func(t *testing.T, der, value []byte, tag uint8) {
		permitted, excluded, ok := readConstraints(der)
		if !ok {
			return
		}
		n := generalName{tag: cbasn1.Tag(tag), value: value}
		if n.satisfies(permitted, excluded) && !n.satisfies(nil, excluded) {
			t.Errorf("%x passes with more constraints than without", value)
		}
	})
}
