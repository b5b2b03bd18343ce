package cert

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"filippo.io/mldsa"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// makeKey makes a key of a spec.
func makeKey(spec alg.Spec) (crypto.Signer, error) {
	info := spec.Info()
	switch {
	case info.Family == alg.RSA:
		return rsa.GenerateKey(rand.Reader, info.Bits)
	case spec == alg.P256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case spec == alg.P384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case spec == alg.P521:
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	}
	if params, ok := engine.MLDSAParameters(spec); ok {
		return mldsa.GenerateKey(params)
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return private, err
}

// public returns the public key of a signer and its SubjectPublicKeyInfo.
func public(t testing.TB, s crypto.Signer) (*engine.PublicKey, []byte) {
	t.Helper()
	spki, err := engine.MarshalPublic(engine.SpecOf(s.Public()), s.Public())
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParsePublic(spki)
	if err != nil {
		t.Fatal(err)
	}
	return k, spki
}

// TestRoundTrip signs a root, a request and a list with every algorithm and
// has crypto/x509 read and check them.
func TestRoundTrip(t *testing.T) {
	for _, spec := range Specs() {
		signer, err := makeKey(spec)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range spec.For(alg.SignVerify) {
			if CheckAlgorithm(spec, a) != nil {
				continue
			}
			t.Run(spec.String()+" "+a.String(), func(t *testing.T) { roundTrip(t, signer, a) })
		}
	}
}

func roundTrip(t *testing.T, signer crypto.Signer, a alg.Algorithm) {
	k, spki := public(t, signer)
	id, err := SubjectKeyID(spki)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1 << 40), Subject: pkix.Name{CommonName: "Root"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: id,
	}
	tbs, err := Encode(template, template, k, k, a)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(complete(t, signer, k, a, tbs))
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckFrom(root, root); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(root.RawSubjectPublicKeyInfo, spki) || !bytes.Equal(root.SubjectKeyId, id) {
		t.Error("another key")
	}
	known := k.Spec().Info().Family != alg.MLDSA // to crypto/x509
	if err := root.CheckSignatureFrom(root); err != nil && known {
		t.Error(err)
	}
	if tbs, err = EncodeRequest(&x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}, DNSNames: []string{"x.example"}}, k, a); err != nil {
		t.Fatal(err)
	}
	request, err := x509.ParseCertificateRequest(complete(t, signer, k, a, tbs))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := CheckRequest(request); err != nil || got.Spec() != k.Spec() || len(request.DNSNames) != 1 {
		t.Errorf("the request: %v, %v", request.DNSNames, err)
	}
	request.RawTBSCertificateRequest = bytes.Clone(request.RawTBSCertificateRequest)
	request.RawTBSCertificateRequest[len(request.RawTBSCertificateRequest)-1] ^= 1
	if _, err := CheckRequest(request); fault.ReasonOf(err) != fault.MalformedCSR {
		t.Errorf("a request whose signature does not verify: %v", err)
	}
	if tbs, err = EncodeList(&x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}, root, k, a); err != nil {
		t.Fatal(err)
	}
	list, err := x509.ParseRevocationList(complete(t, signer, k, a, tbs))
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckListFrom(list, root); err != nil {
		t.Error(err)
	}
}

// complete signs and assembles, and checks the identifier against the one
// that crypto/x509 wrote.
func complete(t testing.TB, signer crypto.Signer, k *engine.PublicKey, a alg.Algorithm, tbs []byte) []byte {
	t.Helper()
	signature, err := SignMessage(signer, a, tbs)
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckSignature(k, a, tbs, signature); err != nil {
		t.Error(err)
	}
	identifier, err := Identifier(k.Spec(), a)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := AlgorithmOf(identifier); got != a || err != nil {
		t.Errorf("the identifier of %s reads as %s (%v)", a, got, err)
	}
	der, err := Assemble(tbs, identifier, signature)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestForeignChild: a certificate is not from an issuer of another name or key.
func TestForeignChild(t *testing.T) {
	one, two := root(t, "One"), root(t, "Two")
	sameName := root(t, "One")
	if err := CheckFrom(one, two); err == nil {
		t.Error("another name")
	}
	if err := CheckFrom(one, sameName); err == nil {
		t.Error("another key")
	}
}

func root(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	signer, err := makeKey(alg.P256)
	if err != nil {
		t.Fatal(err)
	}
	k, _ := public(t, signer)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: []byte{1},
	}
	tbs, err := Encode(template, template, k, k, alg.ECDSASHA256)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(complete(t, signer, k, alg.ECDSASHA256, tbs))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSubjectKeyID is the method of RFC 7093 section 2, as crypto/x509 has it.
func TestSubjectKeyID(t *testing.T) {
	signer, err := makeKey(alg.P256)
	if err != nil {
		t.Fatal(err)
	}
	_, spki := public(t, signer)
	id, err := SubjectKeyID(spki)
	if err != nil || len(id) != 20 {
		t.Fatalf("%x, %v", id, err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true},
		&x509.Certificate{}, signer.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := x509.ParseCertificate(der); err != nil || !bytes.Equal(c.SubjectKeyId, id) {
		t.Errorf("crypto/x509 has %x, not %x (%v)", c.SubjectKeyId, id, err)
	}
	if _, err := SubjectKeyID([]byte{0x30, 0}); err == nil {
		t.Error("an identifier of no key")
	}
}

// TestAlgorithmOf refuses what nobody should sign with.
func TestAlgorithmOf(t *testing.T) {
	for _, oid := range []asn1.ObjectIdentifier{
		{1, 2, 840, 113549, 1, 1, 5},  // SHA-1 with RSA
		{1, 2, 840, 113549, 1, 1, 11}, // SHA-256 with RSA, its NULL missing
		{1, 2, 3},
	} {
		der, err := asn1.Marshal(pkix.AlgorithmIdentifier{Algorithm: oid})
		if err != nil {
			t.Fatal(err)
		}
		if a, err := AlgorithmOf(der); err == nil {
			t.Errorf("%v reads as %s", oid, a)
		}
	}
}
