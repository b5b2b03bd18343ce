package enginetest

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"slices"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/transfer"
)

func (c Config) unwraps(spec alg.Spec) bool { return c.has(spec) && !slices.Contains(c.NoUnwrap, spec) }

func (c Config) wrapExports(spec alg.Spec) bool {
	return c.has(spec) && !slices.Contains(c.NoWrapExport, spec)
}

// wrappings returns those that the engine should have for keys of the spec:
// only two steps have room for asymmetric ones.
func (c Config) wrappings(spec alg.Spec) []alg.Wrapping {
	return slices.DeleteFunc(alg.Wrappings(), func(w alg.Wrapping) bool {
		return slices.Contains(c.NoWrapping, w) || !spec.Symmetric() && !transfer.TwoSteps(w)
	})
}

// testWrapped asserts which keys an engine takes and gives encrypted under RSA
// keys.
func testWrapped(t *testing.T, c Config) {
	e := c.New(t)
	kek := kekSpec(c)
	if kek == alg.NoSpec {
		return
	}
	kind := engine.Kind{Spec: kek, Usage: alg.KeyTransfer}
	ref := NewRef("33333333-3333-4333-8333-333333333333")
	m, k := generate(t, e, ref, kind)
	defer destroy(t, e, ref, m)
	if k.Unwrapper == nil {
		for _, spec := range alg.Specs() {
			if c.unwraps(spec) {
				t.Errorf("the engine does not unwrap %s", spec)
			}
		}
	} else {
		w := &wrapTest{c, e, k.Unwrapper, public(t, kek, m)}
		for _, spec := range alg.Specs() {
			t.Run("Unwrap/"+spec.String(), func(t *testing.T) { w.testUnwrap(t, spec) })
		}
		t.Run("OneError", w.testOneError)
		t.Run("Unsound", w.testUnsound)
	}
	if out, ok := e.(engine.WrapExporter); ok {
		for _, spec := range alg.Specs() {
			t.Run("Export/"+spec.String(), func(t *testing.T) { testWrapExport(t, c, e, out, spec) })
		}
	} else if slices.ContainsFunc(alg.Specs(), c.wrapExports) {
		t.Error("the engine is no WrapExporter")
	}
}

// kekSpec returns the smallest spec that takes keys, or NoSpec.
func kekSpec(c Config) alg.Spec {
	for _, spec := range alg.Specs() {
		if c.uses(spec, alg.KeyTransfer) {
			return spec
		}
	}
	return alg.NoSpec
}

type wrapTest struct {
	c     Config
	e     engine.Engine
	kek   engine.Unwrapper
	under *engine.PublicKey
}

