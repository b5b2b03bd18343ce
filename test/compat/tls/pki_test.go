package tls

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-kms/holdfast/test/compat"
)

// pki is a Holdfast with a root and an issuing authority, and the root's
// certificate in a file.
type pki struct {
	server *compat.Server
	dir    string
	root   string
	issuer string // the issuing authority's certificate in a file
}

// shared is the PKI of all tests of the package.
var shared = sync.OnceValues(open)

func TestMain(m *testing.M) {
	code := m.Run()
	if p, err := shared(); err == nil {
		if err := p.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		_ = os.RemoveAll(p.dir) // only temporary files
	}
	os.Exit(code) //nolint:forbidigo // this is how a TestMain ends
}

func open() (*pki, error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "holdfast-tls-")
	if err != nil {
		return nil, err
	}
	binary, err := compat.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	public, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "holdfast.yaml")
	if err := os.WriteFile(config, []byte("public_url: http://"+public+"\n"), 0o600); err != nil {
		return nil, err
	}
	server, err := compat.Start(ctx, binary, filepath.Join(dir, "data"), "--config", config, "--listen-http", public)
	if err != nil {
		return nil, err
	}
	p := &pki{server: server, dir: dir, root: filepath.Join(dir, "root.pem"), issuer: filepath.Join(dir, "issuer.pem")}
	for _, args := range []string{
		"key create --spec ECC_NIST_P384 --alias root",
		"ca create --name root --key root --cn TLS-Root",
		"key create --spec ECC_NIST_P256 --alias issuing",
		"ca create --name issuing --key issuing --cn TLS-Issuing --parent root",
	} {
		if _, err := server.Run(ctx, strings.Fields(args)...); err != nil {
			return nil, err
		}
	}
	for name, file := range map[string]string{"root": p.root, "issuing": p.issuer} {
		chain, err := server.Run(ctx, "ca", "chain", name)
		if err != nil {
			return nil, err
		}
		own, _ := pem.Decode([]byte(chain))
		if err := os.WriteFile(file, pem.EncodeToMemory(own), 0o600); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// freeAddress returns a loopback address that is free at the moment: the
// certificates name it before the server listens on it.
func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// keyTypes are the types of keys for which TLS has certificates.
func keyTypes() map[string]func() (crypto.Signer, error) {
	curve := func(c elliptic.Curve) func() (crypto.Signer, error) {
		return func() (crypto.Signer, error) { return ecdsa.GenerateKey(c, rand.Reader) }
	}
	bits := func(n int) func() (crypto.Signer, error) {
		return func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, n) }
	}
	return map[string]func() (crypto.Signer, error){
		"RSA-2048": bits(2048), "RSA-3072": bits(3072), "RSA-4096": bits(4096),
		"P-256": curve(elliptic.P256()), "P-384": curve(elliptic.P384()), "P-521": curve(elliptic.P521()),
		"Ed25519": func() (crypto.Signer, error) {
			_, k, err := ed25519.GenerateKey(rand.Reader)
			return k, err
		},
	}
}

// identity is a certificate with its issuers, and its key, in files.
type identity struct {
	chain, key, bundle string
	serial             string
}

// password is the bundle's.
const password = "changeit"

// issue makes a key here and has a certificate issued for it by the command
// line.
func (p *pki) issue(t *testing.T, generate func() (crypto.Signer, error), profile, name string) identity {
	t.Helper()
	dir := t.TempDir()
	id := identity{
		chain: filepath.Join(dir, profile+".pem"), key: filepath.Join(dir, profile+".key"), bundle: filepath.Join(dir, profile+".p12"),
	}
	key, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}}
	if profile == "tls-server" {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	request := filepath.Join(dir, "request.pem")
	write(t, request, &pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})
	write(t, id.key, &pem.Block{Type: "PRIVATE KEY", Bytes: private})
	p.run(t, "cert", "issue", "--ca", "issuing", "--profile", profile, "--csr", request, "--out", id.chain)
	id.serial = leaf(t, id.chain).SerialNumber.Text(16)
	out, err := exec.CommandContext(t.Context(), "openssl", "pkcs12", "-export", "-in", id.chain, "-inkey", id.key,
		"-out", id.bundle, "-passout", "pass:"+password).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl pkcs12: %v\n%s", err, out)
	}
	return id
}

func (p *pki) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := p.server.Run(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func write(t *testing.T, file string, block *pem.Block) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
}

// leaf reads the first certificate of a file.
func leaf(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("no PEM in %s", file)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
