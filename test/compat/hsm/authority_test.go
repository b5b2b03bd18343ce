package hsm

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/test/compat/judge"
)

// TestAuthority has a root and an issuing authority whose keys are in the
// token; openssl verifies the chain of a certificate, and its revocation.
func TestAuthority(t *testing.T) {
	w, dir := newWorld(t, patient), t.TempDir()
	root := w.made(t, "key", "create", "--hsm", label, "--spec", "ECC_NIST_P384", "--usage", "SIGN_VERIFY")
	issuing := w.made(t, "key", "create", "--hsm", label, "--spec", "RSA_2048", "--usage", "SIGN_VERIFY")
	w.holdfast(t, "ca", "create", "--name", "root", "--key", root, "--cn", "HSM Root")
	w.holdfast(t, "ca", "create", "--name", "issuing", "--key", issuing, "--cn", "HSM Issuing", "--parent", "root")
	judge.OpenSSL(t, dir, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "leaf.key",
		"-subj", "/CN=web.example.com", "-addext", "subjectAltName=DNS:web.example.com", "-out", "leaf.csr")
	chain := filepath.Join(dir, "chain.pem")
	w.holdfast(t, "cert", "issue", "--ca", "issuing", "--profile", "tls-server", "--csr", filepath.Join(dir, "leaf.csr"), "--dns", "web.example.com", "--out", chain)
	judge.Write(t, dir, "root.pem", []byte(w.holdfast(t, "ca", "chain", "root")))
	said := judge.OpenSSL(t, dir, "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "web.example.com", "-CAfile", "root.pem", "-untrusted", "chain.pem", "chain.pem")
	if !strings.Contains(said, ": OK") {
		t.Error(said)
	}
	w.stop(t)
}
