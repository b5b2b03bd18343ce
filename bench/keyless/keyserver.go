package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-kms/holdfast/internal/pkcs11/pkcs11test"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/worker"
	"github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// signingKey is a key of the server.
type signingKey struct {
	name, spec string
	hsm        bool
	alias      string
	opcode     keyless.Opcode
	public     crypto.PublicKey
}

// start starts the Holdfast server, with the key server in it, and makes the
// keys: in software, and in SoftHSM 2 where there is one.
func (b *bench) start(ctx context.Context) error {
	config := "keyless:\n  listen: 127.0.0.1:0\n  client_certificates: optional\n"
	args := []string{"dev", "--dir", b.path("kms"), "--listen", "127.0.0.1:0"}
	if b.library != "" {
		env, err := b.token(ctx)
		if err != nil {
			return err
		}
		config += fmt.Sprintf("hsm:\n  tokens:\n    - name: bench\n      module: %s\n      token: %s\n      pin_file: %s\n      environment: {SOFTHSM2_CONF: %s}\n",
			b.library, pkcs11test.Label, b.path("pin"), env["SOFTHSM2_CONF"])
	}
	if err := os.WriteFile(b.path("holdfast.yaml"), []byte(config), 0o600); err != nil {
		return err
	}
	args = append(args, "--config", b.path("holdfast.yaml"))
	var err error
	if b.server, err = b.launch(b.command(ctx, b.holdfast, args...), "holdfast", true); err != nil {
		return err
	}
	if b.env, err = environment(filepath.Join(b.path("kms"), "env")); err != nil {
		return err
	}
	if err := b.makeKeys(ctx); err != nil {
		return err
	}
	return b.server.calm(ctx)
}

// token makes a SoftHSM 2 token.
func (b *bench) token(ctx context.Context) (map[string]string, error) {
	env, err := pkcs11test.Environment(b.dir)
	if err != nil {
		return nil, err
	}
	p, err := worker.Start(ctx, worker.Config{Path: b.library, Environment: env})
	if err != nil {
		return nil, err
	}
	_, err = pkcs11test.Initialise(ctx, p)
	if err = errors.Join(err, p.Close()); err != nil {
		return nil, err
	}
	return env, os.WriteFile(b.path("pin"), []byte(pkcs11test.PIN), 0o600)
}

// environment reads a server's env file, as a shell would.
func environment(file string) (map[string]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	env := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "="); ok {
			env[name] = strings.Trim(value, `'"`)
		}
	}
	return env, nil
}

func (b *bench) makeKeys(ctx context.Context) error {
	for _, k := range []signingKey{
		{name: "P-256", spec: "ECC_NIST_P256", opcode: keyless.OpECDSASignSHA256},
		{name: "RSA-2048", spec: "RSA_2048", opcode: keyless.OpRSASignSHA256},
		{name: "P-256", spec: "ECC_NIST_P256", opcode: keyless.OpECDSASignSHA256, hsm: true},
		{name: "RSA-2048", spec: "RSA_2048", opcode: keyless.OpRSASignSHA256, hsm: true},
	} {
		where := "software"
		args := []string{"key", "create", "--usage", "SIGN_VERIFY", "--spec", k.spec}
		if k.hsm {
			if b.library == "" {
				continue
			}
			where = "SoftHSM 2"
			args = append(args, "--hsm", "bench")
		}
		k.alias = fmt.Sprintf("bench-%d", len(b.keys))
		k.name += " in " + where
		if out, err := b.command(ctx, b.holdfast, append(args, "--alias", k.alias)...).Output(); err != nil {
			return fmt.Errorf("making the key %s: %w: %s", k.name, err, out)
		}
		text, err := b.command(ctx, b.holdfast, "key", "public", k.alias).Output()
		if err != nil {
			return err
		}
		block, _ := pem.Decode(text)
		if block == nil {
			return fmt.Errorf("the public key of %s is not PEM", k.name)
		}
		if k.public, err = x509.ParsePKIXPublicKey(block.Bytes); err != nil {
			return err
		}
		b.keys = append(b.keys, &k)
	}
	return nil
}

// ways are the loads of the key server: a client that waits for each answer,
// clients that have several requests under way as a busy edge has, and clients
// that send whatever the server takes.
var ways = []struct {
	name         string
	conns, depth int
}{
	{"1 connection, 1 at a time", 1, 1},
	{"1 connection, 64 at a time", 1, 64},
	{"8 connections, 1 at a time each", 8, 1},
	{"8 connections, 16 at a time each", 8, 16},
	{"flood", 8, 1024},
}

