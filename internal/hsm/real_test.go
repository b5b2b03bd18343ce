//go:build linux && (amd64 || arm64) && !static

package hsm

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/native"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/pkcs11test"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/worker"
)

func TestMain(m *testing.M) {
	worker.Main()
	m.Run()
}

// soft is a folder of SoftHSM 2 tokens with one token in it, and the processes
// that were started for it. When the test ends, all of them have ended.
type soft struct {
	dir string
	env map[string]string

	mu      sync.Mutex
	workers []*worker.Process
}

func newSoft(tb testing.TB) *soft {
	tb.Helper()
	s := &soft{dir: tb.TempDir()}
	var err error
	if s.env, err = pkcs11test.Environment(s.dir); err != nil {
		tb.Fatal(err)
	}
	p, err := worker.Start(tb.Context(), worker.Config{Path: pkcs11test.Library(tb), Environment: s.env})
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := pkcs11test.Initialise(tb.Context(), p); err != nil {
		tb.Fatal(err)
	}
	if err := p.Close(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		for _, p := range s.workers {
			select {
			case <-p.Done():
			default:
				tb.Error("a process is left")
			}
		}
	})
	return s
}

func (s *soft) launch(ctx context.Context, path string, env map[string]string) (pkcs11.Module, error) {
	p, err := worker.Start(ctx, worker.Config{Path: path, Environment: env, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workers = append(s.workers, p)
	return p, nil
}

// worker returns the process that was started last.
func (s *soft) worker() *worker.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.workers[len(s.workers)-1]
}

// open opens the token until the test ends.
func (s *soft) open(tb testing.TB, change func(*Config)) *Token {
	tb.Helper()
	c := Config{
		Name: "soft", Module: pkcs11test.Library(tb), Token: pkcs11test.Label, Environment: s.env,
		PIN:     func() ([]byte, error) { return []byte(pkcs11test.PIN), nil },
		Timeout: 5 * time.Second, Launch: s.launch,
	}
	if change != nil {
		change(&c)
	}
	tok, err := Open(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := tok.Close(); err != nil {
			tb.Error(err)
		}
	})
	return tok
}

// makeKey makes a P-256 key and returns where its private half is.
func makeKey(tb testing.TB, p Place, label string) Address {
	tb.Helper()
	err := p.Do(tb.Context(), func(ctx context.Context, s *pkcs11.Session) error {
		_, _, err := s.GenerateKeyPair(ctx, pkcs11.Mechanism{Type: pkcs11.MechECKeyPairGen},
			[]pkcs11.Attribute{
				pkcs11.Bytes(pkcs11.AttrECParams, []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}),
				pkcs11.Bool(pkcs11.AttrToken, true), pkcs11.Text(pkcs11.AttrLabel, label), pkcs11.Bytes(pkcs11.AttrID, []byte{1, 2}),
			},
			[]pkcs11.Attribute{
				pkcs11.Bool(pkcs11.AttrToken, true), pkcs11.Bool(pkcs11.AttrPrivate, true), pkcs11.Bool(pkcs11.AttrSign, true),
				pkcs11.Bool(pkcs11.AttrSensitive, true), pkcs11.Bool(pkcs11.AttrExtractable, false),
				pkcs11.Text(pkcs11.AttrLabel, label), pkcs11.Bytes(pkcs11.AttrID, []byte{1, 2}),
			})
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return Address{ID: []byte{1, 2}, Label: label, Class: pkcs11.ClassPrivateKey}
}

var ecdsa = pkcs11.Mechanism{Type: pkcs11.MechECDSA}

// BenchmarkSign compares a signature through a Token with one through a session
// of the same worker, and of the library in this process.
func BenchmarkSign(b *testing.B) {
	s := newSoft(b)
	tok := s.open(b, nil)
	at := makeKey(b, tok, "k")
	digest := make([]byte, 32)
	for _, callers := range []int{1, 8} {
		b.Run(fmt.Sprintf("token/%d", callers), func(b *testing.B) {
			share(b, callers, func() func() error {
				return func() error { _, err := tok.Sign(b.Context(), at, ecdsa, digest); return err }
			})
		})
		b.Run(fmt.Sprintf("worker/%d", callers), func(b *testing.B) { direct(b, s.worker(), callers) })
	}
	if os.Getenv("SOFTHSM2_CONF") == "" {
		b.Setenv("SOFTHSM2_CONF", s.env["SOFTHSM2_CONF"])
	}
	m, err := native.Open(pkcs11test.Library(b))
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // the process ends
	for _, callers := range []int{1, 8} {
		b.Run(fmt.Sprintf("process/%d", callers), func(b *testing.B) { direct(b, m, callers) })
	}
}

// direct signs with sessions of a module.
func direct(b *testing.B, m pkcs11.Module, callers int) {
	slots, err := m.Call(b.Context(), &pkcs11.Call{Function: pkcs11.FnSlots, Flag: true})
	if err != nil {
		b.Fatal(err)
	}
	digest := make([]byte, 32)
	share(b, callers, func() func() error {
		s := pkcs11test.Session(b, m, pkcs11.SlotID(slots.Handles[0]))
		found, err := s.Find(b.Context(), Address{Label: "k", Class: pkcs11.ClassPrivateKey}.template(), 1)
		if err != nil || len(found) != 1 {
			b.Fatal(found, err)
		}
		return func() error { _, err := s.Sign(b.Context(), ecdsa, found[0], digest); return err }
	})
}

// share has callers make b.N calls together.
func share(b *testing.B, callers int, begin func() func() error) {
	var all []func() error
	for range callers {
		all = append(all, begin())
	}
	b.ReportAllocs()
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var group sync.WaitGroup
	for _, call := range all {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				if err := call(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}
