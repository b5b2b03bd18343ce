package keystore

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
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/mldsa"
	mldsax509 "filippo.io/mldsa/x509"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// chain returns a bundle: a leaf, an authority and its root.
func chain(t *testing.T, leaf crypto.Signer) *Bundle {
	t.Helper()
	rootKey, middleKey := newEC(t), newEC(t)
	root := template("Root", true)
	rootDER := sign(t, root, root, rootKey, rootKey)
	middle := template("Middle", true)
	b := &Bundle{
		Chain: [][]byte{sign(t, middle, root, middleKey, rootKey), rootDER},
		Leaf:  sign(t, template("leaf.example.com", false), middle, leaf, middleKey),
	}
	der, err := x509.MarshalPKCS8PrivateKey(leaf)
	if err != nil {
		t.Fatal(err)
	}
	b.Key = der
	return b
}

func newEC(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func template(name string, ca bool) *x509.Certificate {
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		BasicConstraintsValid: true, IsCA: ca, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if ca {
		c.KeyUsage = x509.KeyUsageCertSign
	} else {
		c.DNSNames = []string{name}
	}
	return c
}

func sign(t *testing.T, c, issuer *x509.Certificate, k, by crypto.Signer) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, issuer, k.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// run runs a tool and returns what it printed.
func run(t *testing.T, in []byte, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestSelections(t *testing.T) {
	b := chain(t, newEC(t))
	leaf, middle, root := b.Leaf, b.Chain[0], b.Chain[1]
	for name, test := range map[string]struct {
		selection Selection
		want      [][]byte
	}{
		"what TLS sends":          {Selection{}, [][]byte{leaf, middle}},
		"with the root":           {Selection{WithRoot: true}, [][]byte{leaf, middle, root}},
		"root first":              {Selection{Order: RootFirst, WithRoot: true}, [][]byte{root, middle, leaf}},
		"the issuers":             {Selection{WithoutLeaf: true}, [][]byte{middle}},
		"the issuers, root first": {Selection{Order: RootFirst, WithoutLeaf: true, WithRoot: true}, [][]byte{root, middle}},
	} {
		got, err := b.Certificates(test.selection)
		if err != nil || !slices.EqualFunc(got, test.want, bytes.Equal) {
			t.Errorf("%s: got %d certificates (%v), want others", name, len(got), err)
		}
		text, err := b.PEM(test.selection)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseCertificates("chain", text); err != nil || !slices.EqualFunc(again, test.want, bytes.Equal) {
			t.Errorf("%s: the PEM reads back as something else: %v", name, err)
		}
	}
	if got, err := (&Bundle{Leaf: leaf, Chain: [][]byte{middle}}).Certificates(Selection{}); err != nil || len(got) != 2 {
		t.Errorf("a chain without its root loses an issuer: %d certificates, %v", len(got), err)
	}
}

// TestEncryptedKeys has openssl read what EncryptKey writes, under the right
// passphrase alone.
func TestEncryptedKeys(t *testing.T) {
	const passphrase = "correct horse battery staple"
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]crypto.Signer{"ec": newEC(t), "ed25519": ed} {
		plain, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		for d, derivation := range map[string]Derivation{"pbkdf2": PBKDF2, "scrypt": Scrypt} {
			t.Run(name+" "+d, func(t *testing.T) {
				got, err := EncryptKey(plain, []byte(passphrase), derivation)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.HasPrefix(got, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")) {
					t.Errorf("the key begins with %.40q", got)
				}
				out := run(t, got, "openssl", "pkcs8", "-passin", "pass:"+passphrase, "-outform", "PEM")
				if back, _ := pem.Decode([]byte(out)); back == nil || !bytes.Equal(back.Bytes, plain) {
					t.Errorf("openssl reads %q", out)
				}
				cmd := exec.CommandContext(t.Context(), "openssl", "pkcs8", "-passin", "pass:wrong")
				cmd.Stdin = bytes.NewReader(got)
				if err := cmd.Run(); err == nil {
					t.Error("a wrong passphrase opens it")
				}
			})
		}
	}
	if _, err := EncryptKey([]byte("x"), nil, PBKDF2); fault.KindOf(err) != fault.InvalidArgument || err == nil {
		t.Errorf("without a passphrase: %v", err)
	}
}

// TestPKCS12 has openssl and Java's keytool read every protection.
func TestPKCS12(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	const password = "changeit"
	for name, leaf := range map[string]crypto.Signer{"ec": newEC(t), "rsa": rsaKey} {
		b := chain(t, leaf)
		for _, p := range []Protection{Modern, LegacyDES, LegacyRC2} {
			t.Run(name+" "+p.String(), func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "leaf.p12")
				out, err := b.PKCS12(password, p)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, out, 0o600); err != nil {
					t.Fatal(err)
				}
				args := []string{"openssl", "pkcs12", "-in", file, "-passin", "pass:" + password, "-nodes"}
				if p == LegacyRC2 {
					args = append(args, "-legacy")
				}
				text := run(t, nil, args...)
				if n := strings.Count(text, "-----BEGIN CERTIFICATE-----"); n != 3 || !strings.Contains(text, "PRIVATE KEY") {
					t.Errorf("openssl finds %d certificates in %s", n, text)
				}
				listing := keytool(t, "-list", "-v", "-storetype", "PKCS12", "-keystore", file, "-storepass", password)
				if !strings.Contains(listing, "PrivateKeyEntry") || !strings.Contains(listing, "Certificate chain length: 3") {
					t.Errorf("keytool says %s", listing)
				}
			})
		}
	}
}

