package cms_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/holdfast-kms/holdfast/cms"
)

// openssl runs it in a folder that has the root and, for each kind of signer,
// its key and its chain.
func openssl(tb testing.TB, dir string, args ...string) ([]byte, error) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), "openssl", args...)
	cmd.Dir = dir
	var out, failure bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &failure
	err := cmd.Run()
	if err != nil {
		err = errors.New(err.Error() + ": " + failure.String())
	}
	return out.Bytes(), err
}

// folder is where openssl runs.
func folder(tb testing.TB) string {
	tb.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		tb.Fatal("openssl is needed: ", err)
	}
	dir := tb.TempDir()
	write(tb, dir, "content", []byte("content\n"))
	for name, p := range parties() {
		der, err := x509.MarshalPKCS8PrivateKey(p.key)
		if err != nil {
			tb.Fatal(err)
		}
		write(tb, dir, name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
		write(tb, dir, name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw}))
	}
	return dir
}

func write(tb testing.TB, dir, name string, data []byte) {
	tb.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// openssl verifies what is signed here.
func TestOpenSSLVerifies(t *testing.T) {
	dir := folder(t)
	for _, kind := range kinds {
		for _, pss := range []bool{false, true} {
			if pss && kind != "rsa" {
				continue
			}
			t.Run(fmt.Sprintf("%s/PSS=%t", kind, pss), func(t *testing.T) { verifies(t, dir, kind, pss) })
		}
	}
	write(t, dir, "all", sign(t, []byte("content\n"), signer("rsa"), signer("p-256"), signer("p-521")))
	if _, err := openssl(t, dir, "cms", "-verify", "-binary", "-inform", "DER", "-in", "all", "-CAfile", "root.pem"); err != nil {
		t.Errorf("several signers: %v", err)
	}
}

func verifies(t *testing.T, dir, kind string, pss bool) {
	if kind == "ed25519" {
		if _, err := openssl(t, dir, "cms", "-sign", "-in", "content", "-signer", "ed25519.pem", "-inkey", "ed25519.key"); err != nil {
			t.Skip("this openssl has no Ed25519 in CMS (RFC 8419)")
		}
	}
	s := signer(kind)
	s.PSS = pss
	write(t, dir, "attached", sign(t, []byte("content\n"), s))
	out, err := openssl(t, dir, "cms", "-verify", "-binary", "-inform", "DER", "-in", "attached", "-CAfile", "root.pem")
	if err != nil || string(out) != "content\n" {
		t.Errorf("%q, %v", out, err)
	}
	detached, err := cms.SignDetached(bytes.NewReader([]byte("content\n")), s)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "detached", detached)
	// -cades: the signed attributes name the certificate.
	if _, err := openssl(t, dir, "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", "detached", "-content", "content", "-CAfile", "root.pem"); err != nil {
		t.Errorf("detached: %v", err)
	}
}

// What openssl signs is verified here, in its dialects.
func TestOpenSSLSigns(t *testing.T) {
	dir := folder(t)
	tests := []struct {
		name string
		args []string
		want string // the error; empty: it verifies
	}{
		{"attached", []string{"-nodetach"}, ""},
		{"detached", nil, ""},
		{"streaming, in BER", []string{"-nodetach", "-stream"}, ""},
		{"by the key identifier", []string{"-nodetach", "-keyid"}, ""},
		{"CAdES", []string{"-nodetach", "-cades"}, ""},
		{"with SHA-384", []string{"-nodetach", "-md", "sha384"}, ""},
		{"with SHA-1", []string{"-nodetach", "-md", "sha1"}, "is not supported"},
		{"in PEM", []string{"-nodetach", "-outform", "PEM"}, ""},
		{"without attributes", []string{"-nodetach", "-noattr"}, "without signed attributes"},
		{"without certificates", []string{"-nodetach", "-nocerts"}, "certificate of a signer is not there"},
	}
	for _, kind := range []string{"rsa", "p-256", "p-521"} {
		for _, tt := range tests {
			check(t, dir, kind, tt.name, tt.args, tt.want)
		}
	}
	check(t, dir, "rsa", "PSS", []string{"-nodetach", "-keyopt", "rsa_padding_mode:pss"}, "")
	check(t, dir, "rsa", "PSS without salt", []string{"-nodetach", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:0"}, "PSS are not supported")
	check(t, dir, "rsa", "PSS with another MGF1", []string{"-nodetach", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_mgf1_md:sha512"}, "PSS are not supported")
}

// check has openssl sign, and verifies that.
func check(t *testing.T, dir, kind, name string, args []string, want string) {
	t.Helper()
	out, err := openssl(t, dir, append([]string{
		"cms", "-sign", "-binary", "-outform", "DER", "-in", "content", "-signer", kind + ".pem", "-inkey", kind + ".key", "-certfile", "authority.pem",
	}, args...)...)
	if err != nil {
		t.Errorf("%s, %s: openssl cannot: %v", kind, name, err)
		return
	}
	d := parse(t, out)
	if d.Detached() {
		_, err = d.VerifyDetached(bytes.NewReader([]byte("content\n")), options())
	} else {
		var got []byte
		got, _, err = d.Verify(options())
		if err == nil && string(got) != "content\n" {
			t.Errorf("%s, %s: the content %q", kind, name, got)
		}
	}
	if (err == nil) != (want == "") || (err != nil && !bytes.Contains([]byte(err.Error()), []byte(want))) {
		t.Errorf("%s, %s: %v: want %q", kind, name, err, want)
	}
}
