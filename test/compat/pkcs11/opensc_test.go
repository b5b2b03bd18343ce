package pkcs11

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// opensc returns a command of pkcs11-tool on a token, with a login.
func (w *world) opensc(token string, args ...string) []string {
	command := []string{"pkcs11-tool", "--module", w.module, "--token-label", token, "--login"}
	if pin := w.pins[token]; pin != "" {
		command = append(command, "--pin", pin)
	}
	return append(command, args...)
}

var tool = []string{"pkcs11-tool", "--help"}

// publicOf returns a key's public half, as the server has it.
func (w *world) publicOf(t *testing.T, key string) any {
	t.Helper()
	var out struct {
		SPKI []byte `json:"spki"`
	}
	w.holdfast(t, &out, "key", "public", key)
	public, err := x509.ParsePKIXPublicKey(out.SPKI)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// TestKeyPairGen makes a key of Holdfast by the command with which people make
// one in an HSM, unchanged, and uses it there and through AWS's own client.
func TestKeyPairGen(t *testing.T) {
	w := use(t, tool)
	dir := w.folder(t)
	args := []string{"--keypairgen", "--key-type", "EC:secp384r1", "--label", "ca-signing-key", "--id", "01"}
	if out := w.must(t, dir, w.opensc(tokenCredential, args...)...); !strings.Contains(out, "EC_POINT 384 bits") {
		t.Errorf("%s", out)
	}
	var k struct {
		Spec, Usage, Origin string
		Exportable          bool
	}
	w.holdfast(t, &k, "key", "show", "alias/ca-signing-key")
	if k.Spec != "ECC_NIST_P384" || k.Usage != "SIGN_VERIFY" || k.Origin != "generated" || k.Exportable {
		t.Errorf("%+v", k)
	}
	message := []byte("a message\n")
	digest := sha512.Sum384(message)
	write(t, dir, "digest", digest[:])
	w.must(t, dir, w.opensc(tokenCredential, "--sign", "--mechanism", "ECDSA", "--id", "01", "-i", "digest", "-o", "signature", "--signature-format", "openssl")...)
	public, ok := w.publicOf(t, "alias/ca-signing-key").(*ecdsa.PublicKey)
	if !ok || !ecdsa.VerifyASN1(public, digest[:], read(t, dir, "signature")) {
		t.Error("the signature is wrong")
	}
	t.Run("aws", func(t *testing.T) {
		if out, err := w.run(t.Context(), command{args: []string{"aws", "--version"}}); err != nil {
			t.Skipf("the AWS CLI is not installed: %s", out)
		}
		out, err := w.run(t.Context(), command{dir: dir, env: w.server.Env, args: []string{
			"aws", "kms", "sign", "--key-id", "alias/ca-signing-key", "--message-type", "DIGEST", "--message", "fileb://digest",
			"--signing-algorithm", "ECDSA_SHA_384", "--query", "Signature", "--output", "text",
		}})
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		signature, err := base64.StdEncoding.DecodeString(strings.TrimSpace(out))
		if err != nil || !ecdsa.VerifyASN1(public, digest[:], signature) {
			t.Errorf("the signature by AWS's name is wrong: %v", err)
		}
	})
	// The same keys without a PIN, for who may open the socket.
	if out := w.must(t, dir, w.opensc(tokenOpen, "--list-objects", "--type", "privkey")...); !strings.Contains(out, "ca-signing-key") {
		t.Errorf("the token without a PIN has\n%s", out)
	}
	if out, err := w.run(t.Context(), command{args: []string{"pkcs11-tool", "--module", w.module, "--token-label", tokenShort, "--login", "--pin", "wrong", "-O"}}); err == nil || !strings.Contains(out, "CKR_PIN_INCORRECT") {
		t.Errorf("a wrong PIN: %v\n%s", err, out)
	}
}

// TestTool is pkcs11-tool's own test, over an RSA key that signs and one that
// decrypts. What it leaves out is listed in docs/pkcs11.md.
func TestTool(t *testing.T) {
	w := use(t, tool)
	dir := w.folder(t)
	w.must(t, dir, w.opensc(tokenShort, "--keypairgen", "--key-type", "RSA:2048", "--label", "tool-sign", "--id", "21", "--usage-sign")...)
	w.must(t, dir, w.opensc(tokenShort, "--keypairgen", "--key-type", "RSA:2048", "--label", "tool-decrypt", "--id", "22", "--usage-decrypt")...)
	out := w.must(t, dir, w.opensc(tokenShort, "--test")...)
	for _, want := range []string{"all 4 digest functions seem to work", "all 4 signature functions seem to work", "SHA256-RSA-PKCS: OK", "RSA-PKCS: OK", "No errors"} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
	known := []string{"seeding (C_SeedRandom) not supported", "Mechanism not supported", "can't be used for signature, skipping", "can't be used to decrypt, skipping", "can't be used to sign/verify, skipping", "non-RSA, skipping"}
	for _, line := range regexp.MustCompile(`(?m)^.*(not supported|skipping|not implemented|ERR).*$`).FindAllString(out, -1) {
		if !slices.ContainsFunc(known, func(k string) bool { return strings.Contains(line, k) }) {
			t.Errorf("it leaves out what is not documented: %s", line)
		}
	}
}

// TestObjects writes, reads and deletes certificates and keys.
func TestObjects(t *testing.T) {
	w := use(t, tool)
	dir := w.folder(t)
	w.must(t, dir, w.opensc(tokenShort, "--keypairgen", "--key-type", "EC:prime256v1", "--label", "objects", "--id", "31")...)
	w.holdfast(t, nil, "ca", "create", "--name", "objects", "--new-key", "ECC_NIST_P256", "--cn", "Objects")
	var issued struct{ Certificate string }
	w.holdfast(t, &issued, "cert", "issue", "--ca", "objects", "--profile", "tls-server", "--key", "alias/objects", "--dns", "objects.example.com")
	write(t, dir, "c.pem", []byte(issued.Certificate))
	w.must(t, dir, w.opensc(tokenShort, "--write-object", "c.pem", "--type", "cert", "--label", "objects-cert", "--id", "31")...)
	w.must(t, dir, w.opensc(tokenShort, "--read-object", "--type", "cert", "--label", "objects-cert", "-o", "back.der")...)
	back, err := x509.ParseCertificate(read(t, dir, "back.der"))
	if err != nil || back.DNSNames[0] != "objects.example.com" {
		t.Errorf("another certificate came back: %v", err)
	}
	// A key pair from elsewhere becomes one of Holdfast's.
	w.must(t, dir, "openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-outform", "DER", "-out", "in.der")
	w.must(t, dir, w.opensc(tokenShort, "--write-object", "in.der", "--type", "privkey", "--label", "brought", "--id", "32", "--usage-sign")...)
	var k struct{ ID, Origin, State string }
	w.holdfast(t, &k, "key", "show", "alias/brought")
	if k.Origin != "imported" {
		t.Errorf("%+v", k)
	}
	w.must(t, dir, w.opensc(tokenShort, "--delete-object", "--type", "privkey", "--id", "32")...)
	if out := w.must(t, dir, w.opensc(tokenShort, "--list-objects", "--type", "privkey")...); strings.Contains(out, "brought") {
		t.Errorf("it is still there:\n%s", out)
	}
	w.holdfast(t, &k, "key", "show", k.ID)
	if k.State != "pending deletion" {
		t.Errorf("%+v", k)
	}
}

// TestSecretKeys: HMAC and AES keys. The client of p11-kit before 0.25 lets no
// program use AES.
func TestSecretKeys(t *testing.T) {
	w := use(t, tool)
	dir := w.folder(t)
	write(t, dir, "data", []byte("a message\n"))
	w.must(t, dir, w.opensc(tokenShort, "--keygen", "--key-type", "GENERIC:32", "--label", "hmac", "--id", "41")...)
	w.must(t, dir, w.opensc(tokenShort, "--sign", "--mechanism", "SHA256-HMAC", "--id", "41", "-i", "data", "-o", "mac")...)
	var mac struct {
		MAC []byte `json:"mac"`
	}
	w.holdfast(t, &mac, "key", "mac", "alias/hmac", "--in", filepath.Join(dir, "data"))
	if !bytes.Equal(mac.MAC, read(t, dir, "mac")) {
		t.Errorf("two codes of one message: %x and %x", mac.MAC, read(t, dir, "mac"))
	}
	w.must(t, dir, w.opensc(tokenShort, "--keygen", "--key-type", "AES:32", "--label", "aes", "--id", "42")...)
	var k struct{ Usage string }
	w.holdfast(t, &k, "key", "show", "alias/aes")
	if k.Usage != "RAW_ENCRYPT_DECRYPT" {
		t.Errorf("%+v", k)
	}
	mechanisms := w.must(t, dir, w.opensc(tokenShort, "--list-mechanisms")...)
	encrypt := w.opensc(tokenShort, "--encrypt", "--mechanism", "AES-CBC-PAD", "--iv", strings.Repeat("00", 16), "--id", "42", "-i", "data", "-o", "ct")
	if !strings.Contains(mechanisms, "AES-CBC-PAD") {
		if out, err := w.run(t.Context(), command{dir: dir, args: encrypt}); err == nil || !strings.Contains(out, "CKR_MECHANISM_INVALID") {
			t.Errorf("the client has no AES-CBC-PAD, and yet: %v\n%s", err, out)
		}
		return
	}
	w.must(t, dir, encrypt...)
	w.must(t, dir, w.opensc(tokenShort, "--decrypt", "--mechanism", "AES-CBC-PAD", "--iv", strings.Repeat("00", 16), "--id", "42", "-i", "ct", "-o", "pt")...)
	if got := read(t, dir, "pt"); string(got) != "a message\n" {
		t.Errorf("decrypted: %q", got)
	}
}
