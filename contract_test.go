package holdfast_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast"
)

// world is a place of keys to try: what is true of one is true of all.
type world struct {
	// uri returns the URI of a key that does not exist yet.
	uri func(name string) string
	// place is the URI of the place.
	place string
	// specs are those that the place makes, decrypt the RSA ones among them that
	// it makes for decryption.
	specs, decrypt []string
	// agree are those that it makes for key agreement.
	agree []string
	opts  []holdfast.Option
}

// try runs what a program does with keys.
func try(t *testing.T, w world) {
	if len(w.specs) == 0 {
		t.Fatal("the place has no specs")
	}
	for _, spec := range w.specs {
		t.Run(spec, func(t *testing.T) { trySpec(t, w, spec) })
	}
	for _, spec := range w.decrypt {
		t.Run(spec+" decrypts", func(t *testing.T) { tryDecrypt(t, w, spec) })
	}
	for _, spec := range w.agree {
		t.Run(spec+" agrees", func(t *testing.T) {
			k := open(t, w, spec, holdfast.WithUsage("key-agreement"))
			agrees(t, k, k)
		})
	}
	t.Run("nothing", func(t *testing.T) {
		_, err := holdfast.Open(t.Context(), w.uri("missing"), w.opts...)
		wantKind(t, err, holdfast.NotFound)
		_, err = holdfast.Open(t.Context(), w.place, w.opts...)
		wantKind(t, err, holdfast.InvalidArgument)
		_, err = holdfast.Create(t.Context(), w.uri("odd"), "rsa-1024", w.opts...)
		wantKind(t, err, holdfast.InvalidArgument)
	})
	t.Run("list", func(t *testing.T) { tryList(t, w) })
	t.Run("random", func(t *testing.T) {
		p := connect(t, w)
		one, err := p.Random(t.Context(), 2000)
		two, err2 := p.Random(t.Context(), 2000)
		if err != nil || err2 != nil || len(one) != 2000 || bytes.Equal(one, two) {
			t.Errorf("random bytes: %v, %v", err, err2)
		}
		_, err = p.Random(t.Context(), 0)
		wantKind(t, err, holdfast.InvalidArgument)
	})
}

func connect(t *testing.T, w world) *holdfast.Place {
	t.Helper()
	p, err := holdfast.Connect(t.Context(), w.place, w.opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, p) })
	return p
}

func closed(t *testing.T, c interface{ Close() error }) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func wantKind(t *testing.T, err error, kind holdfast.Kind) {
	t.Helper()
	if holdfast.KindOf(err) != kind {
		t.Errorf("the error is %v (%q), want one of the kind %q", err, holdfast.KindOf(err), kind)
	}
	if _, ok := errors.AsType[*holdfast.Error](err); err != nil && !ok {
		t.Errorf("%v is no *holdfast.Error", err)
	}
}

