//go:build !noaws && !noazure && !nogcp && !novault

package holdfast_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"maps"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/internal/engine/azurekv/azurekvtest"
	"github.com/holdfast-kms/holdfast/internal/engine/vault/vaulttest"
	"github.com/holdfast-kms/holdfast/internal/keylesstest"
	"github.com/holdfast-kms/holdfast/keyless"
)

// The functions of this file are the jobs of docs/library.md, and TestDocs holds
// the page to them. The tests run them against servers of each cloud's API.

// requestCertificate signs a digest and requests a certificate with a key that
// stays in AWS KMS: awskms:///alias/cert-signing-key?region=eu-west-1
func requestCertificate(ctx context.Context, uri string) (csr, signature []byte, err error) {
	key, err := holdfast.Open(ctx, uri)
	if err != nil {
		return nil, nil, err
	}
	defer key.Close()
	digest := sha512.Sum384([]byte("what is to be signed"))
	signature, err = key.SignDigestWith(ctx, "ecdsa-sha384", digest[:])
	if err != nil {
		return nil, nil, err
	}
	csr, err = holdfast.CSR(key, &x509.CertificateRequest{
		Subject:  pkix.Name{Country: []string{"TW"}, Organization: []string{"Example Corp"}, CommonName: "api.example.com"},
		DNSNames: []string{"api.example.com"},
	})
	return csr, signature, err
}

// selfSign makes a certificate for a key of a vault, and finds the keys that
// are there: azurekms://name.vault.azure.net/api-server
func selfSign(ctx context.Context, vault, name string) (certificate []byte, keys []holdfast.Listed, err error) {
	place, err := holdfast.Connect(ctx, vault)
	if err != nil {
		return nil, nil, err
	}
	defer place.Close()
	key, err := place.Create(ctx, name, "rsa-2048")
	if err != nil {
		return nil, nil, err
	}
	certificate, err = holdfast.SelfSigned(key, &x509.Certificate{
		Subject:     pkix.Name{Country: []string{"TW"}, Organization: []string{"Example Corp"}, CommonName: "api.example.com"},
		DNSNames:    []string{"api.example.com", "api-internal.example.com"},
		NotAfter:    time.Now().AddDate(1, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return nil, nil, err
	}
	keys, err = place.List(ctx)
	return certificate, keys, err
}

// makeAuthority makes a root whose key stays in Cloud KMS:
// gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/root/cryptoKeyVersions/1
func makeAuthority(ctx context.Context, uri string) ([]byte, error) {
	key, err := holdfast.Open(ctx, uri)
	if err != nil {
		return nil, err
	}
	defer key.Close()
	return holdfast.SelfSigned(key, &x509.Certificate{
		Subject:        pkix.Name{Country: []string{"TW"}, Organization: []string{"Example Corp"}, CommonName: "Example Root"},
		NotAfter:       time.Now().AddDate(10, 0, 0),
		IsCA:           true,
		MaxPathLenZero: true,
		KeyUsage:       x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	})
}

// signAndVerify signs with a key of Vault's Transit engine and has Vault verify:
// hashivault://cert-signing-key
func signAndVerify(ctx context.Context, uri string, data []byte) (signature []byte, err error) {
	key, err := holdfast.Open(ctx, uri)
	if err != nil {
		return nil, err
	}
	defer key.Close()
	signature, err = key.SignWith(ctx, "rsa-pkcs1-sha256", data)
	if err != nil {
		return nil, err
	}
	return signature, key.Verify(ctx, "rsa-pkcs1-sha256", data, signature)
}

// register gives places of several clouds names, by which their keys are used.
func register(ctx context.Context, clouds map[string]string) (*holdfast.Providers, error) {
	providers := holdfast.NewProviders()
	for name, uri := range clouds {
		place, err := holdfast.Connect(ctx, uri)
		if err != nil {
			return nil, err
		}
		if err := providers.Register(name, place); err != nil {
			return nil, err
		}
	}
	return providers, nil
}

// signAnywhere signs with the key of one cloud, and with that of the other one
// while the first one is away.
func signAnywhere(ctx context.Context, providers *holdfast.Providers, message []byte) ([]byte, error) {
	key, err := providers.FailOver(ctx,
		holdfast.Ref{Provider: "aws", Key: "alias/release"},
		holdfast.Ref{Provider: "on-premises", Key: "alias/release"},
	)
	if err != nil {
		return nil, err
	}
	return key.SignWith(ctx, "", message)
}

// presentRemote returns what a TLS server presents whose private key is on key
// servers: keys-1.example.com:2407, keys-2.example.com:2407
func presentRemote(servers []string, access *tls.Config, chain []byte) (*keyless.Client, *tls.Config, error) {
	keys, err := keyless.New(keyless.Config{Servers: servers, TLS: access})
	if err != nil {
		return nil, nil, err
	}
	certificate, err := keys.Certificate(chain)
	if err != nil {
		return nil, nil, err
	}
	config := &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return keyless.ForHandshake(&certificate, hello), nil
	}}
	return keys, config, nil
}

// parsed reads a certificate.
func parsed(t *testing.T, der []byte, err error) *x509.Certificate {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// create makes a key for a snippet.
func create(t *testing.T, uri, spec string) *holdfast.Key {
	t.Helper()
	k, err := holdfast.Create(t.Context(), uri, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, k) })
	return k
}

