package bundle

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// certificates makes three of them.
func certificates(t testing.TB) (list [3][]byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: "a"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
		}
		if list[i], err = x509.CreateCertificate(rand.Reader, template, template, k.Public(), k); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

func pemOf(ders ...[]byte) []byte {
	var b []byte
	for _, der := range ders {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return b
}

// TestRead reads every form that a bundle has, some written by
// OpenSSL.
func TestRead(t *testing.T) {
	made := certificates(t)
	want, leaf := made[:], made[0]
	forms := map[string][]byte{
		"PEM":                 pemOf(want...),
		"PEM with other text": append([]byte("subject=/CN=a\n"), pemOf(want...)...),
		"DER in a row":        slices.Concat(want...),
	}
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("SKIP: openssl is not installed: its PKCS #7 bundles are missing")
	}
	in := filepath.Join(t.TempDir(), "in.pem")
	if err := os.WriteFile(in, pemOf(want...), 0o600); err != nil {
		t.Fatal(err)
	}
	for form, args := range map[string][]string{
		"PKCS #7 in PEM": {"crl2pkcs7", "-nocrl", "-certfile", in},
		"PKCS #7 in DER": {"crl2pkcs7", "-nocrl", "-certfile", in, "-outform", "DER"},
	} {
		out, err := exec.CommandContext(t.Context(), "openssl", args...).Output()
		if err != nil {
			t.Fatal(err)
		}
		forms[form] = out
	}
	for form, data := range forms {
		got, err := Read(data)
		if err != nil || len(got) != 3 {
			t.Errorf("%s: %d certificates, %v", form, len(got), err)
			continue
		}
		for _, der := range want {
			if !slices.ContainsFunc(got, func(b []byte) bool { return bytes.Equal(b, der) }) {
				t.Errorf("%s lacks a certificate", form)
			}
		}
	}
	trusted, err := exec.CommandContext(t.Context(), "openssl", "x509", "-in", in, "-addtrust", "serverAuth", "-trustout").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Read(trusted); err != nil || len(got) != 1 || !bytes.Equal(got[0], leaf) {
		t.Errorf("a trusted certificate: %d, %v", len(got), err)
	}
}

func FuzzRead(f *testing.F) {
	made := certificates(f)
	f.Add(pemOf(made[:]...))
	f.Add(slices.Concat(made[:]...))
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: []byte{0x30, 0x03, 0x06, 0x01, 0x2a}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := Read(data)
		if err != nil {
			return
		}
		again, err := Read(pemOf(list...))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(list, again); diff != "" {
			t.Errorf("written as PEM and read again (-first +second):\n%s", diff)
		}
	})
}
