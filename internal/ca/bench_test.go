package ca

import (
	"crypto/rand"
	"crypto/x509"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
)

// BenchmarkIssue is a P-256 certificate from a CSR: read, linted, signed,
// recorded and stored, all but the durable parts.
func BenchmarkIssue(b *testing.B) {
	f := newFixture(b, "http://pki.example.com")
	f.authority(b, "root", alg.P256, "")
	f.authority(b, "issuing", alg.P256, "root")
	csr := newCSR(b, alg.P256, &x509.CertificateRequest{Subject: name("web"), DNSNames: []string{"web.example.com"}})
	for b.Loop() {
		_, err := f.Issue(b.Context(), f.as("admin"), &IssueRequest{Authority: "issuing", Profile: "tls-server", CSR: csr})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBare is the floor of BenchmarkIssue: what crypto/x509 takes to
// check the same CSR and to make a certificate of it.
func BenchmarkBare(b *testing.B) {
	f := newFixture(b, "http://pki.example.com")
	issuer := parse(b, f.authority(b, "root", alg.P256, "").Certificate)
	csr := newCSR(b, alg.P256, &x509.CertificateRequest{Subject: name("web"), DNSNames: []string{"web.example.com"}})
	signer, err := makeKey(alg.P256)
	if err != nil {
		b.Fatal(err)
	}
	issuer.PublicKey = signer.Public()
	for b.Loop() {
		r, err := x509.ParseCertificateRequest(csr)
		if err != nil {
			b.Fatal(err)
		}
		if err := r.CheckSignature(); err != nil {
			b.Fatal(err)
		}
		serial, err := cert.NewSerial(time.Now(), rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		_, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: serial, Subject: r.Subject, DNSNames: r.DNSNames, NotBefore: time.Now(), NotAfter: time.Now().Add(day),
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}, issuer, r.PublicKey, signer)
		if err != nil {
			b.Fatal(err)
		}
	}
}