// keytool runs Java's, in English.
func keytool(t *testing.T, args ...string) string {
	t.Helper()
	return run(t, nil, append([]string{"keytool", "-J-Duser.language=en", "-J-Xshare:auto", "-J-XX:TieredStopAtLevel=1"}, args...)...)
}

func TestTrustStore(t *testing.T) {
	b := chain(t, newEC(t))
	file := filepath.Join(t.TempDir(), "trust.p12")
	out, err := TrustStore([]Anchor{{"root", b.Chain[1]}, {"middle", b.Chain[0]}}, "changeit", Modern)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, out, 0o600); err != nil {
		t.Fatal(err)
	}
	listing := keytool(t, "-list", "-storetype", "PKCS12", "-keystore", file, "-storepass", "changeit")
	if strings.Count(listing, "trustedCertEntry") != 2 || !strings.Contains(listing, "root, ") || !strings.Contains(listing, "middle, ") {
		t.Errorf("keytool says %s", listing)
	}
}

func TestWhatCannotBeWritten(t *testing.T) {
	b := chain(t, newEC(t))
	post, err := mldsa.GenerateKey(mldsa.MLDSA44())
	if err != nil {
		t.Fatal(err)
	}
	quantum := *b
	if quantum.Key, err = mldsax509.MarshalPKCS8PrivateKey(post); err != nil {
		t.Fatal(err)
	}
	broken := *b
	broken.Chain = [][]byte{{1, 2, 3}}
	for name, test := range map[string]struct {
		b        *Bundle
		password string
		kind     fault.Kind
	}{
		"no password":           {b, "", fault.InvalidArgument},
		"a long password":       {b, strings.Repeat("x", maxPassword+1), fault.InvalidArgument},
		"an emoji":              {b, "pass😀", fault.InvalidArgument},
		"no UTF-8":              {b, "\xff", fault.InvalidArgument},
		"a key that nobody has": {&quantum, "changeit", fault.Unsupported},
		"a broken chain":        {&broken, "changeit", fault.InvalidArgument},
	} {
		if out, err := test.b.PKCS12(test.password, Modern); err == nil || fault.KindOf(err) != test.kind || out != nil {
			t.Errorf("%s: %v, want %s", name, err, test.kind)
		}
	}
	if _, err := EncryptKey(quantum.Key, []byte("pass"), PBKDF2); err != nil {
		t.Errorf("an ML-DSA key cannot be encrypted: %v", err)
	}
	if _, err := ParseProtection("rot13"); fault.KindOf(err) != fault.InvalidArgument {
		t.Error("rot13 is a protection")
	}
	for _, p := range []Protection{Modern, LegacyDES, LegacyRC2} {
		if again, err := ParseProtection(p.String()); err != nil || again != p {
			t.Errorf("%s reads back as %v, %v", p, again, err)
		}
	}
}

// TestParseKey has the forms in which openssl writes keys.
func TestParseKey(t *testing.T) {
	k := newEC(t)
	want, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	locked, err := EncryptKey(want, []byte("secret"), PBKDF2)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		text string
		ok   bool
	}{
		"PKCS #8":                   {block(typeKey, want), true},
		"RFC 5915":                  {block(typeEC, sec1), true},
		"RFC 5915 with parameters":  {block("EC PARAMETERS", []byte{6, 1, 1}) + block(typeEC, sec1), true},
		"nothing":                   {"", false},
		"two keys":                  {block(typeKey, want) + block(typeKey, want), false},
		"encrypted":                 {string(locked), false},
		"encrypted the old way":     {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", false},
		"a certificate":             {block(typeCertificate, chain(t, k).Leaf), false},
		"an RSA block of an EC key": {block(typeRSA, sec1), false},
	} {
		got, err := ParseKey([]byte(test.text))
		if test.ok != (err == nil) || test.ok && !bytes.Equal(got, want) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s is refused with %v", name, err)
		}
	}
}

// FuzzParseCertificates: what parses is written back as the same certificates.
func FuzzParseCertificates(f *testing.F) {
	seed, err := os.ReadFile("testdata/pair.pem")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(append([]byte("subject=CN = x\r\n"), seed...))
	f.Add(seed[:len(seed)-3])
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := ParseCertificates("chain", text)
		if err != nil {
			if fault.ReasonOf(err) != fault.MalformedCertificate {
				t.Errorf("refused with %v", err)
			}
			return
		}
		again, err := ParseCertificates("chain", CertificatesPEM(list))
		if err != nil || !slices.EqualFunc(list, again, bytes.Equal) {
			t.Errorf("written and read again it is something else: %v", err)
		}
	})
}

// FuzzParseKey: what parses as PKCS #8 is written back as the same key.
func FuzzParseKey(f *testing.F) {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(KeyPEM(der))
	f.Add([]byte("-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		der, err := ParseKey(text)
		if err != nil {
			if fault.KindOf(err) != fault.InvalidArgument {
				t.Errorf("refused with %v", err)
			}
			return
		}
		if again, err := ParseKey(KeyPEM(der)); err != nil || !bytes.Equal(again, der) {
			t.Errorf("written and read again it is something else: %v", err)
		}
	})
}
