package profile

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"
)

// BenchmarkDraft is what a profile takes of a certificate from a CSR: reading
// it, with its signature, and drafting.
func BenchmarkDraft(b *testing.B) {
	der := csrOf(b, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "web"}, DNSNames: []string{"web.example.com"}})
	p, in := builtin(b, "tls-server"), input(b, Subject{}, Names{})
	for b.Loop() {
		r, err := ReadCSR(der)
		if err != nil {
			b.Fatal(err)
		}
		in.Request, in.Key = r, r.Key
		if _, err := p.Draft(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBareCSR is the floor of BenchmarkDraft: crypto/x509 reading the CSR
// and checking its signature.
func BenchmarkBareCSR(b *testing.B) {
	der := csrOf(b, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "web"}, DNSNames: []string{"web.example.com"}})
	for b.Loop() {
		r, err := x509.ParseCertificateRequest(der)
		if err != nil {
			b.Fatal(err)
		}
		if err := r.CheckSignature(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRule is the price of one expression.
func BenchmarkRule(b *testing.B) {
	p := compile(b, Profile{Names: AnyName, Rules: []Rule{{Expression: "request.dns.all(n, n.endsWith('.example.com'))"}}})
	in := input(b, Subject{}, dns("a.example.com", "b.example.com"))
	for b.Loop() {
		if _, err := p.Draft(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}
