package soft

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// TestAssociated pins what binds material to its place: a change would make
// every stored key unreadable.
func TestAssociated(t *testing.T) {
	ref := engine.Ref{Realm: "123456789012", ID: "11111111-1111-4111-8111-111111111111", Version: 258}
	want := "holdfast/soft/material" + "\x01" +
		"\x00\x0c123456789012" + "\x00\x2411111111-1111-4111-8111-111111111111" + "\x00\x08rsa-2048" + "\x00\x00\x01\x02"
	if got := string(ref.Bind(materialLabel, materialVersion, alg.RSA2048)); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// seen is a Wrapper that remembers what it was given, and fails when told.
type seen struct {
	box
	plaintexts [][]byte
	err        error
}

func (s *seen) Wrap(realm key.RealmID, plaintext, associated []byte) ([]byte, error) {
	s.plaintexts = append(s.plaintexts, plaintext)
	if s.err != nil {
		return nil, s.err
	}
	s.plaintexts = append(s.plaintexts, bytes.Clone(plaintext))
	return s.box.Wrap(realm, plaintext, associated)
}

func (s *seen) Unwrap(realm key.RealmID, wrapped, associated []byte) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	plaintext, err := s.box.Unwrap(realm, wrapped, associated)
	s.plaintexts = append(s.plaintexts, plaintext)
	return plaintext, err
}

// secretSizes are the lengths in bytes of the encodings that have one.
var secretSizes = map[alg.Spec]int{
	alg.AES256: 32, alg.HMAC224: 28, alg.HMAC256: 32, alg.HMAC384: 48, alg.HMAC512: 64,
	alg.Secp256k1: 32, alg.MLDSA44: 32, alg.MLDSA65: 32, alg.MLDSA87: 32,
}

