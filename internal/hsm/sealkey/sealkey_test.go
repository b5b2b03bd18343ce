package sealkey

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/hsm/preset"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/pkcs11test"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/worker"
)

func TestMain(m *testing.M) {
	worker.Main()
	m.Run()
}

// newToken makes a SoftHSM 2 token in a folder of its own and returns the
// environment that leads to it.
func newToken(t *testing.T) map[string]string {
	t.Helper()
	env, err := pkcs11test.Environment(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m, err := worker.Start(t.Context(), worker.Config{Path: pkcs11test.Library(t), Environment: env, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pkcs11test.Initialise(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return env
}

func open(t *testing.T, env map[string]string, preset preset.Preset) *hsm.Token {
	t.Helper()
	tok, err := hsm.Open(t.Context(), hsm.Config{
		Name: "soft", Module: pkcs11test.Library(t), Token: pkcs11test.Label, Environment: env, Preset: preset,
		PIN: func() ([]byte, error) { return []byte(pkcs11test.PIN), nil }, Timeout: 30 * time.Second, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tok.Close() })
	return tok
}

// TestSealKey: what is wrapped in either way comes back, nothing changed does,
// and the token keeps nothing but the keys.
func TestSealKey(t *testing.T) {
	env := newToken(t)
	tok := open(t, env, preset.Preset{})
	avoid := []pkcs11.MechanismType{pkcs11.MechAESGCM}
	padded := open(t, env, preset.Preset{Avoid: avoid})
	secret := []byte("0123456789abcdef0123456789abcdef")
	for name, tok := range map[string]*hsm.Token{"GCM": tok, "key wrap": padded} {
		t.Run(name, func(t *testing.T) {
			k := New(tok, "root "+name)
			if _, err := k.Unwrap(t.Context(), append([]byte{sealVersion, sealGCM}, make([]byte, 60)...)); fault.KindOf(err) != fault.NotFound {
				t.Errorf("before it is made: %v", err)
			}
			wrapped, err := k.Wrap(t.Context(), secret)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(wrapped, secret) {
				t.Error("it is not encrypted")
			}
			again, err := k.Wrap(t.Context(), secret)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range [][]byte{wrapped, again} {
				got, err := k.Unwrap(t.Context(), w)
				if err != nil || !bytes.Equal(got, secret) {
					t.Errorf("%q, %v", got, err)
				}
			}
			for i := range wrapped {
				changed := bytes.Clone(wrapped)
				changed[i] ^= 1
				if _, err := k.Unwrap(t.Context(), changed); fault.KindOf(err) != fault.BadCiphertext {
					t.Fatalf("byte %d changed: %v", i, err)
				}
			}
			other := New(tok, "other "+name)
			if _, err := other.Wrap(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
			if _, err := other.Unwrap(t.Context(), wrapped); fault.KindOf(err) != fault.BadCiphertext {
				t.Errorf("under another key: %v", err)
			}
			if h := tok.Health(); h.State != hsm.StateOK || h.Failures != 0 {
				t.Errorf("wrong ciphertexts are held against the token: %+v", h)
			}
		})
	}
	class := pkcs11.ClassSecretKey
	found, err := tok.Find(t.Context(), hsm.Query{Class: &class})
	if err != nil || len(found) != 4 {
		t.Fatalf("%d keys, %v: a session's object is left", len(found), err)
	}
	for _, f := range found {
		if !f.Sensitive || f.Extractable {
			t.Errorf("%+v", f)
		}
	}
}
