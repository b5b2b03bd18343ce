//go:build linux && (amd64 || arm64) && !static

package pkcs11

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/hsm/preset"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/pkcs11test"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/worker"
)

func TestMain(m *testing.M) {
	worker.Main()
	m.Run()
}

// box is a Wrapper with a key per realm, as the seal has.
type box struct{}

func (box) gcm(realm key.RealmID) cipher.AEAD {
	block, err := aes.NewCipher(append([]byte("0123456789abcdef0123"), realm...))
	if err != nil {
		panic(err)
	}
	c, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return c
}

func (b box) Wrap(realm key.RealmID, plaintext, associated []byte) ([]byte, error) {
	return b.gcm(realm).Seal(nil, nil, plaintext, associated), nil
}

func (b box) Unwrap(realm key.RealmID, wrapped, associated []byte) ([]byte, error) {
	return b.gcm(realm).Open(nil, nil, wrapped, associated)
}

// place is a SoftHSM 2 token in a folder of its own.
type place struct {
	*hsm.Token
	env   map[string]string
	label string
}

// newPlace makes a token, with a module in a process of its own.
func newPlace(tb testing.TB, preset preset.Preset) *place {
	tb.Helper()
	return makePlace(tb, pkcs11test.Label, preset)
}

// newPlaceLabelled makes a token with a label.
func newPlaceLabelled(tb testing.TB, label string) *place {
	tb.Helper()
	return makePlace(tb, label, preset.Preset{})
}

func makePlace(tb testing.TB, label string, preset preset.Preset) *place {
	tb.Helper()
	env, err := pkcs11test.Environment(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	launch := func(ctx context.Context, path string, env map[string]string) (pkcs11.Module, error) {
		return worker.Start(ctx, worker.Config{Path: path, Environment: env, Log: slog.New(slog.DiscardHandler)})
	}
	m, err := launch(tb.Context(), pkcs11test.Library(tb), env)
	if err != nil {
		tb.Fatal(err)
	}
	slot, err := pkcs11test.Initialise(tb.Context(), m)
	if err != nil {
		tb.Fatal(err)
	}
	if label != pkcs11test.Label {
		if _, err := m.Call(tb.Context(), &pkcs11.Call{
			Function: pkcs11.FnInitToken, Slot: slot, Data: []byte(label), Extra: []byte(pkcs11test.SOPIN),
		}); err != nil {
			tb.Fatal(err)
		}
		s, err := pkcs11.Open(tb.Context(), m, slot, true)
		if err != nil {
			tb.Fatal(err)
		}
		if err := s.Login(tb.Context(), pkcs11.UserSecurityOfficer, []byte(pkcs11test.SOPIN)); err != nil {
			tb.Fatal(err)
		}
		if err := s.InitPIN(tb.Context(), []byte(pkcs11test.PIN)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		tb.Fatal(err)
	}
	token, err := hsm.Open(tb.Context(), hsm.Config{
		Name: "soft", Module: pkcs11test.Library(tb), Token: label, Environment: env, Preset: preset,
		PIN: func() ([]byte, error) { return []byte(pkcs11test.PIN), nil }, Timeout: 30 * time.Second, Launch: launch,
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = token.Close() })
	return &place{token, env, label}
}

func newEngine(tb testing.TB, p hsm.Place) *Engine {
	tb.Helper()
	e, err := New(p, box{}, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// tool runs pkcs11-tool on the token, as an operator does.
func (p *place) tool(tb testing.TB, args ...string) string {
	tb.Helper()
	path, err := exec.LookPath("pkcs11-tool")
	if err != nil {
		tb.Fatal("this test needs pkcs11-tool (package opensc; scripts/install-test-tools installs it)")
	}
	cmd := exec.CommandContext(tb.Context(), path, append([]string{
		"--module", pkcs11test.Library(tb), "--token-label", p.label, "--login", "--pin", pkcs11test.PIN,
	}, args...)...)
	cmd.Env = os.Environ()
	for name, value := range p.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		tb.Fatalf("pkcs11-tool %v: %v: %s", args, err, out)
	}
	return string(out)
}

// objects returns the labels of the token's objects, sorted.
func (p *place) objects(tb testing.TB) []string {
	tb.Helper()
	found, err := p.Find(tb.Context(), hsm.Query{})
	if err != nil {
		tb.Fatal(err)
	}
	labels := []string{}
	for _, f := range found {
		labels = append(labels, f.Label)
	}
	slices.Sort(labels)
	return labels
}