// TestSecretsAreOverwritten looks at the buffers that held a secret.
func TestSecretsAreOverwritten(t *testing.T) {
	for _, spec := range alg.Specs() {
		w := &seen{}
		e, err := New(w, Options{PureGo: true, Log: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		ref := enginetest.NewRef("k")
		m, err := e.wrap(ref, spec, newSecret(t, e, spec))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Open(t.Context(), ref, spec, m.Wrapped); err != nil {
			t.Fatal(err)
		}
		wrapped, secret, unwrapped := w.plaintexts[0], w.plaintexts[1], w.plaintexts[2]
		if size, ok := secretSizes[spec]; ok && len(secret) != size {
			t.Errorf("%s: a secret of %d bytes, want %d", spec, len(secret), size)
		}
		if len(secret) == 0 || bytes.Count(wrapped, []byte{0}) != len(secret) || bytes.Count(unwrapped, []byte{0}) != len(secret) {
			t.Errorf("%s: a buffer still holds the secret", spec)
		}
		_ = e.Close()
	}
}

// TestErrors asserts the kinds of what can go wrong with the wrapper and the
// format, and that the log learns which key it was.
func TestErrors(t *testing.T) {
	ref := enginetest.NewRef("11111111-1111-4111-8111-111111111111")
	w := &seen{}
	e, err := New(w, Options{PureGo: true, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	m, err := e.Generate(t.Context(), ref, enginetest.KindOf(alg.P256))
	if err != nil {
		t.Fatal(err)
	}
	open := func(wrapped []byte) error {
		_, err := e.Open(t.Context(), ref, alg.P256, wrapped)
		return err
	}
	other, err := e.wrap(ref, alg.P256, &secret{encoded: []byte("not PKCS #8")})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		seal error
		do   func() error
		kind fault.Kind
	}{
		{"another format", nil, func() error { return open(append([]byte{2}, m.Wrapped[1:]...)) }, fault.Internal},
		{"not a key", nil, func() error { return open(other.Wrapped) }, fault.Internal},
		{"sealed", fault.New(fault.Unavailable, "sealed"), func() error { return open(m.Wrapped) }, fault.Unavailable},
		{"broken seal", fault.New(fault.PermissionDenied, "no"), func() error { return open(m.Wrapped) }, fault.Internal},
		{
			"sealed while making", fault.New(fault.Unavailable, "sealed"),
			func() error { _, err := e.Generate(t.Context(), ref, enginetest.KindOf(alg.P256)); return err },
			fault.Unavailable,
		},
	} {
		w.err = tt.seal
		if err := tt.do(); fault.KindOf(err) != tt.kind || err == nil || !strings.Contains(err.Error(), ref.String()) {
			t.Errorf("%s: %v, want one of kind %q that names %s", tt.name, err, tt.kind, ref)
		}
	}
}

// TestOpenRefuses gives each family material that is another's.
func TestOpenRefuses(t *testing.T) {
	e := newEngine(t, Options{PureGo: true})
	p384, err := e.generate(t.Context(), alg.P384)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		spec    alg.Spec
		encoded []byte
	}{
		{alg.AES256, make([]byte, 31)},
		{alg.HMAC224, make([]byte, 32)},
		{alg.RSA3072, selfTestKey},
		{alg.P256, p384.encoded},
		{alg.P256, selfTestKey},
		{alg.Ed25519, p384.encoded},
		{alg.Secp256k1, make([]byte, 32)},                    // zero
		{alg.Secp256k1, bytes.Repeat([]byte{0xff}, 32)},      // above the order
		{alg.Secp256k1, bytes.Repeat([]byte{1}, 31)},         // short
		{alg.MLDSA44, make([]byte, 33)},                      // long
		{alg.NoSpec, make([]byte, 32)},                       // no such type
		{alg.P256, append(slices.Clone(p384.encoded), 0x00)}, // trailing data
	} {
		if _, err := e.open(tt.spec, tt.encoded); err == nil {
			t.Errorf("%q opens %d bytes of something else", tt.spec, len(tt.encoded))
		}
	}
}

// TestNothingShowsSecrets prints opened keys and new secrets in every way
// there is, and looks for the secret's bytes.
func TestNothingShowsSecrets(t *testing.T) {
	e := newEngine(t, Options{})
	for _, spec := range alg.Specs() {
		made := newSecret(t, e, spec)
		k, err := e.open(spec, made.encoded)
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]any{"secret": made, "key": k, "engine": e, "nested": struct{ inner any }{k}}
		for name, v := range map[string]any{"signer": k.Signer, "decrypter": k.Decrypter, "aead": k.AEAD, "mac": k.MAC, "unwrapper": k.Unwrapper} {
			if v != nil {
				values[name], values["slice of "+name] = v, []any{v}
			}
		}
		for name, v := range values {
			for way, text := range prints(t, v) {
				if leak := shows(text, made.encoded); leak != "" {
					t.Errorf("%s: %s of the %s shows %q of the secret", spec, way, name, leak)
				}
			}
		}
		for _, v := range []any{made, k.Signer, k.Decrypter, k.AEAD, k.MAC, k.Unwrapper} {
			if text := fmt.Sprintf("%+v", v); v != nil && text != "[redacted]" && text != "<nil>" {
				t.Errorf("%s: %%+v prints %q", spec, text)
			}
		}
	}
}

// newSecret returns the secret of a key of the spec, a fixed one for RSA.
func newSecret(t *testing.T, e *Engine, spec alg.Spec) *secret {
	t.Helper()
	if spec.Info().Family == alg.RSA {
		return &secret{encoded: fixedRSA(t, spec)}
	}
	s, err := e.generate(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// prints returns v printed and encoded in every way that a log might.
func prints(t *testing.T, v any) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%T"} {
		out[verb] = fmt.Sprintf(verb, v)
	}
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"slog text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"slog JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		slog.New(handler(&b)).InfoContext(t.Context(), "m", slog.Any("v", v))
		out[name] = b.String()
	}
	encoded, _ := json.Marshal(v) // an error shows nothing
	out["JSON"] = string(encoded)
	return out
}

// shows returns the form of eight secret bytes in a row that text contains,
// or "". The bytes of a PKCS #8 header are no secret, so it looks at the last
// bytes of the private key's middle.
func shows(text string, encoded []byte) string {
	at := len(encoded) / 2
	part := encoded[at : at+8]
	decimal := strings.Trim(fmt.Sprintf("%d", part), "[]")
	for _, form := range []string{
		string(part), hex.EncodeToString(part), strings.ToUpper(hex.EncodeToString(part)), decimal,
		strings.ReplaceAll(decimal, " ", ", "), strings.ReplaceAll(decimal, " ", ","), strings.Trim(fmt.Sprintf("%#v", part), "[]byte{}"),
	} {
		if strings.Contains(text, form) {
			return form
		}
	}
	return ""
}
