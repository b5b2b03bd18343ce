package lint

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"testing"
	"time"

	"github.com/zmap/zlint/v3/lint"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

const day = 24 * time.Hour

// party is a key and its certificate.
type party struct {
	signer crypto.Signer
	public *engine.PublicKey
	spki   []byte
	cert   *x509.Certificate
}

// newParty makes a key.
func newParty(t testing.TB, spec alg.Spec) *party {
	t.Helper()
	signer, err := makeKey(spec)
	if err != nil {
		t.Fatal(err)
	}
	p := &party{signer: signer}
	if p.spki, err = engine.MarshalPublic(spec, signer.Public()); err != nil {
		t.Fatal(err)
	}
	if p.public, err = engine.ParsePublic(spec, p.spki); err != nil {
		t.Fatal(err)
	}
	return p
}

// keyID returns the subject key identifier of the party's key.
func (p *party) keyID(t testing.TB) []byte {
	t.Helper()
	id, err := cert.SubjectKeyID(p.spki)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// serial returns a new serial number.
func serial(t testing.TB) *big.Int {
	t.Helper()
	s, err := cert.NewSerial(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// authority makes a self-signed authority.
func authority(t testing.TB, l *Linter, spec alg.Spec, a alg.Algorithm) *party {
	t.Helper()
	p := newParty(t, spec)
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: "Root"}, NotBefore: time.Now().Add(-day), NotAfter: time.Now().Add(1000 * day),
		BasicConstraintsValid: true, IsCA: true, MaxPathLen: -1, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SubjectKeyId: p.keyID(t),
	}
	token, err := l.Certificate(template, template, p.public, p.public, a)
	if err != nil {
		t.Fatal(err)
	}
	der, err := token.Sign(p.signer)
	if err != nil {
		t.Fatal(err)
	}
	p.cert = parse(t, der)
	return p
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// server returns the template of a server's certificate.
func server(t testing.TB, p *party) *x509.Certificate {
	t.Helper()
	return &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: "a.example.com"}, DNSNames: []string{"a.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(day),
		BasicConstraintsValid: true, SubjectKeyId: p.keyID(t),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

// wantRefused checks that an error is a lint's refusal and names the lint.
func wantRefused(t testing.TB, err error, name string) {
	t.Helper()
	if fault.KindOf(err) != fault.InvalidArgument || fault.ReasonOf(err) != fault.LintFailed || !bytes.Contains([]byte(err.Error()), []byte(name)) {
		t.Errorf("error %v, want a refusal by %s", err, name)
	}
}

// TestLintedBytesAreSigned: the token holds the TBS, is good for one
// signature, and what comes out holds the same bytes.
func TestLintedBytesAreSigned(t *testing.T) {
	l := New()
	ca, p := authority(t, l, alg.P256, alg.ECDSASHA256), newParty(t, alg.P256)
	token, err := l.Certificate(server(t, p), ca.cert, ca.public, p.public, alg.ECDSASHA256)
	if err != nil {
		t.Fatal(err)
	}
	tbs := bytes.Clone(token.tbs)
	der, err := token.Sign(ca.signer)
	if err != nil {
		t.Fatal(err)
	}
	if got := parse(t, der); !bytes.Equal(got.RawTBSCertificate, tbs) {
		t.Error("other bytes were signed than were linted")
	} else if err := got.CheckSignatureFrom(ca.cert); err != nil {
		t.Error(err)
	}
	if _, err := token.Sign(ca.signer); err == nil {
		t.Error("the token was good for two signatures")
	}
	bad := server(t, p)
	bad.KeyUsage = x509.KeyUsageCertSign
	_, err = l.Certificate(bad, ca.cert, ca.public, p.public, alg.ECDSASHA256)
	wantRefused(t, err, "e_ext_key_usage_cert_sign_without_ca")
	for _, size := range []int{0, 21} {
		bad := server(t, p)
		if bad.SerialNumber = new(big.Int).Lsh(big.NewInt(1), uint(8*size)); size == 0 {
			bad.SerialNumber.SetInt64(-5)
		}
		if _, err = l.Certificate(bad, ca.cert, ca.public, p.public, alg.ECDSASHA256); err == nil {
			t.Errorf("a serial number of %d bytes passed", size)
		}
	}
}

// TestForeignSignature: a signer whose signature does not verify under the
// issuer's key gets no certificate out of a token.
func TestForeignSignature(t *testing.T) {
	l := New()
	ca, p := authority(t, l, alg.P256, alg.ECDSASHA256), newParty(t, alg.P256)
	token, err := l.Certificate(server(t, p), ca.cert, ca.public, p.public, alg.ECDSASHA256)
	if err != nil {
		t.Fatal(err)
	}
	if der, err := token.Sign(p.signer); err == nil || der != nil || fault.KindOf(err) != fault.Internal {
		t.Errorf("another key's signature: %v", err)
	}
}

// TestRegistry: the lists are not empty, every exception names a lint that
// exists, and good certificates have no finding.
func TestRegistry(t *testing.T) {
	l := New()
	if len(l.certificates) < 100 || len(l.lists) < 5 {
		t.Fatalf("%d lints for certificates, %d for CRLs: the registry is not what it was", len(l.certificates), len(l.lists))
	}
	for exception, why := range Exceptions() {
		if why == "" || lint.GlobalRegistry().CertificateLints().ByName(exception) == nil {
			t.Errorf("the exception %s has no reason, or names no lint", exception)
		}
	}
	for spec, a := range map[alg.Spec]alg.Algorithm{
		alg.RSA2048: alg.PSSSHA256, alg.Ed25519: alg.Ed25519Pure, alg.MLDSA44: alg.MLDSAPure, alg.MLDSA65: alg.MLDSAPure, alg.MLDSA87: alg.MLDSAPure,
	} {
		ca, p := authority(t, l, spec, a), newParty(t, spec)
		token, err := l.Certificate(server(t, p), ca.cert, ca.public, p.public, a)
		if err != nil {
			t.Fatal(err)
		}
		der, err := token.Sign(ca.signer)
		if err != nil {
			t.Fatal(err)
		}
		for _, der := range [][]byte{ca.cert.Raw, der} {
			if found, err := l.Judge(der); err != nil || len(found.Errors)+len(found.Warnings) > 0 {
				t.Errorf("a good certificate of %s: %v (%v)", spec, found, err)
			}
		}
	}
	if _, err := l.Judge([]byte{0x30, 0}); fault.ReasonOf(err) != fault.MalformedCertificate {
		t.Errorf("no certificate: %v", err)
	}
}

// TestWrittenList: a token of a list in a spool completes it, once, and what
// zlint refuses gets none.
func TestWrittenList(t *testing.T) {
	l := New()
	for spec, a := range map[alg.Spec]alg.Algorithm{alg.P256: alg.ECDSASHA256, alg.Ed25519: alg.Ed25519Pure, alg.MLDSA65: alg.MLDSAPure} {
		ca, spool := authority(t, l, spec, a), &cert.Buffer{}
		list := &cert.List{Number: big.NewInt(3), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(day)}
		entries := func(yield func(cert.Entry, error) bool) {
			for i := range 3000 {
				if !yield(cert.Entry{Serial: []byte{1, byte(i >> 8), byte(i)}, RevokedAt: list.ThisUpdate, Reason: 4}, nil) {
					return
				}
			}
		}
		draft, err := cert.WriteList(spool, list, ca.cert, ca.public, a, entries)
		if err != nil {
			t.Fatal(err)
		}
		token, err := l.Written(draft)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := token.Sign(newParty(t, spec).signer); fault.KindOf(err) != fault.Internal {
			t.Errorf("another key's signature: %v", err)
		}
		if token, err = l.Written(draft); err != nil {
			t.Fatal(err)
		}
		if _, err := token.Sign(ca.signer); err != nil {
			t.Fatal(err)
		}
		if _, err := token.Sign(ca.signer); err == nil {
			t.Error("the token was good for two signatures")
		}
		der, err := io.ReadAll(draft.Reader())
		if err != nil {
			t.Fatal(err)
		}
		got, err := x509.ParseRevocationList(der)
		if err != nil || cert.CheckListFrom(got, ca.cert) != nil || len(got.RevokedCertificateEntries) != 3000 {
			t.Errorf("the list of %s: %v", spec, err)
		}
		list.NextUpdate = list.ThisUpdate.AddDate(2, 0, 0)
		list.Extensions = []pkix.Extension{{Id: []int{2, 5, 29, 20}, Value: []byte{2, 1, 1}}}
		if draft, err = cert.WriteList(spool, list, ca.cert, ca.public, a, entries); err != nil {
			t.Fatal(err)
		}
		if _, err = l.Written(draft); err == nil {
			t.Error("a list with two numbers passed")
		}
	}
}

// BenchmarkCertificate encodes and lints a server's certificate.
func BenchmarkCertificate(b *testing.B) {
	l := New()
	ca, p := authority(b, l, alg.P256, alg.ECDSASHA256), newParty(b, alg.P256)
	template := server(b, p)
	for b.Loop() {
		if _, err := l.Certificate(template, ca.cert, ca.public, p.public, alg.ECDSASHA256); err != nil {
			b.Fatal(err)
		}
	}
}

// TestKeys: weak keys, and an authority's key for somebody else, get no
// certificate.
func TestKeys(t *testing.T) {
	l := New()
	ca, leaf := authority(t, l, alg.P256, alg.ECDSASHA256), newParty(t, alg.P256)
	l.Know(Knowledge{HasKey: func(spki []byte) bool { return bytes.Equal(spki, ca.spki) }})
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(small.Public())
	if err != nil {
		t.Fatal(err)
	}
	weak, err := cert.ParsePublic(spki)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]*engine.PublicKey{"an authority's": ca.public, "weak": weak} {
		if _, err := l.Certificate(server(t, leaf), ca.cert, ca.public, key, alg.ECDSASHA256); fault.ReasonOf(err) != fault.WeakKey {
			t.Errorf("%s: %v", name, err)
		}
	}
	renewed := issuing(t, ca)
	renewed.Subject, renewed.MaxPathLen, renewed.MaxPathLenZero = ca.cert.Subject, -1, false
	if _, err := l.Certificate(renewed, renewed, ca.public, ca.public, alg.ECDSASHA256); err != nil {
		t.Errorf("an authority's own next certificate: %v", err)
	}
}
