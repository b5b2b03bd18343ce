package pkcs11

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGnuTLS: p11tool, certtool and a server whose key is in the token.
func TestGnuTLS(t *testing.T) {
	w := use(t, []string{"p11tool", "--version"}, []string{"gnutls-serv", "--version"}, []string{"gnutls-cli", "--version"})
	dir := w.folder(t)
	token := "pkcs11:token=" + tokenShort
	run := func(args ...string) string {
		t.Helper()
		out, err := w.run(t.Context(), command{dir: dir, env: []string{"GNUTLS_PIN=" + shortPIN}, args: args})
		if err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
		return out
	}
	p11tool := func(args ...string) string {
		t.Helper()
		return run(append([]string{"p11tool", "--provider", w.module, "--login"}, args...)...)
	}
	p11tool("--generate-privkey=ECDSA", "--curve=secp256r1", "--label", "gnutls", "--outfile", "public.pem", token)
	w.holdfast(t, nil, "key", "show", "alias/gnutls")
	if out := p11tool("--list-all", token); !strings.Contains(out, "object=gnutls;type=private") || !strings.Contains(out, "CKA_NEVER_EXTRACTABLE") {
		t.Errorf("%s", out)
	}
	if out := p11tool("--export-pubkey", token+";object=gnutls"); !strings.Contains(out, strings.TrimSpace(string(read(t, dir, "public.pem")))) {
		t.Errorf("another public key: %s", out)
	}
	if out := p11tool("--test-sign", token+";object=gnutls;type=private"); strings.Count(out, "... ok") != 3 {
		t.Errorf("%s", out)
	}
	write(t, dir, "template", []byte("cn = www.example.com\ndns_name = www.example.com\nexpiration_days = 5\nsigning_key\n"))
	run("certtool", "--provider", w.module, "--generate-self-signed", "--template", "template",
		"--load-privkey", token+";object=gnutls;type=private", "--load-pubkey", token+";object=gnutls;type=public", "--outfile", "www.pem")
	p11tool("--write", "--load-certificate", "www.pem", "--label", "gnutls", token)
	if out := p11tool("--list-all-certs", token); !strings.Contains(out, "object=gnutls;type=cert") {
		t.Errorf("%s", out)
	}
	address := freeAddress(t)
	_, port, _ := strings.Cut(address, ":")
	// The certificate comes from the token, too.
	s := w.serve(t, address, command{dir: dir, env: []string{"GNUTLS_PIN=" + shortPIN}, args: []string{
		"gnutls-serv", "--provider", w.module, "--port", port, "--http", "--quiet",
		"--x509certfile", token + ";object=gnutls;type=cert", "--x509keyfile", token + ";object=gnutls;type=private",
	}})
	defer s.stop(t)
	out := run("gnutls-cli", "--x509cafile", "www.pem", "--sni-hostname", "www.example.com", "--verify-hostname", "www.example.com", "--port", port, "127.0.0.1")
	if !strings.Contains(out, "Handshake was completed") || !strings.Contains(out, "ECDSA-SECP256R1-SHA256") {
		t.Errorf("%s", out)
	}
}

// TestModuleFile: a file that names the socket is all that programs need which
// ask p11-kit for tokens. p11-kit reads no such file of root's own.
func TestModuleFile(t *testing.T) {
	w := use(t, []string{"p11tool", "--version"})
	dir := w.folder(t)
	w.key(t, "module-file", "ECC_NIST_P256")
	modules := filepath.Join(dir, ".config/pkcs11/modules")
	if err := os.MkdirAll(modules, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, modules, "holdfast.module", []byte("remote: unix:path="+w.socket+"\n"))
	out, err := w.run(t.Context(), command{dir: dir, nobody: true, env: []string{"HOME=" + dir, "P11_KIT_SERVER_ADDRESS="}, args: []string{
		"p11tool", "--list-all", "pkcs11:token=" + tokenOpen,
	}})
	if err != nil || !strings.Contains(out, "object=module-file;type=private") {
		t.Errorf("%v\n%s", err, out)
	}
}
