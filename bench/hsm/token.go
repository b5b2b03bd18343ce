package main

import (
	"context"
	"crypto"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	enginehsm "github.com/holdfast-kms/holdfast/internal/engine/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/pkcs11test"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/worker"
)

// signingKey is a key of the token, as each way names it.
type signingKey struct {
	name      string
	algorithm alg.Algorithm
	mechanism pkcs11.MechanismType
	input     []byte // what the mechanism signs: a digest, or a DigestInfo
	label     string
	signer    crypto.Signer
}

// bench is a token with its keys, and the ways to it.
type bench struct {
	*options

	env       map[string]string
	slot      pkcs11.SlotID
	processes []*worker.Process
	token     *hsm.Token
	keys      []*signingKey
}

// plain is a Wrapper that does not wrap: references are not measured.
type plain struct{}

func (plain) Wrap(_ key.RealmID, plaintext, _ []byte) ([]byte, error) { return plaintext, nil }
func (plain) Unwrap(_ key.RealmID, wrapped, _ []byte) ([]byte, error) { return wrapped, nil }

// open makes a token with an RSA-2048 and a P-256 key in a folder.
func open(ctx context.Context, o *options, dir string) (*bench, error) {
	env, err := pkcs11test.Environment(dir)
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, env: env}
	if err := b.makeToken(ctx); err != nil {
		return nil, err
	}
	for range o.workers {
		p, err := b.start(ctx)
		if err != nil {
			b.close()
			return nil, err
		}
		b.processes = append(b.processes, p)
	}
	if err := b.openEngine(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) start(ctx context.Context) (*worker.Process, error) {
	return worker.Start(ctx, worker.Config{Path: b.library, Environment: b.env, Log: slog.New(slog.DiscardHandler)})
}

func (b *bench) makeToken(ctx context.Context) error {
	p, err := b.start(ctx)
	if err != nil {
		return err
	}
	if _, err := pkcs11test.Initialise(ctx, p); err != nil {
		_ = p.Close() // the error is told
		return err
	}
	return p.Close()
}

func (b *bench) close() {
	for _, p := range b.processes {
		_ = p.Close() // a test token
	}
	if b.token != nil {
		_ = b.token.Close()
	}
}

// openEngine makes the keys through the engine, and logs the workers in.
func (b *bench) openEngine(ctx context.Context) error {
	var err error
	b.token, err = hsm.Open(ctx, hsm.Config{
		Name: "bench", Module: b.library, Token: pkcs11test.Label, Environment: b.env, Workers: b.workers,
		PIN: func() ([]byte, error) { return []byte(pkcs11test.PIN), nil }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	e, err := enginehsm.New(b.token, plain{}, enginehsm.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte("bench"))
	// DigestInfo of SHA-256, RFC 8017 section 9.2, note 1.
	info := append([]byte{0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20}, digest[:]...)
	for _, k := range []*signingKey{
		{name: "P-256", algorithm: alg.ECDSASHA256, mechanism: pkcs11.MechECDSA, input: digest[:]},
		{name: "RSA-2048", algorithm: alg.PKCS1SHA256, mechanism: pkcs11.MechRSAPKCS, input: info},
	} {
		spec := alg.P256
		if k.mechanism == pkcs11.MechRSAPKCS {
			spec = alg.RSA2048
		}
		ref := engine.Ref{Realm: key.DefaultRealm, ID: key.ID(strings.ToLower(k.name)), Version: 1}
		m, err := e.Generate(ctx, ref, engine.Kind{Spec: spec, Usage: alg.SignVerify})
		if err != nil {
			return err
		}
		opened, err := e.Open(ctx, ref, spec, m.Wrapped)
		if err != nil {
			return err
		}
		k.label, k.signer = fmt.Sprintf("holdfast/%s/%d", ref.ID, ref.Version), opened.Signer
		b.keys = append(b.keys, k)
	}
	return b.login(ctx)
}

// login logs the workers in: they have seen no token before there was one.
func (b *bench) login(ctx context.Context) error {
	for _, p := range b.processes {
		slot, err := pkcs11test.Slot(ctx, p)
		if err != nil {
			return err
		}
		b.slot = slot
		s, err := pkcs11.Open(ctx, p, slot, false)
		if err != nil {
			return err
		}
		if err := s.Login(ctx, pkcs11.UserNormal, []byte(pkcs11test.PIN)); err != nil {
			return err
		}
	}
	return nil
}

// measure returns the signatures a second of one way.
func (b *bench) measure(ctx context.Context, k *signingKey, way string, callers int) (float64, error) {
	switch way {
	case "direct":
		return b.directly(ctx, k, callers)
	case "worker":
		return b.many(callers, func(i int) (func() error, error) { return b.session(ctx, b.processes[i%len(b.processes)], k) })
	}
	digest := sha256.Sum256([]byte("bench"))
	m := engine.Message{Form: alg.Digest, Bytes: digest[:]}
	return b.many(callers, func(int) (func() error, error) {
		return func() error { _, err := engine.Sign(k.signer, k.algorithm, m); return err }, nil
	})
}

// directly runs the C program.
func (b *bench) directly(ctx context.Context, k *signingKey, callers int) (float64, error) {
	args := []string{
		b.library, strconv.FormatUint(uint64(b.slot), 10), pkcs11test.PIN, k.label,
		strconv.FormatUint(uint64(k.mechanism), 10), strconv.Itoa(len(k.input)), strconv.Itoa(callers), fmt.Sprint(b.duration.Seconds()),
	}
	cmd := exec.CommandContext(ctx, b.direct, args...) //nolint:gosec // our own program
	cmd.Env = os.Environ()
	for name, value := range b.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, err
	}
	var signatures, seconds, used float64
	if _, err := fmt.Sscan(string(out), &signatures, &seconds, &used); err != nil {
		return 0, err
	}
	return signatures / seconds, nil
}

// session returns what signs in a session of its own.
func (b *bench) session(ctx context.Context, p *worker.Process, k *signingKey) (func() error, error) {
	s, err := pkcs11.Open(ctx, p, b.slot, false)
	if err != nil {
		return nil, err
	}
	found, err := s.Find(ctx, []pkcs11.Attribute{
		pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassPrivateKey), pkcs11.Text(pkcs11.AttrLabel, k.label),
	}, 1)
	if err != nil || len(found) != 1 {
		return nil, fmt.Errorf("finding the key: %d, %w", len(found), err)
	}
	return func() error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		_, err := s.Sign(ctx, pkcs11.Mechanism{Type: k.mechanism}, found[0], k.input)
		return err
	}, nil
}

// many calls what each caller's function returns again and again.
func (b *bench) many(callers int, caller func(i int) (func() error, error)) (float64, error) {
	signs := make([]func() error, callers)
	for i := range signs {
		var err error
		if signs[i], err = caller(i); err != nil {
			return 0, err
		}
	}
	var all sync.WaitGroup
	var total atomic.Int64
	errs := make([]error, callers)
	began := time.Now()
	for i, sign := range signs {
		all.Go(func() {
			n := int64(0)
			for ; time.Since(began) < b.duration && errs[i] == nil; n++ {
				errs[i] = sign()
			}
			total.Add(n)
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return float64(total.Load()) / time.Since(began).Seconds(), nil
}