// wrap encrypts a plain key under the key exchange key.
func (w *wrapTest) wrap(t *testing.T, how alg.Wrapping, plain []byte) []byte {
	t.Helper()
	k, ok := w.under.Key().(*rsa.PublicKey)
	if !ok {
		t.Fatal("not an RSA key")
	}
	wrapped, err := transfer.Wrap(nil, k, how, plain)
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

// testUnwrap takes a key by every wrapping that there is for it.
func (w *wrapTest) testUnwrap(t *testing.T, spec alg.Spec) {
	ref := NewRef("44444444-4444-4444-8444-444444444444")
	kind := KindOf(spec)
	plain := NewPlain(t, spec)
	if !w.c.unwraps(spec) {
		_, err := w.kek.Unwrap(t.Context(), ref, kind, alg.WrapAESKeyWrapSHA1, w.wrap(t, alg.WrapAESKeyWrapSHA1, plain))
		wantKind(t, err, fault.Unsupported, "Unwrap of "+spec.String())
		return
	}
	for _, how := range w.c.wrappings(spec) {
		m, err := w.kek.Unwrap(t.Context(), ref, kind, how, w.wrap(t, how, plain))
		if err != nil {
			t.Errorf("%s: %v", how, err)
			continue
		}
		if !bytes.Equal(m.Public, publicOf(t, spec, plain)) {
			t.Errorf("%s: the public half is another one", how)
		}
		k, err := w.e.Open(t.Context(), ref, spec, m.Wrapped)
		if err != nil {
			t.Fatalf("%s: Open: %v", how, err)
		}
		testSameKey(t, w.c, kind, m, k, k)
		destroy(t, w.e, ref, m)
	}
	for _, how := range append(slices.Clone(w.c.NoWrapping), alg.NoWrapping) {
		_, err := w.kek.Unwrap(t.Context(), ref, kind, how, make([]byte, 256))
		if k := fault.KindOf(err); k != fault.Unsupported && k != fault.InvalidArgument {
			t.Errorf("Unwrap by %q: %v", how, err)
		}
	}
}

// testOneError: whatever of an encryption is wrong, the error is the same.
func (w *wrapTest) testOneError(t *testing.T) {
	ref, kind := NewRef("44444444-4444-4444-8444-444444444444"), KindOf(alg.AES256)
	if !w.c.unwraps(alg.AES256) {
		return
	}
	other := otherRSA(t, w.under.Spec().Info().Bits)
	for _, how := range w.c.wrappings(alg.AES256) {
		plain := NewPlain(t, alg.AES256)
		good := w.wrap(t, how, plain)
		foreign, err := transfer.Wrap(nil, &other.PublicKey, how, plain)
		if err != nil {
			t.Fatal(err)
		}
		flip := func(at int) []byte {
			bad := bytes.Clone(good)
			bad[at] ^= 1
			return bad
		}
		for name, bad := range map[string][]byte{
			"nothing": nil, "a byte": {1}, "under another key": foreign, "the first bit": flip(0), "the middle": flip(len(good) / 2),
			"the last bit": flip(len(good) - 1), "a byte less": good[:len(good)-1], "a byte more": append(bytes.Clone(good), 0),
			"zeros": make([]byte, len(good)), "ones": bytes.Repeat([]byte{0xff}, len(good)),
		} {
			m, err := w.kek.Unwrap(t.Context(), ref, kind, how, bad)
			f, ok := errors.AsType[*fault.Error](err)
			if want := (&fault.Error{Kind: fault.BadCiphertext, Public: transfer.Refused().Error()}); !ok || m.Wrapped != nil ||
				f.Kind != want.Kind || f.Error() != want.Public {
				t.Errorf("%s, %s: %v, want the one error of every bad encryption", how, name, err)
			}
		}
	}
}

// testUnsound: a key that is well encrypted and no sound key of its spec is
// refused, a weak one as such.
func (w *wrapTest) testUnsound(t *testing.T) {
	rsaKey, err := x509.MarshalPKCS8PrivateKey(otherRSA(t, 2048))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		spec  alg.Spec
		plain []byte
		weak  bool
	}{
		{"one byte repeated", alg.AES256, bytes.Repeat([]byte{7}, 32), true},
		{"zeros", alg.HMAC256, make([]byte, 32), true},
		{"an AES key of 16 bytes", alg.AES256, NewPlain(t, alg.AES256)[:16], false},
		{"a secret as a private key", alg.P256, NewPlain(t, alg.AES256), false},
		{"an RSA key as an EC key", alg.P384, rsaKey, false},
		{"another curve", alg.P256, NewPlain(t, alg.P384), false},
		{"a smaller modulus", alg.RSA3072, rsaKey, false},
		{"an exponent of 3", alg.RSA2048, exponent3(t), true},
	} {
		hows := w.c.wrappings(alg.RSA2048)
		if !w.c.unwraps(tt.spec) || len(hows) == 0 {
			continue
		}
		m, err := w.kek.Unwrap(t.Context(), NewRef("k"), KindOf(tt.spec), hows[0], w.wrap(t, hows[0], tt.plain))
		wantKind(t, err, fault.InvalidArgument, tt.name+" as "+tt.spec.String())
		if m.Wrapped != nil || (fault.ReasonOf(err) == fault.WeakKey) != tt.weak {
			t.Errorf("%s as %s: %v, weak should be %t", tt.name, tt.spec, err, tt.weak)
		}
	}
}

// testWrapExport gives a key away under a key of ours, and reads it.
func testWrapExport(t *testing.T, c Config, e engine.Engine, out engine.WrapExporter, spec alg.Spec) {
	mine := otherRSA(t, 2048)
	spki, err := x509.MarshalPKIXPublicKey(&mine.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	under, err := engine.ParsePublic(alg.RSA2048, spki)
	if err != nil {
		t.Fatal(err)
	}
	if !c.wrapExports(spec) {
		_, err := out.ExportWrapped(t.Context(), NewRef("k"), spec, nil, under, alg.WrapAESKeyWrapSHA1)
		wantKind(t, err, fault.Unsupported, "ExportWrapped of "+spec.String())
		return
	}
	ref, kind := NewRef("55555555-5555-4555-8555-555555555555"), KindOf(spec)
	kind.Exportable = true
	m, _ := generate(t, e, ref, kind)
	for _, how := range c.wrappings(spec) {
		wrapped, err := out.ExportWrapped(t.Context(), ref, spec, m.Wrapped, under, how)
		if err != nil {
			t.Errorf("%s: %v", how, err)
			continue
		}
		plain, err := transfer.Unwrap(transfer.GoKey(mine), how, spec.Info().Bits/8, wrapped)
		if err != nil {
			t.Errorf("%s: %v", how, err)
			continue
		}
		if c.Pads {
			plain = engine.CutPadding(spec, plain)
		}
		if p, err := engine.ParsePlain(spec, plain); err != nil || !spec.Symmetric() && !bytes.Equal(m.Public, publicOf(t, spec, plain)) || p == nil {
			t.Errorf("%s: what was given away is another key (%v)", how, err)
		}
	}
	destroy(t, e, ref, m)
	if c.Restricts {
		kind.Exportable = false
		m, _ := generate(t, e, ref, kind)
		_, err := out.ExportWrapped(t.Context(), ref, spec, m.Wrapped, under, c.wrappings(spec)[0])
		wantKind(t, err, fault.WrongState, "ExportWrapped of a key that is not exportable")
		destroy(t, e, ref, m)
	}
}
