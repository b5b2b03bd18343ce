package ca

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"net/url"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/profile"
)

// FuzzCSR: a request is refused with a fault that is its own, or the
// certificate that comes of it is no CA's, has the request's key and the
// profile's usages, and verifies.
func FuzzCSR(f *testing.F) {
	x := newFixture(f, "")
	x.keys.pool = &keyPool{}
	root := parse(f, x.authority(f, "root", alg.P256, "").Certificate)
	for _, spec := range []alg.Spec{alg.P256, alg.Ed25519, alg.RSA2048} {
		f.Add(newCSR(f, spec, &x509.CertificateRequest{
			Subject: pkix.Name{CommonName: "x", Country: []string{"CH"}}, DNSNames: []string{"*.a.example.com", "xn--bcher-kva.example"},
			IPAddresses: []net.IP{{10, 0, 0, 1}}, URIs: []*url.URL{{Scheme: "spiffe", Host: "a.b", Path: "/c"}}, EmailAddresses: []string{"a@b.c"},
			ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}}},
		}))
	}
	f.Add(newCSR(f, alg.P256, &x509.CertificateRequest{DNSNames: []string{"a.example.com"}}))
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, der []byte) {
		for _, p := range profile.Builtin() {
			c, err := x.Issue(t.Context(), x.as("admin"), &IssueRequest{Authority: "root", Profile: p.Name, CSR: der})
			if err != nil {
				if k := fault.KindOf(err); k == fault.Internal || k == fault.Unavailable {
					t.Fatalf("a bad request is %s: %v", k, err)
				}
				continue
			}
			cert := parse(t, c.DER)
			if cert.IsCA || cert.KeyUsage&^(p.Usage|p.RSAUsage) != 0 || len(cert.ExtKeyUsage) != len(p.Extended) {
				t.Errorf("CA %v, usage %s %v", cert.IsCA, cert.KeyUsage, cert.ExtKeyUsage)
			}
			csr, err := x509.ParseCertificateRequest(der)
			if err != nil || string(csr.RawSubjectPublicKeyInfo) != string(cert.RawSubjectPublicKeyInfo) {
				t.Errorf("another key (%v)", err)
			}
			if err := cert.CheckSignatureFrom(root); err != nil {
				t.Error(err)
			}
		}
	})
}

var _ Keys = (*kms.Service)(nil)
