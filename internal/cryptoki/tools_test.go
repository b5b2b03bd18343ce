package cryptoki_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// module returns p11-kit's own PKCS #11 library, which talks to the server.
func module(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("pkcs11-tool"); err != nil {
		t.Skip("pkcs11-tool is not installed")
	}
	found, err := filepath.Glob("/usr/lib/*/pkcs11/p11-kit-client.so")
	if err != nil || len(found) == 0 {
		t.Skip("p11-kit-client.so is not installed")
	}
	return found[0]
}

// tool runs pkcs11-tool through p11-kit-client.so.
type tool struct {
	t      *testing.T
	module string
	agent  *agent
	dir    string
}

func newTool(t *testing.T) *tool {
	m := module(t)
	return &tool{t, m, serve(t, nil), t.TempDir()}
}

// run returns what the command printed, and fails the test if it failed.
func (x *tool) run(args ...string) string {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "pkcs11-tool", append([]string{"--module", x.module}, args...)...)
	cmd.Env = append(os.Environ(), "P11_KIT_SERVER_ADDRESS=unix:path="+x.agent.path)
	cmd.Dir = x.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		x.t.Fatalf("pkcs11-tool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// login runs a command that logs in.
func (x *tool) login(args ...string) string {
	x.t.Helper()
	return x.run(append([]string{"--login", "--pin", pin}, args...)...)
}

func (x *tool) write(name string, b []byte) {
	x.t.Helper()
	if err := os.WriteFile(filepath.Join(x.dir, name), b, 0o600); err != nil {
		x.t.Fatal(err)
	}
}

func (x *tool) read(name string) []byte {
	x.t.Helper()
	b, err := os.ReadFile(filepath.Join(x.dir, name))
	if err != nil {
		x.t.Fatal(err)
	}
	return b
}

func contains(t *testing.T, out string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
}

// TestTool makes and uses keys with OpenSC's pkcs11-tool.
func TestTool(t *testing.T) {
	x := newTool(t)
	contains(t, x.run("-L"), "token label        : memory", "login required", "Holdfast slot 0")
	contains(t, x.run("-M"), "ECDSA, keySize={256,521}, hw, sign, verify", "RSA-PKCS-OAEP", "SHA256-HMAC")
	contains(t, x.login("--keypairgen", "--key-type", "EC:secp384r1", "--label", "ca-signing-key", "--id", "01"), "Key pair generated")
	contains(t, x.login("--keypairgen", "--key-type", "rsa:2048", "--label", "server", "--id", "02"), "Key pair generated")
	contains(t, x.login("-O"), "ca-signing-key", "EC_POINT 384 bits", "ID:         02", "RSA 2048 bits", "sensitive, always sensitive, never extractable, local")

	x.write("message", []byte("hello"))
	sum := sha256.Sum256([]byte("hello"))
	x.write("digest", sum[:])
	// OpenSC 0.23 reads public keys on no other curve than P-256.
	x.login("--keypairgen", "--key-type", "EC:prime256v1", "--label", "curve", "--id", "05")
	x.login("--sign", "-m", "ECDSA", "--id", "05", "-i", "digest", "-o", "signature", "--signature-format", "openssl")
	x.login("--read-object", "--type", "pubkey", "--id", "05", "-o", "public")
	k, err := x509.ParsePKIXPublicKey(x.read("public"))
	if err != nil {
		t.Fatal(err)
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(x.read("signature"), &rs); err != nil || !ecdsa.Verify(k.(*ecdsa.PublicKey), sum[:], rs.R, rs.S) {
		t.Errorf("the signature is wrong: %v", err)
	}
	for _, m := range []string{"SHA256-RSA-PKCS", "SHA512-RSA-PKCS"} {
		x.login("--sign", "-m", m, "--id", "02", "-i", "message", "-o", "signature")
		contains(t, x.login("--verify", "-m", m, "--id", "02", "-i", "message", "--signature-file", "signature"), "Signature is valid")
	}
	x.login("--sign", "-m", "RSA-PKCS-PSS", "--hash-algorithm", "SHA256", "--id", "02", "-i", "digest", "-o", "signature")

	x.write("cert", certificate(t))
	x.login("--write-object", "cert", "--type", "cert", "--id", "01", "--label", "ca-signing-key")
	x.login("--read-object", "--type", "cert", "--id", "01", "-o", "again")
	if !bytes.Equal(x.read("cert"), x.read("again")) {
		t.Error("the certificate comes back otherwise")
	}
	x.login("--keygen", "--key-type", "GENERIC:32", "--label", "mac", "--id", "03")
	x.login("--keygen", "--key-type", "AES:32", "--label", "aes", "--id", "04")
	x.login("--delete-object", "--type", "secrkey", "--id", "04")
	if out := x.login("-O"); strings.Contains(out, "label:      aes") {
		t.Errorf("the deleted key is still there:\n%s", out)
	}
}

// TestToolTest runs pkcs11-tool's own test, over keys that sign and keys that
// decrypt.
func TestToolTest(t *testing.T) {
	x := newTool(t)
	x.login("--keypairgen", "--key-type", "rsa:2048", "--label", "signs", "--id", "01", "--usage-sign")
	x.login("--keypairgen", "--key-type", "rsa:2048", "--label", "decrypts", "--id", "02", "--usage-decrypt")
	x.login("--keypairgen", "--key-type", "EC:prime256v1", "--label", "curve", "--id", "03")
	out := x.login("-t")
	contains(t, out, "all 4 digest functions seem to work", "No errors", "RSA-PKCS: OK", "RSA-X-509")
	t.Log(out)
}
