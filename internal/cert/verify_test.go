package cert

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// below makes a certificate under the authority, and of it a new authority.
func (c *ca) below(t testing.TB, spec alg.Spec, change func(*x509.Certificate)) *ca {
	t.Helper()
	signer, err := makeKey(spec)
	if err != nil {
		t.Fatal(err)
	}
	k, spki := public(t, signer)
	id, err := SubjectKeyID(spki)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := NewSerial(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: spec.String()}, SubjectKeyId: id,
		NotBefore: now().Add(-time.Hour), NotAfter: now().AddDate(1, 0, 0),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	change(template)
	tbs, err := Encode(template, c.cert, c.public, k, c.a)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(complete(t, c.signer, c.public, c.a, tbs))
	if err != nil {
		t.Fatal(err)
	}
	return &ca{signer, k, parsed, spec.For(alg.SignVerify)[0]}
}

// leaf makes a template a server's.
func leaf(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage, c.DNSNames = false, x509.KeyUsageDigitalSignature, names
		c.Subject.CommonName, c.ExtKeyUsage = "leaf", []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
}

func same(*x509.Certificate) {}

// chains are hierarchies of mixed algorithms: root, issuing authority, leaf.
func chains() map[string][3]alg.Spec {
	return map[string][3]alg.Spec{
		"ml-dsa-87 over ml-dsa-65 over ml-dsa-44": {alg.MLDSA87, alg.MLDSA65, alg.MLDSA44},
		"ml-dsa-65 over p-256 over p-256":         {alg.MLDSA65, alg.P256, alg.P256},
		"p-384 over ml-dsa-44 over ed25519":       {alg.P384, alg.MLDSA44, alg.Ed25519},
		"rsa over ed25519 over ml-dsa-87":         {alg.RSA2048, alg.Ed25519, alg.MLDSA87},
		"p-256 over p-521 over rsa":               {alg.P256, alg.P521, alg.RSA2048},
	}
}