// keyserver measures signatures by the key server.
func (b *bench) keyserver(ctx context.Context) error {
	trusted, err := os.ReadFile(b.env["HOLDFAST_CACERT"])
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(trusted)
	hello, err := credential(b.env)
	if err != nil {
		return err
	}
	for _, k := range b.keys {
		ski, err := keyless.SKI(k.public)
		if err != nil {
			return err
		}
		digest := sha256.Sum256([]byte("bench"))
		l := &load{
			address: b.env["HOLDFAST_KEYLESS_ADDR"], authenticate: hello,
			tls:     &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS13},
			request: keyless.Operation{Opcode: k.opcode, SKI: ski[:], Payload: digest[:]},
		}
		for round := range b.rounds {
			if err := b.bare(ctx, k, round); err != nil {
				return err
			}
			for _, w := range ways {
				l.conns, l.depth = w.conns, w.depth
				if err := b.loaded(ctx, l, row{Part: "keyserver", Key: k.name, Way: w.name, Round: round}); err != nil {
					return fmt.Errorf("%s, %s: %w", k.name, w.name, err)
				}
			}
		}
	}
	return nil
}

// loaded measures the server under a load.
func (b *bench) loaded(ctx context.Context, l *load, r row) error {
	if _, err := l.run(ctx, b.duration/4); err != nil { // what is made at the first use is no part of it
		return err
	}
	before := b.server.cpu()
	out, err := l.run(ctx, b.duration)
	if err != nil {
		return err
	}
	r.CPU = float64((b.server.cpu() - before).Microseconds()) / float64(len(out.latencies))
	r.Rate, r.P50, r.P99, r.Resident = out.rate(), out.quantile(0.5), out.quantile(0.99), b.server.resident()
	return b.out.Encode(r)
}

// bare measures what the signature alone costs: of P-256 by crypto/ecdsa in this
// process, of RSA by "openssl speed", on the server's processor.
func (b *bench) bare(ctx context.Context, k *signingKey, round int) error {
	r := row{Part: "keyserver", Key: k.name, Way: "bare", Round: round}
	var err error
	if strings.HasPrefix(k.name, "P-256") {
		r.CPU, err = bareECDSA(b.duration)
	} else {
		r.CPU, err = b.opensslRSA(ctx)
	}
	if err != nil {
		return err
	}
	r.Rate = 1e6 / r.CPU
	return b.out.Encode(r)
}

// bareECDSA returns the processor time of a P-256 signature in µs.
func bareECDSA(d time.Duration) (float64, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return 0, err
	}
	digest := sha256.Sum256([]byte("bench"))
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		return 0, err
	}
	n := 0
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		if _, err := ecdsa.SignASN1(rand.Reader, k, digest[:]); err != nil {
			return 0, err
		}
	}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		return 0, err
	}
	used := time.Duration(after.Utime.Nano() - before.Utime.Nano() + after.Stime.Nano() - before.Stime.Nano())
	return float64(used.Nanoseconds()) / 1e3 / float64(n), nil
}

// signatures finds in the output of "openssl speed" how many there were, and in
// how many seconds of processor time.
var signatures = regexp.MustCompile(`(\d+) 2048 bits? (?:private )?RSA'?s? (?:sign ops )?in ([0-9.]+)s`)

// opensslRSA returns the processor time of an RSA-2048 signature by "openssl
// speed" in µs.
func (b *bench) opensslRSA(ctx context.Context) (float64, error) {
	seconds := max(1, int(b.duration.Seconds()))
	args := []string{"openssl", "speed", "-seconds", strconv.Itoa(seconds), "rsa2048"}
	args = append([]string{"taskset", "-c", b.serverCPU}, args...)
	cmd := b.command(ctx, args[0], args[1:]...)
	cmd.Stderr = nil
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("openssl speed: %w: %s", err, out)
	}
	m := signatures.FindStringSubmatch(string(out))
	if m == nil {
		return 0, fmt.Errorf("openssl speed says %s", out)
	}
	n, _ := strconv.ParseFloat(m[1], 64)
	used, _ := strconv.ParseFloat(m[2], 64)
	return used * 1e6 / n, nil
}