// open makes a key and opens it again by its name.
func open(t *testing.T, w world, spec string, more ...holdfast.Option) *holdfast.Key {
	t.Helper()
	opts := append(slices.Clone(w.opts), more...)
	uri := w.uri(strings.NewReplacer("_", "-", "/", "-").Replace(strings.ToLower(t.Name())))
	made, err := holdfast.Create(t.Context(), uri, spec, opts...)
	if err != nil {
		t.Fatal(err)
	}
	closed(t, made)
	_, err = holdfast.Create(t.Context(), uri, spec, opts...)
	wantKind(t, err, holdfast.AlreadyExists)
	k, err := holdfast.Open(t.Context(), made.URI(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, k) })
	if k.Spec() != spec || k.URI() != made.URI() || !bytes.Equal(k.PublicDER(), made.PublicDER()) {
		t.Errorf("made %s (%s), opened %s (%s)", made, made.Spec(), k, k.Spec())
	}
	if again, err := holdfast.ParseURI(k.URI()); err != nil || again.String() != k.URI() {
		t.Errorf("%s reads as %v (%v)", k.URI(), again, err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", k, k, k, k); strings.Count(text, k.URI()) != 4 || strings.Contains(text, "{") {
		t.Errorf("a key prints as %s", text)
	}
	return k
}

func trySpec(t *testing.T, w world, spec string) {
	k := open(t, w, spec)
	switch {
	case spec == "aes-256":
		tryAEAD(t, k)
	case strings.HasPrefix(spec, "hmac"):
		tryMAC(t, k)
	default:
		trySigner(t, k)
		tryCertificates(t, k)
	}
	lacking(t, k, spec)
}

// lacking asks for what a key does not do.
func lacking(t *testing.T, k *holdfast.Key, spec string) {
	t.Helper()
	symmetric := spec == "aes-256" || strings.HasPrefix(spec, "hmac")
	_, err := k.AEAD()
	refused(t, "AEAD", err, spec != "aes-256")
	_, err = k.MAC()
	refused(t, "MAC", err, !strings.HasPrefix(spec, "hmac"))
	_, err = k.Signer()
	refused(t, "Signer", err, symmetric)
	_, err = k.SignWith(t.Context(), "", []byte("m"))
	refused(t, "SignWith", err, symmetric)
	_, err = k.Sign(nil, []byte("m"), crypto.Hash(0))
	if symmetric {
		refused(t, "Sign", err, true)
	}
	if (k.Public() == nil) != symmetric || (k.PublicPEM() == nil) != symmetric {
		t.Errorf("the public half is %v", k.Public())
	}
}

func refused(t *testing.T, what string, err error, want bool) {
	t.Helper()
	if want != (holdfast.KindOf(err) == holdfast.Unsupported) {
		t.Errorf("%s: %v", what, err)
	}
}

func tryAEAD(t *testing.T, k *holdfast.Key) {
	a, err := k.AEAD()
	if err != nil {
		t.Fatal(err)
	}
	for _, associated := range [][]byte{nil, []byte("context"), bytes.Repeat([]byte("long"), 1000)} {
		ciphertext, err := a.Encrypt([]byte("a secret"), associated)
		if err != nil {
			t.Fatal(err)
		}
		plaintext, err := a.Decrypt(ciphertext, associated)
		if err != nil || string(plaintext) != "a secret" {
			t.Errorf("decrypted %q, %v", plaintext, err)
		}
		_, err = a.Decrypt(ciphertext, []byte("another context"))
		wantKind(t, err, holdfast.BadCiphertext)
		ciphertext[len(ciphertext)-1] ^= 1
		_, err = a.Decrypt(ciphertext, associated)
		wantKind(t, err, holdfast.BadCiphertext)
	}
}

func tryMAC(t *testing.T, k *holdfast.Key) {
	m, err := k.MAC()
	if err != nil {
		t.Fatal(err)
	}
	code, err := m.ComputeMAC([]byte("data"))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.VerifyMAC(code, []byte("data")); err != nil {
		t.Error(err)
	}
	wantKind(t, m.VerifyMAC(code, []byte("other data")), holdfast.BadSignature)
}

// trySigner has every algorithm of a key sign, and Go judge where it can.
func trySigner(t *testing.T, k *holdfast.Key) {
	message := bytes.Repeat([]byte("message "), 100)
	signing := 0
	for _, a := range k.Algorithms() {
		if strings.HasPrefix(a, "rsa-oaep") || a == "ecdh" {
			continue
		}
		signing++
		if a == "ed25519ph" {
			continue // takes digests alone
		}
		signature, err := k.SignWith(t.Context(), a, message)
		if err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		if err := k.Verify(t.Context(), a, message, signature); err != nil {
			t.Errorf("%s: %v", a, err)
		}
		wantKind(t, k.Verify(t.Context(), a, []byte("another"), signature), holdfast.BadSignature)
		judge(t, k, a, message, signature)
	}
	if signing == 0 {
		t.Error("the key signs with nothing")
	}
	_, err := k.SignWith(t.Context(), "rsa-pkcs1-md5", message)
	wantKind(t, err, holdfast.InvalidArgument)
	_, err = k.SignWith(t.Context(), "hmac-sha256", message)
	wantKind(t, err, holdfast.InvalidArgument)
}

// judge verifies a signature by crypto/x509, which knows the public half alone.
func judge(t *testing.T, k *holdfast.Key, algorithm string, message, signature []byte) {
	t.Helper()
	known := map[string]x509.SignatureAlgorithm{
		"rsa-pkcs1-sha256": x509.SHA256WithRSA, "rsa-pkcs1-sha384": x509.SHA384WithRSA, "rsa-pkcs1-sha512": x509.SHA512WithRSA,
		"rsa-pss-sha256": x509.SHA256WithRSAPSS, "rsa-pss-sha384": x509.SHA384WithRSAPSS, "rsa-pss-sha512": x509.SHA512WithRSAPSS,
		"ecdsa-sha256": x509.ECDSAWithSHA256, "ecdsa-sha384": x509.ECDSAWithSHA384, "ecdsa-sha512": x509.ECDSAWithSHA512,
		"ed25519": x509.PureEd25519,
	}
	if _, ours := k.Public().(*holdfast.PublicKey); ours {
		return
	}
	c := &x509.Certificate{PublicKey: k.Public()}
	if err := c.CheckSignature(known[algorithm], message, signature); err != nil {
		t.Errorf("%s: crypto/x509 says %v", algorithm, err)
	}
}

// tryCertificates makes a request, a root, and a certificate of it.
func tryCertificates(t *testing.T, k *holdfast.Key) {
	if k.Spec() == "secp256k1" {
		_, err := holdfast.CSR(k, &x509.CertificateRequest{})
		wantKind(t, err, holdfast.Unsupported)
		return
	}
	der, err := holdfast.CSR(k, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "web"}, DNSNames: []string{"web.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	root, err := holdfast.SelfSigned(k, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Root"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	parent, err := x509.ParseCertificate(root)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := holdfast.SignCertificate(parent, k, &x509.Certificate{
		Subject: pkix.Name{CommonName: "web"}, DNSNames: []string{"web.example.com"}, NotAfter: time.Now().Add(time.Minute),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, k)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(k.Spec(), "ml-dsa") {
		return // crypto/x509 of Go 1.26 does not verify these; internal/cert has their tests
	}
	if err := request.CheckSignature(); err != nil {
		t.Errorf("the request: %v", err)
	}
	verifies(t, parent, leaf)
}

func verifies(t *testing.T, root *x509.Certificate, leaf []byte) {
	t.Helper()
	c, err := x509.ParseCertificate(leaf)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	if _, err := c.Verify(x509.VerifyOptions{Roots: roots, DNSName: "web.example.com"}); err != nil {
		t.Errorf("the certificate: %v", err)
	}
}

// tryDecrypt has a key decrypt what was encrypted here with its public half.
func tryDecrypt(t *testing.T, w world, spec string) {
	k := open(t, w, spec, holdfast.WithUsage("encrypt-decrypt"))
	d, err := k.Decrypter()
	if err != nil {
		t.Fatal(err)
	}
	ciphertext, err := k.Encrypt("", []byte("a secret"))
	if err != nil {
		t.Fatal(err)
	}
	plaintext, err := d.Decrypt(nil, ciphertext, &rsa.OAEPOptions{Hash: crypto.SHA256})
	if err != nil || string(plaintext) != "a secret" {
		t.Errorf("decrypted %q, %v", plaintext, err)
	}
	ciphertext[5] ^= 1
	_, err = d.Decrypt(nil, ciphertext, &rsa.OAEPOptions{Hash: crypto.SHA256})
	wantKind(t, err, holdfast.BadCiphertext)
	_, err = d.Decrypt(nil, ciphertext, nil)
	wantKind(t, err, holdfast.InvalidArgument)
}

// tryList finds a new key among the place's.
func tryList(t *testing.T, w world) {
	k := open(t, w, "p-256")
	keys, err := holdfast.List(t.Context(), w.place, w.opts...)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, l := range keys {
		if l.Spec != "p-256" {
			continue
		}
		other, err := holdfast.Open(t.Context(), l.URI, w.opts...)
		if err != nil {
			t.Fatalf("%s is listed: %v", l.URI, err)
		}
		if bytes.Equal(other.PublicDER(), k.PublicDER()) {
			found++
			if l.State != "usable" {
				t.Errorf("%s is %q", l.URI, l.State)
			}
		}
		closed(t, other)
	}
	if found != 1 {
		t.Errorf("the key is %d times among %d", found, len(keys))
	}
}
