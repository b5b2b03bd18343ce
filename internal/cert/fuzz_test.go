package cert

import (
	"bytes"
	"crypto/x509"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// FuzzSerial: what parses is in the form in which it is stored.
func FuzzSerial(f *testing.F) {
	for _, s := range []string{"01", "0:1", "019AAB4EFE00ffffffffffffffffffff", "", "/", "00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		serial, err := ParseSerial(text)
		if err != nil {
			return
		}
		if again, err := ParseSerial(serial); err != nil || again != serial {
			t.Errorf("%q reads as %q, which reads as %q (%v)", text, serial, again, err)
		}
	})
}

// FuzzIdentifier: an identifier that is read is written back the same.
func FuzzIdentifier(f *testing.F) {
	for _, spec := range Specs() {
		for _, a := range spec.For(alg.SignVerify) {
			if der, err := Identifier(spec, a); err == nil {
				f.Add(der)
			}
		}
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		a, err := AlgorithmOf(der)
		if err != nil {
			return
		}
		for _, spec := range Specs() {
			if again, err := Identifier(spec, a); err == nil && bytes.Equal(again, der) {
				return
			}
		}
		t.Errorf("%x reads as %s, and no key's identifier is it", der, a)
	})
}

// FuzzPublic: a key that is read is written back the same.
func FuzzPublic(f *testing.F) {
	for _, spec := range []alg.Spec{alg.P256, alg.Ed25519, alg.MLDSA44, alg.RSA2048} {
		signer, err := makeKey(spec)
		if err != nil {
			f.Fatal(err)
		}
		_, spki := public(f, signer)
		f.Add(spki)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		k, err := ParsePublic(der)
		if err != nil {
			if kind := fault.KindOf(err); kind != fault.InvalidArgument && kind != fault.Unsupported {
				t.Errorf("a bad key is %s: %v", kind, err)
			}
			return
		}
		if !bytes.Equal(k.SPKI(), der) {
			t.Error("another key")
		}
		if _, err := SubjectKeyID(der); err != nil {
			t.Error(err)
		}
	})
}

// FuzzRequest: a request proves the key that it holds, or is refused for a
// reason of its own.
func FuzzRequest(f *testing.F) {
	for _, spec := range []alg.Spec{alg.P256, alg.MLDSA44} {
		c := newCA(f, spec, spec.For(alg.SignVerify)[0])
		info, err := EncodeRequest(&x509.CertificateRequest{DNSNames: []string{"x.example"}}, c.public, c.a)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(complete(f, c.signer, c.public, c.a, info))
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		r, err := x509.ParseCertificateRequest(der)
		if err != nil {
			return
		}
		k, err := CheckRequest(r)
		if err != nil && fault.ReasonOf(err) != fault.MalformedCSR {
			t.Error(err)
		}
		if err == nil && !bytes.Equal(k.SPKI(), r.RawSubjectPublicKeyInfo) {
			t.Error("another key")
		}
	})
}
