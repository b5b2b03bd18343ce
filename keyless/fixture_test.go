package keyless_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/keylesstest"
	"github.com/holdfast-kms/holdfast/keyless"
)

// keys are one of each type, made once.
var keys = sync.OnceValue(func() map[string]crypto.Signer {
	must := func(k crypto.Signer, err error) crypto.Signer {
		if err != nil {
			panic(err)
		}
		return k
	}
	curve := func(c elliptic.Curve) crypto.Signer { return must(ecdsa.GenerateKey(c, rand.Reader)) }
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	return map[string]crypto.Signer{
		"rsa": must(rsa.GenerateKey(rand.Reader, 2048)), "p-256": curve(elliptic.P256()), "p-384": curve(elliptic.P384()), "p-521": curve(elliptic.P521()),
		"ed25519": must(edwards, err),
	}
})

func allKeys() []crypto.Signer {
	var all []crypto.Signer
	for _, k := range keys() {
		all = append(all, k)
	}
	return all
}

// certificate makes a certificate for a key, signed by itself, in PEM.
func certificate(tb testing.TB, key crypto.Signer) []byte {
	tb.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// pool trusts one certificate.
func pool(tb testing.TB, pemText []byte) *x509.CertPool {
	tb.Helper()
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pemText) {
		tb.Fatal("no certificate")
	}
	return p
}

// transport returns TLS configurations of a key server and its clients.
func transport(tb testing.TB) (server, client *tls.Config) {
	tb.Helper()
	key := keys()["p-256"]
	chain := certificate(tb, key)
	block, _ := pem.Decode(chain)
	own := tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}
	server = &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool(tb, chain)}
	client = &tls.Config{Certificates: []tls.Certificate{own}, RootCAs: pool(tb, chain)}
	return server, client
}

// serveUnix starts a key server without TLS, with all keys unless c has some.
func serveUnix(tb testing.TB, c keylesstest.Config) *keylesstest.Server {
	tb.Helper()
	if c.Keys == nil {
		c.Keys = allKeys()
	}
	c.Network, c.Address = "unix", filepath.Join(tb.TempDir(), "s")
	return keylesstest.Start(tb, c)
}

// open returns a client, which is closed with the test.
func open(tb testing.TB, c keyless.Config) *keyless.Client {
	tb.Helper()
	client, err := keyless.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := client.Close(); err != nil {
			tb.Error(err)
		}
	})
	return client
}

// remote returns a key of the client.
func remote(tb testing.TB, c *keyless.Client, name string) *keyless.Key {
	tb.Helper()
	k, err := c.Key(keys()[name].Public())
	if err != nil {
		tb.Fatal(err)
	}
	return k
}
