package pkcs11

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
)

// openssl prepares OpenSSL's engine, and returns the variables with which it
// runs: those that "holdfast pkcs11 env" prints.
func (w *world) openssl(t *testing.T, dir string) []string {
	t.Helper()
	if w.engine == "" {
		t.Skip("OpenSSL's engine for PKCS #11 is not installed")
	}
	path := write(t, dir, "openssl.cnf", fmt.Appendf(nil, `openssl_conf = openssl_init
.include /etc/ssl/openssl.cnf
[openssl_init]
engines = engine_section
[engine_section]
pkcs11 = pkcs11_section
[pkcs11_section]
engine_id = pkcs11
dynamic_path = %s
MODULE_PATH = %s
init = 1
`, w.engine, w.module))
	return []string{"OPENSSL_CONF=" + path}
}

// selfSigned makes a certificate of a key of the token, by OpenSSL.
func (w *world) selfSigned(t *testing.T, dir, key, name string) string {
	t.Helper()
	out, err := w.run(t.Context(), command{dir: dir, env: w.openssl(t, dir), args: []string{
		"openssl", "req", "-new", "-x509", "-engine", "pkcs11", "-keyform", "engine", "-key", w.uri(tokenShort, key),
		"-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:" + name, "-days", "5", "-out", key + ".pem",
	}})
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return key + ".pem"
}

// TestOpenSSL: requests, certificates and a server, by the engine of libp11.
func TestOpenSSL(t *testing.T) {
	w := use(t, []string{"openssl", "version"})
	for spec, versions := range map[string][]uint16{"RSA_2048": {tls.VersionTLS12, tls.VersionTLS13}, "ECC_NIST_P256": {tls.VersionTLS12, tls.VersionTLS13}} {
		t.Run(spec, func(t *testing.T) {
			dir := w.folder(t)
			key := "openssl-" + strings.ToLower(strings.ReplaceAll(spec, "_", "-"))
			w.key(t, key, spec)
			env := w.openssl(t, dir)
			out, err := w.run(t.Context(), command{dir: dir, env: env, args: []string{
				"openssl", "req", "-new", "-engine", "pkcs11", "-keyform", "engine", "-key", w.uri(tokenShort, key), "-subj", "/CN=www.example.com", "-out", "www.csr",
			}})
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			w.must(t, dir, "openssl", "req", "-in", "www.csr", "-noout", "-verify")
			certificate := w.selfSigned(t, dir, key, "www.example.com")
			w.must(t, dir, "openssl", "verify", "-CAfile", certificate, certificate)
			address := freeAddress(t)
			s := w.serve(t, address, command{dir: dir, env: env, args: []string{
				"openssl", "s_server", "-engine", "pkcs11", "-keyform", "engine", "-key", w.uri(tokenShort, key), "-cert", certificate, "-accept", address, "-www", "-quiet",
			}})
			defer s.stop(t)
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(read(t, dir, certificate))
			for _, version := range versions {
				conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "www.example.com", MinVersion: version, MaxVersion: version}}).DialContext(t.Context(), "tcp", address)
				if err != nil {
					t.Errorf("%s: %v", tls.VersionName(version), err)
					continue
				}
				if err := conn.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestLongPIN: libp11 before 0.4.13 takes no PIN of more than 32 characters, and
// says that the URI is none. That is why a token can have a PIN of its own.
func TestLongPIN(t *testing.T) {
	w := use(t, []string{"openssl", "version"})
	dir := w.folder(t)
	w.key(t, "long-pin", "ECC_NIST_P256")
	out, err := w.run(t.Context(), command{dir: dir, env: w.openssl(t, dir), args: []string{
		"openssl", "req", "-new", "-engine", "pkcs11", "-keyform", "engine", "-key", w.uri(tokenCredential, "long-pin"), "-subj", "/CN=x", "-out", "x.csr",
	}})
	if err != nil && !strings.Contains(out, "not a valid PKCS#11 URI") {
		t.Errorf("it fails for another reason: %v\n%s", err, out)
	}
}
