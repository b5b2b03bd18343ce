package compat

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSecrets holds that the secret parts of every form of key are found.
func TestSecrets(t *testing.T) {
	curve, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	numbers, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	symmetric := bytes.Repeat([]byte{1, 2, 3, 4}, 8)
	for name, c := range map[string]struct {
		key  any
		want [][]byte
	}{
		"rsa":       {numbers, [][]byte{numbers.D.Bytes(), numbers.Primes[0].Bytes(), numbers.Primes[1].Bytes()}},
		"curve":     {curve, [][]byte{curve.Bytes()}},
		"edwards":   {edwards, [][]byte{edwards.Seed()}},
		"symmetric": {nil, [][]byte{symmetric}},
	} {
		plain := symmetric
		if c.key != nil {
			if plain, err = x509.MarshalPKCS8PrivateKey(c.key); err != nil {
				t.Fatal(err)
			}
		}
		got := Secrets(name, plain)
		if len(got) != len(c.want) {
			t.Errorf("%s: %d secrets, want %d", name, len(got), len(c.want))
			continue
		}
		for i, s := range got {
			if !bytes.Equal(s.Bytes, c.want[i]) {
				t.Errorf("%s: secret %d is %s: %x", name, i, s.Name, s.Bytes)
			}
		}
	}
}

// TestFinding holds that a secret is found in every form, wherever it lies,
// and that nothing is found where there is nothing: a search that finds
// nothing proves nothing unless this passes.
func TestFinding(t *testing.T) {
	secret := Secret{"k", make([]byte, 32)}
	if _, err := rand.Read(secret.Bytes); err != nil {
		t.Fatal(err)
	}
	turned := slices.Clone(secret.Bytes)
	slices.Reverse(turned)
	for name, text := range map[string]string{
		"raw": string(secret.Bytes), "turned": string(turned), "hex": hex.EncodeToString(secret.Bytes),
		"HEX":     strings.ToUpper(hex.EncodeToString(secret.Bytes)),
		"base64":  base64.StdEncoding.EncodeToString(secret.Bytes),
		"shifted": base64.RawURLEncoding.EncodeToString(append([]byte("a"), append(secret.Bytes, "bc"...)...)),
		"twice":   base64.StdEncoding.EncodeToString(append([]byte("ab"), secret.Bytes...)),
	} {
		for _, before := range []int{0, 7, 4<<20 - 9} { // the last one spans two reads
			dir := t.TempDir()
			content := strings.Repeat(".", before) + text + strings.Repeat(".", 100)
			if err := os.WriteFile(filepath.Join(dir, "file"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			found, err := FindInFiles([]Secret{secret}, dir)
			if err != nil || len(found) == 0 {
				t.Errorf("%s after %d bytes: found %v, %v", name, before, found, err)
			}
			found, err = FindInFiles([]Secret{{"other", bytes.Repeat([]byte("not it "), 5)}}, dir)
			if err != nil || len(found) != 0 {
				t.Errorf("%s: found %v, %v", name, found, err)
			}
		}
	}
	if _, err := FindInFiles([]Secret{secret}, t.TempDir()); err == nil {
		t.Error("an empty folder was searched")
	}
	found, err := FindInMemory(os.Getpid(), secret)
	if err != nil || len(found) == 0 {
		t.Errorf("in this process: found %v, %v", found, err)
	}
}
