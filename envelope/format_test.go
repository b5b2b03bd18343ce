package envelope_test

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/holdfast-kms/holdfast/envelope"
)

// counting is the key with the bytes 0 to 31, of AES-GCM with the nonce before
// the ciphertext.
func counting(tb testing.TB) (box, []byte) {
	tb.Helper()
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(i)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		tb.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		tb.Fatal(err)
	}
	return box{aead}, key
}

// The file that the documentation takes apart, byte by byte, is one: files of
// version 1 are read for good.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "encrypt.md"))
	if err != nil {
		t.Fatal(err)
	}
	var file []byte
	for _, line := range regexp.MustCompile(`(?m)^[0-9a-f]{4}  ((?:[0-9a-f]{2}(?: |$))+)`).FindAllSubmatch(page, -1) {
		b, err := hex.DecodeString(string(bytes.ReplaceAll(line[1], []byte(" "), nil)))
		if err != nil {
			t.Fatal(err)
		}
		file = append(file, b...)
	}
	if len(file) == 0 {
		t.Fatal("docs/encrypt.md has no file in it")
	}
	k, _ := counting(t)
	if got, err := open(t, file, envelope.NewAEAD("file:a.key", k)); err != nil || string(got) != "hello\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// A program that knows only the documentation decrypts the files.
func TestPython(t *testing.T) {
	if err := exec.CommandContext(t.Context(), "python3", "-c", "import cryptography.hazmat.primitives.ciphers.aead").Run(); err != nil {
		t.Skip("python3 with cryptography is needed: scripts/install-test-tools installs it")
	}
	k, secret := counting(t)
	private, dir := newRSA(t), t.TempDir()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	var recipients []envelope.Recipient
	for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384} {
		r, err := envelope.NewRSA("file:"+hash.String(), &private.PublicKey, hash)
		if err != nil {
			t.Fatal(err)
		}
		recipients = append(recipients, r)
	}
	agreement, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := envelope.NewHPKE("file:ec.pem", agreement.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	recipients = append(recipients, r)
	ec, err := x509.MarshalPKCS8PrivateKey(agreement)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string][]byte{
		"aes": secret,
		"rsa": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		"ec":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: ec}),
	}
	for name, key := range keys {
		if err := os.WriteFile(filepath.Join(dir, name), key, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		size   int
		method envelope.Method
		key    string
	}{{0, envelope.AEADMethod, "aes"}, {1 << 16, envelope.OAEPSHA256, "rsa"}, {3<<16 + 5, envelope.OAEPSHA384, "rsa"}, {5, envelope.HPKEP256, "ec"}}
	for _, tt := range tests {
		if tt.method == envelope.HPKEP256 && exec.CommandContext(t.Context(), "python3", "-c", "import cryptography.hazmat.primitives.hpke").Run() != nil {
			t.Log("this cryptography has no HPKE: nobody but Go judges it")
			continue
		}
		data := pattern(tt.size)
		file := seal(t, data, append(recipients, envelope.NewAEAD("file:a.key", k))...)
		cmd := exec.CommandContext(t.Context(), "python3", filepath.Join("testdata", "decrypt.py"), string(tt.method), filepath.Join(dir, tt.key))
		cmd.Stdin = bytes.NewReader(file)
		var failure bytes.Buffer
		cmd.Stderr = &failure
		if got, err := cmd.Output(); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s, %d bytes: %d come back, %v: %s", tt.method, tt.size, len(got), err, &failure)
		}
	}
}
