package softkey

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

func maker(t *testing.T) *Maker {
	t.Helper()
	m, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// TestPairs makes a pair of each kind, takes its material out and in again, and
// signs with both.
func TestPairs(t *testing.T) {
	m := maker(t)
	for spec, a := range map[alg.Spec]alg.Algorithm{
		alg.RSA2048: alg.PKCS1SHA256, alg.P256: alg.ECDSASHA256, alg.P384: alg.ECDSASHA384, alg.P521: alg.ECDSASHA512, alg.Ed25519: alg.Ed25519Pure,
	} {
		p, err := m.Generate(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		der, err := p.Material(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		again, err := m.Import(t.Context(), spec, der)
		if err != nil || !bytes.Equal(again.Public(), p.Public()) || again.Spec() != spec {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		public, err := engine.ParsePublic(spec, p.Public())
		if err != nil {
			t.Fatal(err)
		}
		message, form := []byte("message"), alg.Raw
		if h := a.Info().Hash; h != 0 {
			message, form = make([]byte, h.Size()), alg.Digest
		}
		for _, k := range []*Pair{p, again} {
			signature, err := k.Sign(t.Context(), a, message)
			if err != nil {
				t.Fatal(err)
			}
			if err := public.Verify(a, engine.Message{Form: form, Bytes: message}, signature); err != nil {
				t.Errorf("%s: %v", spec, err)
			}
		}
		if shown := fmt.Sprintf("%v %+v %#v", p, p, p); strings.Contains(shown, "wrapped") {
			t.Errorf("a key shows itself: %s", shown)
		}
	}
}

func TestWrongUse(t *testing.T) {
	m := maker(t)
	p, err := m.Generate(t.Context(), alg.P256)
	if err != nil {
		t.Fatal(err)
	}
	s := NewSecret([]byte("0123456789abcdef"))
	for name, use := range map[string]func() ([]byte, error){
		"a pair's MAC":           func() ([]byte, error) { return p.MAC(t.Context(), alg.HMACSHA256, nil) },
		"a pair that encrypts":   func() ([]byte, error) { return p.Encrypt(t.Context(), alg.AESCBC, engine.CipherParameters{}, nil) },
		"a curve that decrypts":  func() ([]byte, error) { return p.Decrypt(t.Context(), alg.RSARaw, engine.CipherParameters{}, nil) },
		"a secret that signs":    func() ([]byte, error) { return s.Sign(t.Context(), alg.ECDSASHA256, nil) },
		"a secret that agrees":   func() ([]byte, error) { return s.Derive(t.Context(), nil) },
		"another curve's peer":   func() ([]byte, error) { return p.Derive(t.Context(), []byte("none")) },
		"another key's material": func() ([]byte, error) { _, err := m.Import(t.Context(), alg.P384, []byte("none")); return nil, err },
	} {
		if _, err := use(); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWipe(t *testing.T) {
	s := NewSecret([]byte("0123456789abcdef"))
	if _, err := s.MAC(t.Context(), alg.HMACSHA256, nil); err != nil {
		t.Fatal(err)
	}
	value := s.value
	s.Wipe()
	if !bytes.Equal(value, make([]byte, 16)) {
		t.Errorf("%q is left", value)
	}
	_, mac := s.MAC(t.Context(), alg.HMACSHA256, nil)
	_, cbc := s.Encrypt(t.Context(), alg.AESCBC, engine.CipherParameters{IV: make([]byte, 16)}, nil)
	_, out := s.Material(t.Context())
	for _, err := range []error{mac, cbc, out} {
		if fault.KindOf(err) != fault.NotFound {
			t.Errorf("a key that is gone: %v", err)
		}
	}
}
