package enginetest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"slices"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

func (c Config) imports(spec alg.Spec) bool { return c.has(spec) && !slices.Contains(c.NoImport, spec) }

func (c Config) exports(spec alg.Spec) bool { return c.has(spec) && !slices.Contains(c.NoExport, spec) }

// testTransfer asserts which specs an engine takes and gives, and that what it
// gives away it takes back as the same key.
func testTransfer(t *testing.T, c Config) {
	e := c.New(t)
	in, takes := e.(engine.Importer)
	out, gives := e.(engine.Exporter)
	for _, spec := range alg.Specs() {
		if got, want := takes && in.Imports(spec), c.imports(spec); got != want {
			t.Errorf("Imports(%s) = %t, want %t", spec, got, want)
		}
		if got, want := gives && out.Exports(spec), c.exports(spec); got != want {
			t.Errorf("Exports(%s) = %t, want %t", spec, got, want)
		}
		if c.imports(spec) && takes {
			t.Run(spec.String(), func(t *testing.T) { testImport(t, c, e, in, spec) })
		}
		if c.exports(spec) && c.imports(spec) && takes && gives {
			t.Run(spec.String()+"/out", func(t *testing.T) { testRoundTrip(t, e, in, out, spec) })
		}
	}
	if takes {
		t.Run("Refused", func(t *testing.T) { testRefusedImports(t, c, in) })
	}
	if gives {
		_, err := out.Export(t.Context(), NewRef("k"), alg.NoSpec, nil)
		wantKind(t, err, fault.Unsupported, "Export of no spec")
	}
}

// testImport imports a key from elsewhere twice: what one does, the other
// undoes.
func testImport(t *testing.T, c Config, e engine.Engine, in engine.Importer, spec alg.Spec) {
	plain := NewPlain(t, spec)
	given, public := bytes.Clone(plain), publicOf(t, spec, plain)
	for _, usage := range spec.Info().Usages {
		if !c.uses(spec, usage) {
			continue
		}
		last := testImportFor(t, c, e, in, engine.Kind{Spec: spec, Usage: usage}, plain)
		if !bytes.Equal(last.Public, public) {
			t.Error("the public half of the imported key is another one")
		}
	}
	if !bytes.Equal(plain, given) {
		t.Error("Import changed its argument")
	}
}

// testImportFor imports a key twice for one usage and returns the last. They are
// gone after it: in a place with names the next usage wants the same ones.
func testImportFor(t *testing.T, c Config, e engine.Engine, in engine.Importer, kind engine.Kind, plain []byte) engine.Material {
	refs := []engine.Ref{refOf(kind, 1), refOf(kind, 2)}
	var keys []*engine.Key
	var last engine.Material
	for _, ref := range refs {
		m, err := in.Import(t.Context(), ref, kind, plain)
		if err != nil {
			t.Fatalf("Import for %s: %v", kind.Usage, err)
		}
		defer destroy(t, e, ref, m)
		last = m
		k, err := e.Open(t.Context(), ref, kind.Spec, m.Wrapped)
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		keys = append(keys, k)
	}
	if bytes.Contains(last.Wrapped, plain) {
		t.Error("Import keeps its argument as it is")
	}
	testSameKey(t, c, kind, last, keys[0], keys[1])
	return last
}

// testRoundTrip exports a key and imports it under another name.
func testRoundTrip(t *testing.T, e engine.Engine, in engine.Importer, out engine.Exporter, spec alg.Spec) {
	from, to := NewRef("11111111-1111-4111-8111-111111111111"), NewRef("22222222-2222-4222-8222-222222222222")
	m, k := Generate(t, e, from, spec)
	plain, err := out.Export(t.Context(), from, spec, m.Wrapped)
	if err != nil {
		t.Fatalf("Export: %v", err)
	}
	if bytes.Contains(m.Wrapped, plain) {
		t.Error("the wrapped material has the plain one in it")
	}
	_, err = out.Export(t.Context(), to, spec, m.Wrapped)
	wantKind(t, err, fault.Internal, "Export under another name")

	given := bytes.Clone(plain)
	again, err := in.Import(t.Context(), to, KindOf(spec), plain)
	if err != nil {
		t.Fatalf("Import: %v", err)
	}
	if !bytes.Equal(plain, given) {
		t.Error("Import changed its argument")
	}
	clear(plain) // the engine must have kept no reference to it
	if !bytes.Equal(again.Public, m.Public) {
		t.Error("the public half of the imported key is another one")
	}
	opened, err := e.Open(t.Context(), to, spec, again.Wrapped)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	testSameKey(t, Config{}, KindOf(spec), m, k, opened)
	twice, err := out.Export(t.Context(), to, spec, again.Wrapped)
	if err != nil || !bytes.Equal(twice, given) {
		t.Errorf("what was imported is exported as something else (%v)", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = in.Import(gone, to, KindOf(spec), given)
	wantKind(t, err, fault.Unavailable, "Import after the caller went away")
	_, err = out.Export(gone, from, spec, m.Wrapped)
	wantKind(t, err, fault.Unavailable, "Export after the caller went away")
}

// testSameKey asserts that what one key did the other undoes.
func testSameKey(t *testing.T, c Config, kind engine.Kind, m engine.Material, one, other *engine.Key) {
	t.Helper()
	for _, a := range kind.Spec.AllFor(kind.Usage) {
		if !c.does(kind.Spec, a) {
			continue
		}
		for _, k := range []*engine.Key{one, other} {
			if err := roundTrip(kind.Spec, a, m, k, 3); err != nil {
				t.Errorf("%s: %v", a, err)
			}
		}
	}
	switch {
	case c.Bound && one.AEAD != nil:
	case kind.Usage == alg.EncryptDecrypt && one.AEAD != nil:
		box, err := one.AEAD.Seal(nil, []byte("message"), []byte("context"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := other.AEAD.Open(nil, box, []byte("context")); err != nil || string(got) != "message" {
			t.Errorf("the imported key opens %q, %v", got, err)
		}
	case kind.Usage == alg.RawEncryptDecrypt && one.Cipher != nil:
		testSameCipher(t, c, kind.Spec, one.Cipher, other.Cipher)
	case kind.Usage == alg.GenerateVerifyMAC:
		a, errA := one.MAC.Sum(nil, []byte("message"))
		b, errB := other.MAC.Sum(nil, []byte("message"))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("the imported key's code is %x, not %x (%v, %v)", b, a, errA, errB)
		}
	}
}

// testRefusedImports asserts that what is no sound key of the spec is refused.
func testRefusedImports(t *testing.T, c Config, in engine.Importer) {
	_, err := in.Import(t.Context(), NewRef("k"), engine.Kind{}, make([]byte, 32))
	wantKind(t, err, fault.Unsupported, "Import of no spec")
	for _, spec := range append(slices.Clone(c.Unsupported), c.NoImport...) {
		_, err := in.Import(t.Context(), NewRef("k"), KindOf(spec), make([]byte, 32))
		wantKind(t, err, fault.Unsupported, "Import of "+spec.String())
	}
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := x509.MarshalPKCS8PrivateKey(small)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range alg.Specs() {
		if !c.imports(spec) {
			continue
		}
		for name, bad := range map[string][]byte{
			"nothing": nil, "one byte": {1}, "zeros": make([]byte, max(32, spec.Info().Bits/8)), "a key of no spec": p224,
			"a byte more than the most": make([]byte, engine.MaxPlain+1),
		} {
			_, err := in.Import(t.Context(), NewRef("k"), KindOf(spec), bad)
			wantKind(t, err, fault.InvalidArgument, name+" as "+spec.String())
		}
	}
}
