package matrix

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/test/compat"
)

var update = flag.Bool("update", false, "write the table to docs/engines.md")

// kinds are the keys that are made in each engine.
var kinds = []struct {
	short, spec, usage, algorithm string
}{
	{"P-256", "ECC_NIST_P256", "SIGN_VERIFY", "ECDSA_SHA_256"},
	{"RSA", "RSA_2048", "SIGN_VERIFY", "RSASSA_PKCS1_V1_5_SHA_256"},
	{"AES", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT"},
	{"RSA", "RSA_2048", "ENCRYPT_DECRYPT", "RSAES_OAEP_SHA_256"},
}

// cells are what a row of the table says, by what is done.
type cells struct{ sign, encrypt, issue []string }

// TestMatrix uses every engine by every API. What an engine does not have, it
// refuses to make; all else works.
func TestMatrix(t *testing.T) {
	s := start(t)
	mine := newNative(t, s)
	fronts := []front{mine, newAmazonian(t, s)}
	var table strings.Builder
	table.WriteString("| engine | API | sign, verify | encrypt, decrypt | CA issues |\n|---|---|---|---|---|\n")
	for _, p := range places() {
		rows := make([]cells, len(fronts))
		t.Run(p.title, func(t *testing.T) { testPlace(t, mine, p, fronts, rows) })
		for i, f := range fronts {
			fmt.Fprintf(&table, "| %s | %s | %s | %s | %s |\n", p.title, f.title(), list(rows[i].sign), list(rows[i].encrypt), list(rows[i].issue))
		}
	}
	t.Log("\n" + table.String())
	if !t.Failed() {
		compare(t, table.String())
	}
}

func list(of []string) string {
	if len(of) == 0 {
		return "–"
	}
	return strings.Join(of, ", ")
}

// testPlace makes a key of each kind and uses it by each API.
func testPlace(t *testing.T, mine native, p place, fronts []front, rows []cells) {
	for _, k := range kinds {
		request := &client.CreateKeyRequest{Spec: k.spec, Usage: k.usage}
		if p.token {
			request.HSM = p.name
		} else {
			request.Provider = p.name
		}
		made, err := mine.CreateKey(within(t), request)
		if unsupported(err) && !makes(t, mine, p, k.spec, k.usage) {
			continue
		}
		if err != nil {
			t.Fatalf("making a key %s for %s: %v", k.spec, k.usage, err)
		}
		for i, f := range fronts {
			t.Run(k.spec+"/"+k.usage+"/"+f.title(), func(t *testing.T) {
				use(t, f, made.ID, k.usage, k.algorithm)
			})
			if k.usage == "SIGN_VERIFY" {
				rows[i].sign = append(rows[i].sign, k.short)
			} else {
				rows[i].encrypt = append(rows[i].encrypt, k.short)
			}
		}
		if k.usage != "SIGN_VERIFY" {
			continue
		}
		root := authority(t, mine, p, made.ID, k.spec)
		for i, f := range fronts {
			t.Run(k.spec+"/issue/"+f.title(), func(t *testing.T) { issues(t, f, root) })
			rows[i].issue = append(rows[i].issue, k.short)
		}
	}
}

func use(t *testing.T, f front, key, usage, algorithm string) {
	act := encrypts
	if usage == "SIGN_VERIFY" {
		act = signs
	}
	if err := act(within(t), f, key, algorithm); err != nil {
		t.Error(err)
	}
}

// unsupported reports whether a kind of key is refused.
func unsupported(err error) bool {
	e, ok := errors.AsType[*client.Error](err)
	return ok && e.Kind == client.Unsupported
}

// makes reports whether an engine says that it has a kind of key.
func makes(t *testing.T, mine native, p place, spec, usage string) bool {
	t.Helper()
	if p.token || p.name == "" {
		return true
	}
	has, err := mine.Provider(within(t), p.name)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range has.Makes {
		if k.Spec == spec && k.Usage == usage {
			return true
		}
	}
	return false
}

// authority makes a root whose key is in the engine.
func authority(t *testing.T, mine native, p place, key, spec string) *client.Authority {
	t.Helper()
	name := "root-" + strings.ToLower(strings.ReplaceAll(p.name+"-"+spec, "_", "-"))
	a, err := mine.CreateAuthority(within(t), &client.CreateAuthorityRequest{Name: name, Key: key, Subject: client.Subject{CommonName: "Root in " + p.title}})
	if err != nil {
		t.Fatalf("making an authority: %v", err)
	}
	return a
}

// issues has an authority issue a certificate, which Go verifies.
func issues(t *testing.T, f front, root *client.Authority) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "web.example.com"}, DNSNames: []string{"web.example.com"},
	}, k)
	if err != nil {
		t.Fatal(err)
	}
	csr := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	text, err := f.issue(within(t), root.ID, csr)
	if err != nil {
		t.Fatal(err)
	}
	leaf, anchor := certificate(t, text), certificate(t, root.Certificate)
	roots := x509.NewCertPool()
	roots.AddCert(anchor)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "web.example.com"}); err != nil {
		t.Error(err)
	}
}

func certificate(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatalf("%q is no PEM", text)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The marks between which docs/engines.md has the table.
const (
	begins = "<!-- matrix -->\n"
	ends   = "<!-- /matrix -->"
)

// compare holds that the table in the docs is this one, or writes it there.
func compare(t *testing.T, table string) {
	t.Helper()
	root, err := compat.Root()
	if err != nil {
		t.Fatal(err)
	}
	path := root + "/docs/engines.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begins)
	have, tail, closed := strings.Cut(rest, ends)
	if !ok || !closed {
		t.Fatalf("%s has no place for the table", path)
	}
	if *update {
		if err := os.WriteFile(path, []byte(head+begins+table+ends+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have != table {
		t.Errorf("docs/engines.md has another table: run go test ./test/matrix -update\n%s", have)
	}
}