func TestSnippetAzure(t *testing.T) {
	s := azurekvtest.Start(t)
	place, parameters := azureAt(t, s)
	der, keys, err := selfSign(t.Context(), place+parameters, "api-server")
	c := parsed(t, der, err)
	if err := c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature); err != nil || c.VerifyHostname("api-internal.example.com") != nil {
		t.Errorf("the certificate: %v", err)
	}
	if len(keys) != 1 || keys[0].Spec != "rsa-2048" || !strings.Contains(keys[0].URI, "/api-server") {
		t.Errorf("the vault has %v", keys)
	}
	s.AddCertificate(t, "bought")
	k, err := holdfast.Open(t.Context(), place+"certificates/bought"+parameters)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, k)
	trySigner(t, k)
}

func TestSnippetGoogle(t *testing.T) {
	place, parameters := google(t)
	create(t, place+"/cryptoKeys/root"+parameters, "p-384")
	der, err := makeAuthority(t.Context(), place+"/cryptoKeys/root/cryptoKeyVersions/1"+parameters)
	c := parsed(t, der, err)
	if err := c.CheckSignatureFrom(c); err != nil || !c.IsCA || !c.MaxPathLenZero {
		t.Errorf("the root: %v", err)
	}
}

func TestSnippetVault(t *testing.T) {
	s := vaulttest.Start(t)
	t.Setenv("VAULT_ADDR", s.Address)
	t.Setenv("VAULT_TOKEN", s.Root)
	t.Setenv("VAULT_CACERT", write(t, "ca.pem", s.CA))
	k := create(t, "hashivault://cert-signing-key", "rsa-2048")
	signature, err := signAndVerify(t.Context(), "hashivault://cert-signing-key", []byte("data"))
	if err != nil {
		t.Fatal(err)
	}
	judge(t, k, "rsa-pkcs1-sha256", []byte("data"), signature)
}

// TestSnippetClouds has several clouds at once: three of the APIs are really
// served, and the key that "aws" and "on-premises" have is one.
func TestSnippetClouds(t *testing.T) {
	serve(t)
	azurePlace, azureParameters := azure(t)
	googlePlace, googleParameters := google(t)

	k := create(t, "holdfast:///alias/cert-signing-key", "p-384")
	csr, signature, err := requestCertificate(t.Context(), "awskms:///alias/cert-signing-key")
	if err != nil {
		t.Fatal(err)
	}
	judge(t, k, "ecdsa-sha384", []byte("what is to be signed"), signature)
	if r, err := x509.ParseCertificateRequest(csr); err != nil || r.CheckSignature() != nil {
		t.Errorf("the request: %v", err)
	}

	clouds := map[string]string{
		"aws": "awskms:///", "on-premises": "holdfast:///", "azure": azurePlace + azureParameters, "google": googlePlace + googleParameters,
	}
	providers, err := register(t.Context(), clouds)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, providers)
	if names := providers.Names(); !slices.Equal(names, slices.Sorted(maps.Keys(clouds))) {
		t.Errorf("the names are %v", names)
	}
	create(t, "holdfast:///alias/release", "p-256")
	create(t, azurePlace+"release"+azureParameters, "p-256")
	create(t, googlePlace+"/cryptoKeys/release"+googleParameters, "p-256")
	for name, key := range map[string]string{"aws": "alias/release", "on-premises": "release", "azure": "release", "google": "release"} {
		signature, err := providers.Sign(t.Context(), name, key, []byte("m"), "ecdsa-sha256")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := providers.Verify(t.Context(), name, key, []byte("m"), signature, "ecdsa-sha256"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	signature, err = signAnywhere(t.Context(), providers, []byte("m"))
	if err != nil {
		t.Fatal(err)
	}
	if err := providers.Verify(t.Context(), "on-premises", "alias/release", []byte("m"), signature, ""); err != nil {
		t.Error(err)
	}
}

// TestSnippetKeyless: a TLS client comes in by a key that is elsewhere.
func TestSnippetKeyless(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"api.example.com"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	server := keylesstest.Start(t, keylesstest.Config{Keys: []crypto.Signer{private}, Network: "unix", Address: filepath.Join(t.TempDir(), "keys")})
	keys, config, err := presentRemote([]string{server.Address()}, nil, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, keys)
	roots := x509.NewCertPool()
	roots.AddCert(parsed(t, der, nil))
	front, back := net.Pipe()
	go func() { _ = tls.Server(back, config).HandshakeContext(t.Context()) }()
	if err := tls.Client(front, &tls.Config{RootCAs: roots, ServerName: "api.example.com"}).HandshakeContext(t.Context()); err != nil {
		t.Error(err)
	}
}

// azureAt points the environment at a vault.
func azureAt(t *testing.T, s *azurekvtest.Server) (place, parameters string) {
	t.Helper()
	t.Setenv("AZURE_TENANT_ID", azurekvtest.Tenant)
	t.Setenv("AZURE_CLIENT_ID", azurekvtest.Client)
	t.Setenv("AZURE_CLIENT_SECRET", azurekvtest.ClientSecret)
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	q := url.Values{"authority": {s.Authority()}, "challenge": {"any"}, "ca": {write(t, "ca.pem", s.CAPEM())}}
	return "azurekms://" + u.Host + "/", "?" + q.Encode()
}

// TestDocs: each block of Go in docs/library.md is in the files whose tests run
// it, and so is each parameter of a URI in its table.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("docs/library.md")
	if err != nil {
		t.Fatal(err)
	}
	var tested strings.Builder
	for _, name := range []string{"snippets_test.go", "example_test.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tested.Write(text)
	}
	blocks := strings.Split(string(page), "```go\n")
	for _, block := range blocks[1:] {
		code, _, _ := strings.Cut(block, "```")
		if !strings.Contains(tested.String(), code) {
			t.Errorf("docs/library.md has code that no test runs:\n%s", code)
		}
	}
	if len(blocks) < 6 {
		t.Errorf("docs/library.md has %d blocks of Go", len(blocks)-1)
	}
}