// TestVerify: chains of every mixture verify, for their names and times only.
func TestVerify(t *testing.T) {
	for name, specs := range chains() {
		t.Run(name, func(t *testing.T) {
			root := newCA(t, specs[0], specs[0].For(alg.SignVerify)[0])
			sub := root.below(t, specs[1], same)
			server := sub.below(t, specs[2], leaf("a.example.com"))
			trust := func() *Trust {
				return &Trust{
					Roots: []*x509.Certificate{root.cert}, Intermediates: []*x509.Certificate{sub.cert},
					DNSName: "a.example.com", KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
				}
			}
			chain, err := Verify(server.cert, trust())
			if err != nil || len(chain) != 3 || !chain[2].Equal(root.cert) {
				t.Fatalf("a chain of %d: %v", len(chain), err)
			}
			for what, change := range map[string]func(*Trust){
				"another host":    func(o *Trust) { o.DNSName = "b.example.com" },
				"too late":        func(o *Trust) { o.At = now().AddDate(2, 0, 0) },
				"for a client":    func(o *Trust) { o.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} },
				"no intermediate": func(o *Trust) { o.Intermediates = nil },
				"another root":    func(o *Trust) { o.Roots = []*x509.Certificate{newCA(t, specs[0], root.a).cert} },
				"no root":         func(o *Trust) { o.Roots = nil },
			} {
				o := trust()
				change(o)
				if _, err := Verify(server.cert, o); fault.KindOf(err) != fault.InvalidArgument || fault.ReasonOf(err) != fault.MalformedCertificate {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}

// TestVerifyRules: the rules of RFC 5280 hold above ML-DSA keys as well.
func TestVerifyRules(t *testing.T) {
	root := newCA(t, alg.MLDSA44, alg.MLDSAPure)
	for name, test := range map[string]struct {
		sub, leaf func(*x509.Certificate)
		good      bool
		deep      bool // with one more authority between
	}{
		"good":           {same, leaf("a.example.com"), true, false},
		"deep":           {same, leaf("a.example.com"), true, true},
		"path length":    {func(c *x509.Certificate) { c.MaxPathLenZero = true }, leaf("a.example.com"), false, true},
		"no CA":          {func(c *x509.Certificate) { c.IsCA = false }, leaf("a.example.com"), false, false},
		"no cert sign":   {func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }, leaf("a.example.com"), false, false},
		"outside":        {func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.org"} }, leaf("a.example.com"), false, false},
		"inside":         {func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.com"} }, leaf("a.example.com"), true, false},
		"expired issuer": {func(c *x509.Certificate) { c.NotAfter = now().Add(-time.Minute) }, leaf("a.example.com"), false, false},
		"unknown critical": {same, func(c *x509.Certificate) {
			leaf("a.example.com")(c)
			c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		}, false, false},
	} {
		sub := root.below(t, alg.MLDSA44, test.sub)
		issuers := []*x509.Certificate{sub.cert}
		if test.deep {
			sub = sub.below(t, alg.P256, same)
			issuers = append(issuers, sub.cert)
		}
		end := sub.below(t, alg.P256, test.leaf)
		_, err := Verify(end.cert, &Trust{Roots: []*x509.Certificate{root.cert}, Intermediates: issuers})
		if (err == nil) != test.good {
			t.Errorf("%s: %v", name, err)
		}
	}
	forged := *root.below(t, alg.P256, leaf("a.example.com")).cert
	forged.Signature = append([]byte(nil), forged.Signature...)
	forged.Signature[9] ^= 1
	if _, err := Verify(&forged, &Trust{Roots: []*x509.Certificate{root.cert}}); err == nil {
		t.Error("a forged signature verifies")
	}
}

// TestVerifyBounded: a crowd of issuers with one name does not take for ever.
func TestVerifyBounded(t *testing.T) {
	crowd := make([]*x509.Certificate, 0, 40)
	var last *ca
	for range 40 {
		last = newCA(t, alg.Ed25519, alg.Ed25519Pure)
		crowd = append(crowd, last.cert)
	}
	end := last.below(t, alg.P256, leaf("a.example.com"))
	if _, err := Verify(end.cert, &Trust{Intermediates: crowd}); err == nil {
		t.Error("a chain without a root")
	}
}

// verifier is what python's cryptography, whose OpenSSL knows ML-DSA, has to
// say about signatures: each line has an issuer's certificate and a child's,
// or a revocation list's, in base64.
const verifier = `
import base64, sys
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
def check(key, o, tbs):
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(o.signature, tbs, padding.PKCS1v15(), o.signature_hash_algorithm)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(o.signature, tbs, ec.ECDSA(o.signature_hash_algorithm))
    else:
        key.verify(o.signature, tbs)
for line in sys.stdin:
    kind, issuer, child = line.split()
    key = x509.load_der_x509_certificate(base64.b64decode(issuer)).public_key()
    der = base64.b64decode(child)
    if kind == "crl":
        o = x509.load_der_x509_crl(der)
        tbs = o.tbs_certlist_bytes
    elif kind == "csr":
        o = x509.load_der_x509_csr(der)
        tbs = o.tbs_certrequest_bytes
    else:
        o = x509.load_der_x509_certificate(der)
        tbs = o.tbs_certificate_bytes
    check(key, o, tbs)
    print(kind, type(key).__name__)
`

// TestPython has certificates, requests and lists of mixed chains verified by
// a library that is not ours and knows ML-DSA.
func TestPython(t *testing.T) {
	probe := "import sys, cryptography; sys.exit(int(cryptography.__version__.split('.')[0]) < 47)"
	if err := exec.CommandContext(t.Context(), "python3", "-c", probe).Run(); err != nil {
		t.Skip("SKIP: no python3 with cryptography 47 or later: nobody but Go judges ML-DSA certificates")
	}
	var lines []string
	add := func(kind string, issuer *ca, der []byte) {
		lines = append(lines, strings.Join([]string{
			kind, base64.StdEncoding.EncodeToString(issuer.cert.Raw), base64.StdEncoding.EncodeToString(der),
		}, " "))
	}
	for _, specs := range chains() {
		root := newCA(t, specs[0], specs[0].For(alg.SignVerify)[0])
		sub := root.below(t, specs[1], same)
		end := sub.below(t, specs[2], leaf("a.example.com"))
		add("certificate", root, root.cert.Raw)
		add("certificate", root, sub.cert.Raw)
		add("certificate", sub, end.cert.Raw)
		l := &List{Number: big.NewInt(1), ThisUpdate: now(), NextUpdate: now().Add(time.Hour)}
		add("crl", root, content(t, root.write(t, &Buffer{}, l, many(10, now()))))
		info, err := EncodeRequest(&x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}, DNSNames: []string{"x.example"}}, end.public, end.a)
		if err != nil {
			t.Fatal(err)
		}
		add("csr", end, complete(t, end.signer, end.public, end.a, info))
	}
	command := exec.CommandContext(t.Context(), "python3", "-c", verifier)
	command.Stdin = strings.NewReader(strings.Join(lines, "\n"))
	out, err := command.CombinedOutput()
	if err != nil || strings.Count(string(out), "\n") != len(lines) || !strings.Contains(string(out), "MLDSA87PublicKey") && !strings.Contains(string(out), "MlDsa87") {
		t.Errorf("python: %v\n%s", err, out)
	}
}
