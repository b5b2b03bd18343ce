package lint

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"testing"

	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3/lint"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
)

// TestRunner: our runner comes to the same result as zlint's for every lint
// over certificates of every shape, good and bad, and the notices that it
// leaves out are notices.
func TestRunner(t *testing.T) {
	l := New()
	root, leaf, rsaLeaf := authority(t, l, alg.P256, alg.ECDSASHA256), newParty(t, alg.P256), newParty(t, alg.RSA2048)
	unread := func(oid ...int) pkix.Extension { return pkix.Extension{Id: oid, Value: []byte{0x30, 0}} }
	shapes := map[string]func(c *x509.Certificate){
		"good": func(*x509.Certificate) {},
		"bare": func(c *x509.Certificate) {
			c.Subject, c.DNSNames, c.ExtKeyUsage, c.SubjectKeyId = pkix.Name{}, nil, nil, nil
		},
		"authority": func(c *x509.Certificate) { c.IsCA = true },
		"bad names": func(c *x509.Certificate) {
			c.DNSNames, c.EmailAddresses, c.IPAddresses = []string{"*", "a..b", ".c", "x_y.de"}, []string{"@"}, []net.IP{{1, 2, 3, 4}}
			c.Subject = pkix.Name{CommonName: " a &amp; ", Country: []string{"ch"}, Organization: []string{"Ã¼"}, SerialNumber: "1"}
		},
		"policies": func(c *x509.Certificate) { c.Policies = []x509.OID{mustOID(t, "2.5.29.32.0")} },
		"constraints": func(c *x509.Certificate) {
			c.PermittedDNSDomains, c.PermittedEmailAddresses = []string{"*.a b"}, []string{"x"}
		},
		"empty extensions": func(c *x509.Certificate) {
			for _, n := range []int{9, 18, 30, 32, 33, 36, 46, 54} {
				c.ExtraExtensions = append(c.ExtraExtensions, unread(2, 5, 29, n))
			}
		},
		"usages": func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDecipherOnly },
	}
	ran := 0
	for name, change := range shapes {
		for _, key := range []*party{leaf, rsaLeaf} {
			c := server(t, key)
			change(c)
			tbs, err := cert.Encode(c, root.cert, root.public, key.public, alg.ECDSASHA256)
			if err != nil {
				t.Fatal(err)
			}
			der, err := l.throwAways.complete(tbs, alg.P256, alg.ECDSASHA256)
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := zx509.ParseCertificate(der)
			if err != nil {
				continue // the parser's refusal is the lint's
			}
			ran++
			compareRunners(t, name, l, parsed)
		}
	}
	if ran < 10 {
		t.Errorf("only %d certificates were compared", ran)
	}
	for name := range extensionLints() {
		if lint.GlobalRegistry().CertificateLints().ByName(name) == nil {
			t.Errorf("there is no lint %s", name)
		}
	}
}

func compareRunners(t *testing.T, name string, l *Linter, c *zx509.Certificate) {
	t.Helper()
	config := lint.NewEmptyConfig()
	for i := range l.certificates {
		k := &l.certificates[i]
		want, got := k.Execute(c, config), k.run(c, config)
		if got == nil {
			got = &lint.LintResult{Status: lint.NA}
			if want.Status == lint.NE {
				got.Status = lint.NE
			}
		}
		if got.Status != want.Status {
			t.Errorf("%s: %s says %s %s, zlint's runner %s %s", name, k.Name, got.Status, got.Details, want.Status, want.Details)
		}
	}
	for _, source := range Sources() {
		for _, k := range lint.GlobalRegistry().CertificateLints().BySource(source) {
			if r := k.Execute(c, config); k.Name[:2] == notice && r.Status > lint.Notice {
				t.Errorf("%s: %s says %s", name, k.Name, r.Status)
			}
		}
	}
}

func mustOID(t *testing.T, text string) x509.OID {
	t.Helper()
	oid, err := x509.ParseOID(text)
	if err != nil {
		t.Fatal(err)
	}
	return oid
}

// TestPanic: a lint that panics refuses.
func TestPanic(t *testing.T) {
	l := New()
	l.certificates = []check{{CertificateLint: &lint.CertificateLint{
		LintMetadata: lint.LintMetadata{Name: "e_broken"}, Lint: func() lint.CertificateLintInterface { return broken{} },
	}}}
	found, err := l.Judge(authority(t, New(), alg.P256, alg.ECDSASHA256).cert.Raw)
	if err != nil || len(found.Errors) != 1 || found.Errors[0] != "e_broken (which panicked)" {
		t.Errorf("found %v (%v)", found, err)
	}
}

type broken struct{}

func (broken) CheckApplies(*zx509.Certificate) bool        { panic("not so") }
func (broken) Execute(*zx509.Certificate) *lint.LintResult { return nil }
