package agent

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestFormats holds that openssl and keytool open what is written, with the
// certificate and key that belong together.
func TestFormats(t *testing.T) {
	h := newHost(t, `  - name: web
    managed: m
    dir: DIR/web
    files:
      - {path: cert.pem, content: cert}
      - {path: chain.pem, content: chain}
      - {path: full.pem, content: fullchain}
      - {path: key.pem, content: key}
      - {path: bundle.pem, content: bundle}
      - {path: web.p12, format: pkcs12, password_file: DIR/password}
      - {path: old.p12, format: pkcs12, password_file: DIR/password, protection: legacy-3des}
      - {path: web.jks, format: jks, password_file: DIR/password, alias: Shop}
`)
	if err := os.WriteFile(h.path("password"), []byte("pass word é\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.source.renew()
	h.well()
	in := func(name string) string { return h.path("web/current/" + name) }
	public := output(t, "openssl", "x509", "-in", in("cert.pem"), "-noout", "-pubkey")
	for what, got := range map[string]string{
		"key.pem":    output(t, "openssl", "pkey", "-in", in("key.pem"), "-pubout"),
		"bundle.pem": output(t, "openssl", "pkey", "-in", in("bundle.pem"), "-pubout"),
		"full.pem":   output(t, "openssl", "x509", "-in", in("full.pem"), "-noout", "-pubkey"),
		"web.p12":    keyOf(t, in("web.p12"), "pass word é"),
		"old.p12":    keyOf(t, in("old.p12"), "pass word é"),
	} {
		if got != public {
			t.Errorf("%s has the key\n%s, want\n%s", what, got, public)
		}
	}
	if got := h.read("web/current/chain.pem"); got != "" { // the root is whoever verifies' own
		t.Errorf("the chain is %s", got)
	}
	if _, err := exec.LookPath("keytool"); err != nil {
		t.Skip("keytool is not installed")
	}
	listed := output(t, "keytool", "-list", "-v", "-keystore", in("web.jks"), "-storepass", "pass word é")
	for _, want := range []string{"Keystore type: JKS", "Alias name: shop", "Entry type: PrivateKeyEntry", "Certificate chain length: 2"} {
		if !strings.Contains(listed, want) {
			t.Errorf("keytool says nothing of %q:\n%s", want, listed)
		}
	}
	// keytool takes the key out, which it can only with the right password.
	output(t, "keytool", "-importkeystore", "-srckeystore", in("web.jks"), "-srcstoretype", "JKS", "-srcstorepass", "pass word é",
		"-destkeystore", h.path("java.p12"), "-deststoretype", "PKCS12", "-deststorepass", "password", "-noprompt") // a PKCS #12 file of Java's takes only ASCII
	if got := keyOf(t, h.path("java.p12"), "password"); got != public {
		t.Errorf("what keytool took out of the JKS file has the key\n%s, want\n%s", got, public)
	}
}

// keyOf returns the public half of the key in a PKCS #12 file.
func keyOf(t *testing.T, path, password string) string {
	t.Helper()
	key := output(t, "openssl", "pkcs12", "-in", path, "-nocerts", "-nodes", "-passin", "pass:"+password)
	cmd := exec.CommandContext(t.Context(), "openssl", "pkey", "-pubout")
	cmd.Stdin = strings.NewReader(key)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func output(t *testing.T, command ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(command, " "), err, out, stderr.String())
	}
	return string(out)
}
