package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
)

// TestHunt is the control of what the demonstration says: where a key is, it is
// found, and where it is not, nothing is.
func TestHunt(t *testing.T) {
	first, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	second, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		key  any
		hunt []crypto.PublicKey
		want int // places: a file in DER, one in PEM
	}{
		"RSA":               {first, []crypto.PublicKey{&first.PublicKey}, 2},
		"P-256":             {second, []crypto.PublicKey{&second.PublicKey}, 2},
		"both":              {second, []crypto.PublicKey{&first.PublicKey, &second.PublicKey}, 2},
		"somebody else's":   {other, []crypto.PublicKey{&first.PublicKey, &second.PublicKey}, 0},
		"the public halves": {nil, []crypto.PublicKey{&first.PublicKey, &second.PublicKey}, 0},
	} {
		h, err := newHunt(test.hunt...)
		if err != nil {
			t.Fatal(err)
		}
		found, err := h.files(folder(t, test.key, test.hunt))
		if err != nil {
			t.Fatal(err)
		}
		if files := len(filesOf(found)); files != test.want {
			t.Errorf("%s: found in %d files, not %d: %v", name, files, test.want, found)
		}
	}
}

// TestHuntProcess finds a key of this process in its memory.
func TestHuntProcess(t *testing.T) {
	mine, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	h, err := newHunt(&mine.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	found, err := h.process(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Errorf("not found in %d bytes", h.bytes)
	}
	if _, err := mine.Sign(rand.Reader, make([]byte, 32), crypto.SHA256); err != nil { // it is in use until here
		t.Fatal(err)
	}
}

// folder returns a folder with a key in DER, in PEM, and public keys.
func folder(t *testing.T, key any, public []crypto.PublicKey) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i, k := range public {
		der, err := x509.MarshalPKIXPublicKey(k)
		if err != nil {
			t.Fatal(err)
		}
		write(string(rune('a'+i))+".pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	if key != nil {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		write("key.der", der)
		write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	return dir
}

// filesOf returns the files of findings, each once.
func filesOf(found []string) map[string]bool {
	files := map[string]bool{}
	for _, f := range found {
		files[filepath.Dir(f)+"/"+filepath.Base(f)[:7]] = true
	}
	return files
}
