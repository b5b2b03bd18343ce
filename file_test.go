package holdfast_test

import (
	"bytes"
	"crypto/ecdh"
	"encoding/base64"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast"
)

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	try(t, world{
		uri:     func(name string) string { return "file:" + filepath.Join(dir, name+".key") },
		place:   "file:" + dir,
		specs:   []string{"aes-256", "hmac-256", "hmac-512", "rsa-2048", "p-256", "p-384", "p-521", "secp256k1", "ed25519", "ml-dsa-44"},
		decrypt: []string{"rsa-2048"},
		agree:   []string{"p-256"},
	})
}

// write writes a file for its owner alone.
func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// openssl runs OpenSSL in a directory, or ends the test.
func openssl(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "openssl", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestFileForms: what OpenSSL writes is read, and OpenSSL verifies what the
// keys sign.
func TestFileForms(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		name, spec string
		made       []string
	}{
		{"pkcs8", "p-256", []string{"genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"}},
		{"sec1", "p-384", []string{"ecparam", "-name", "secp384r1", "-genkey"}},
		{"pkcs1", "rsa-2048", []string{"genrsa", "-traditional", "2048"}},
		{"pbkdf2", "ed25519", []string{"genpkey", "-algorithm", "ED25519", "-aes256", "-pass", "pass:correct horse"}},
		{"pbkdf2-128", "p-256", []string{"genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-aes-128-cbc", "-pass", "pass:correct horse"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			openssl(t, dir, slices.Insert(tt.made, 1, "-out", tt.name+".pem")...)
			path := filepath.Join(dir, tt.name+".pem")
			if err := os.Chmod(path, 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv(holdfast.PassphraseVariable, "correct horse")
			k, err := holdfast.Open(t.Context(), "file:"+path)
			if err != nil {
				t.Fatal(err)
			}
			defer closed(t, k)
			if k.Spec() != tt.spec {
				t.Errorf("it is %s, want %s", k.Spec(), tt.spec)
			}
			trySigner(t, k)
		})
	}
}

// TestEncryptedFile: a key is made encrypted, by scrypt of OpenSSL too, and
// opened with the passphrase alone.
func TestEncryptedFile(t *testing.T) {
	dir := t.TempDir()
	uri := "file:" + filepath.Join(dir, "a.pem")
	says := func(text string) holdfast.Option {
		return holdfast.WithPassphrase(func() ([]byte, error) { return []byte(text), nil })
	}
	k, err := holdfast.Create(t.Context(), uri, "p-256", says("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, k)
	text, err := os.ReadFile(filepath.Join(dir, "a.pem"))
	if err != nil || !strings.HasPrefix(string(text), "-----BEGIN ENCRYPTED PRIVATE KEY-----") {
		t.Fatalf("it is %.40s, %v", text, err)
	}
	openssl(t, dir, "pkcs8", "-topk8", "-in", "a.pem", "-passin", "pass:correct horse", "-scrypt", "-scrypt_N", "1024", "-passout", "pass:battery", "-out", "b.pem")
	if err := os.Chmod(filepath.Join(dir, "b.pem"), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := holdfast.Open(t.Context(), "file:"+filepath.Join(dir, "b.pem"), says("battery"))
	if err != nil || !bytes.Equal(again.PublicDER(), k.PublicDER()) {
		t.Fatalf("by scrypt: %v", err)
	}
	closed(t, again)
	_, err = holdfast.Open(t.Context(), uri)
	wantKind(t, err, holdfast.Unauthenticated)
	_, err = holdfast.Open(t.Context(), "file:"+filepath.Join(dir, "b.pem"), says("wrong")) // the other one takes long
	wantKind(t, err, holdfast.InvalidArgument)
	listed, err := holdfast.List(t.Context(), "file:"+dir)
	if err != nil || len(listed) != 2 || listed[0].Type != "encrypted private key" {
		t.Errorf("listed %v, %v", listed, err)
	}
}

// TestSecretFiles has the bytes of a symmetric key in each form.
func TestSecretFiles(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789ABCDEF")
	for name, text := range map[string]string{
		"bytes": string(secret), "hex": hex.EncodeToString(secret) + "\n", "base64": base64.StdEncoding.EncodeToString(secret) + "\n",
	} {
		path := write(t, name, []byte(text))
		for spec, want := range map[string]string{"": "aes-256", "?spec=aes-256": "aes-256", "?spec=hmac-256": "hmac-256"} {
			k, err := holdfast.Open(t.Context(), "file:"+path+spec)
			if err != nil || k.Spec() != want {
				t.Errorf("%s%s: %v", name, spec, err)
				continue
			}
			closed(t, k)
		}
		_, err := holdfast.Open(t.Context(), "file:"+path+"?spec=hmac-512")
		wantKind(t, err, holdfast.InvalidArgument)
	}
}

// TestFileRefused has what is no key, or not well kept.
func TestFileRefused(t *testing.T) {
	good := "file:" + filepath.Join(t.TempDir(), "good.pem")
	k, err := holdfast.Create(t.Context(), good, "p-256")
	if err != nil {
		t.Fatal(err)
	}
	closed(t, k)
	open := strings.TrimPrefix(good, "file:")
	if err := os.Chmod(open, 0o640); err != nil {
		t.Fatal(err)
	}
	for uri, want := range map[string]holdfast.Kind{
		good:                               holdfast.PermissionDenied,
		"file:" + write(t, "nothing", nil): holdfast.InvalidArgument,
		"file:" + write(t, "short", []byte("0123456789")):                       holdfast.InvalidArgument,
		"file:" + write(t, "zeros", make([]byte, 32)):                           holdfast.InvalidArgument,
		"file:" + write(t, "long", make([]byte, 1<<17)):                         holdfast.InvalidArgument,
		"file:" + write(t, "pem", []byte("-----BEGIN X-----\n-----END X-----")): holdfast.InvalidArgument,
		"file:" + t.TempDir():                                                   holdfast.InvalidArgument,
		"file:" + open + ".no":                                                  holdfast.NotFound,
	} {
		_, err := holdfast.Open(t.Context(), uri)
		wantKind(t, err, want)
	}
}

// TestPublicFile: a public key and a certificate verify and encrypt.
func TestPublicFile(t *testing.T) {
	k, err := holdfast.Create(t.Context(), "file:"+filepath.Join(t.TempDir(), "k.pem"), "rsa-2048")
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, k)
	signature, err := k.SignWith(t.Context(), "", []byte("m"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := holdfast.Open(t.Context(), "file:"+write(t, "public.pem", k.PublicPEM()))
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, public)
	if err := public.Verify(t.Context(), "", []byte("m"), signature); err != nil {
		t.Error(err)
	}
	_, err = public.Signer()
	wantKind(t, err, holdfast.Unsupported)
	_, err = public.Decrypter()
	wantKind(t, err, holdfast.Unsupported)
	ciphertext, err := public.Encrypt("", []byte("m"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := k.Decrypter()
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := d.Decrypt(nil, ciphertext, oaep()); err != nil || string(plain) != "m" {
		t.Errorf("%q, %v", plain, err)
	}
}

// TestAgreement: keys in files agree with keys of crypto/ecdh.
func TestAgreement(t *testing.T) {
	dir := t.TempDir()
	openssl(t, dir, "genpkey", "-algorithm", "X25519", "-out", "x25519.pem")
	openssl(t, dir, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "p256.pem")
	for name, curve := range map[string]ecdh.Curve{"x25519": ecdh.X25519(), "p256": ecdh.P256()} {
		path := filepath.Join(dir, name+".pem")
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := holdfast.Open(t.Context(), "file:"+path)
		if err != nil {
			t.Fatal(err)
		}
		defer closed(t, k)
		exchange, err := k.Agreement()
		if err != nil {
			t.Fatal(err)
		}
		peer, err := curve.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		ours, err := exchange.ECDH(peer.PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		if theirs, err := peer.ECDH(exchange.PublicKey()); err != nil || !bytes.Equal(ours, theirs) {
			t.Errorf("%s: they do not agree (%v)", name, err)
		}
	}
}
