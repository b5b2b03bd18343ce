package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/keyless"
)

// visitors are the clients that shake hands at the same time.
const visitors = 8

// edge measures handshakes by an edge whose keys are on the key server, beside
// one that has keys of the same kind in files.
func (b *bench) edge(ctx context.Context) error {
	pool := x509.NewCertPool()
	trusted, err := os.ReadFile(b.env["HOLDFAST_CACERT"])
	if err != nil {
		return err
	}
	pool.AppendCertsFromPEM(trusted)
	remote, err := keyless.New(keyless.Config{
		Servers: []string{b.env["HOLDFAST_KEYLESS_ADDR"]}, TLS: &tls.Config{RootCAs: pool, ServerName: "localhost"},
		AccessKeyID: b.env["HOLDFAST_ACCESS_KEY_ID"], SecretAccessKey: b.env["HOLDFAST_SECRET_ACCESS_KEY"],
	})
	if err != nil {
		return err
	}
	defer remote.Close() //nolint:errcheck // the measurement is over
	if err := os.WriteFile(b.path("secret"), []byte(b.env["HOLDFAST_SECRET_ACCESS_KEY"]), 0o600); err != nil {
		return err
	}
	for _, k := range b.keys {
		if k.hsm {
			continue
		}
		signer, err := remote.Key(k.public)
		if err != nil {
			return err
		}
		if err := b.edges(ctx, k, signer); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	return nil
}

// edges measures one kind of key.
func (b *bench) edges(ctx context.Context, k *signingKey, signer crypto.Signer) error {
	away, err := b.edgeWith(ctx, k.alias+"-remote", signer, nil)
	if err != nil {
		return err
	}
	mine, err := newLike(k.public)
	if err != nil {
		return err
	}
	here, err := b.edgeWith(ctx, k.alias+"-local", mine, mine)
	if err != nil {
		return err
	}
	for round := range b.rounds {
		for _, e := range []struct {
			way     string
			address string
			procs   []*process
		}{
			{"a local key", here.address, []*process{here.process}},
			{"the key server's, the edge alone", away.address, []*process{away.process}},
			{"the key server's, with the key server", away.address, []*process{away.process, b.server}},
		} {
			if err := b.handshakes(ctx, e.address, e.procs, row{Part: "edge", Key: k.name, Way: e.way, Round: round}); err != nil {
				return fmt.Errorf("%s: %w", e.way, err)
			}
		}
	}
	return nil
}

// newLike makes a key of the kind of a public one.
func newLike(public crypto.PublicKey) (crypto.Signer, error) {
	if _, ok := public.(*rsa.PublicKey); ok {
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// running is an edge.
type running struct {
	*process

	address string
}

// edgeWith starts an edge with a certificate for a key: with local, that key is
// in a file, else on the key server.
func (b *bench) edgeWith(ctx context.Context, name string, key, local crypto.Signer) (*running, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench.test"}, DNSNames: []string{"bench.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if err := writePEM(b.path(name+".pem"), "CERTIFICATE", der); err != nil {
		return nil, err
	}
	address, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	certificate := "file: " + b.path(name+".pem")
	if local != nil {
		private, err := x509.MarshalPKCS8PrivateKey(local)
		if err != nil {
			return nil, err
		}
		if err := writePEM(b.path(name+".key"), "PRIVATE KEY", private); err != nil {
			return nil, err
		}
		certificate += ", key_file: " + b.path(name+".key")
	}
	site := fmt.Sprintf("sites:\n  - names: [bench.test]\n    certificates: [{%s}]\n    upstreams: [\"http://127.0.0.1:9\"]\n", certificate)
	config := fmt.Sprintf("listen: [\"%s\"]\nkey_servers:\n  servers: [\"%s\"]\n  ca: %s\n  server_name: localhost\n  access_key_id: %s\n  secret_access_key_file: %s\naccess_log: {format: \"off\"}\n%s",
		address, b.env["HOLDFAST_KEYLESS_ADDR"], b.env["HOLDFAST_CACERT"], b.env["HOLDFAST_ACCESS_KEY_ID"], b.path("secret"), site)
	if err := os.WriteFile(b.path(name+".yaml"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	p, err := b.launch(b.command(ctx, b.holdfast, "edge", "--config", b.path(name+".yaml")), name, true)
	return &running{p, address}, err
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// freePort returns a loopback address that was free a moment ago.
func freePort(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// handshakes measures full TLS 1.3 handshakes.
func (b *bench) handshakes(ctx context.Context, address string, procs []*process, r row) error {
	d := door{procs: procs}
	var done atomic.Int64
	began, before := time.Now(), d.cpu()
	end := began.Add(b.duration)
	var wg sync.WaitGroup
	errs := make([]error, visitors)
	for i := range visitors {
		wg.Go(func() {
			for time.Now().Before(end) && errs[i] == nil {
				errs[i] = shake(ctx, address)
				done.Add(1)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	r.CPU = float64((d.cpu() - before).Microseconds()) / float64(done.Load())
	r.Rate = float64(done.Load()) / time.Since(began).Seconds()
	return b.out.Encode(r)
}

// shake makes one handshake. Whether the certificate is trusted is not what is
// measured.
func shake(ctx context.Context, address string) error {
	c, err := (&tls.Dialer{Config: &tls.Config{
		ServerName: "bench.test", InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}, //nolint:gosec // a server of this program's own
	}}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	if err := c.Close(); err != nil && !strings.Contains(err.Error(), "reset") {
		return err
	}
	return nil
}
