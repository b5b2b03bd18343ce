// Package enginetest is the contract of engine.Engine as a test. Every engine
// runs Test and declares what it lacks; what it declares must be refused, and
// everything else must work.
package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Config says what to test.
type Config struct {
	// New returns an engine for one test, and cleans up after it.
	New func(t *testing.T) engine.Engine
	// Unsupported are the specs of the table that the engine does not have.
	Unsupported []alg.Spec
	// NoUsage are usages of specs that the engine does not have.
	NoUsage map[alg.Spec][]alg.Usage
	// Without are usages that the engine does not have, whatever the spec.
	Without []alg.Usage
	// NoAlgorithm are algorithms of specs that the engine does not have.
	NoAlgorithm map[alg.Spec][]alg.Algorithm
	// NoFurther says that the engine has none of the further algorithms
	// (alg.SpecInfo), hence no raw AES.
	NoFurther bool
	// Restricts says that the engine keeps a key to the usage that it was made
	// for, and lets only exportable ones leave.
	Restricts bool
	// NoImport and NoExport are the specs, beside Unsupported, whose material
	// the engine does not take (engine.Importer), or not give (engine.Exporter):
	// all of them for an engine that lacks the interface.
	NoImport, NoExport []alg.Spec
	// NoUnwrap and NoWrapExport are the same for engine.Unwrapper and
	// engine.WrapExporter, NoWrapping the wrappings that neither has.
	NoUnwrap, NoWrapExport []alg.Spec
	NoWrapping             []alg.Wrapping
	// Pads says that the engine appends zeros to what it wraps by AES-KWP, to a
	// multiple of 8 bytes.
	Pads bool
	// Varies says that ciphertexts of AES keys differ in length: Overhead is a
	// bound then.
	Varies bool
	// Bound says that a ciphertext of an AES key opens with that key alone, and
	// not with another of the same material.
	Bound bool
	// NoEmpty says that nothing is neither encrypted nor authenticated.
	NoEmpty bool
	// NoRecover says that an engine.Keeper deletes at once.
	NoRecover bool
	// Adopt puts a key of the spec into the engine by other means than the
	// engine's own and returns its name. Nil for an engine that is no
	// engine.Adopter.
	Adopt func(t *testing.T, e engine.Engine, spec alg.Spec) string
}

// has reports whether the engine should have the spec.
func (c Config) has(spec alg.Spec) bool {
	return !slices.Contains(c.Unsupported, spec) && (!c.NoFurther || len(spec.Info().Algorithms) > 0)
}

// uses reports whether the engine should have the spec for the usage.
func (c Config) uses(spec alg.Spec, u alg.Usage) bool {
	return c.has(spec) && spec.Allows(u) && !slices.Contains(c.NoUsage[spec], u) && !slices.Contains(c.Without, u) &&
		(!c.NoFurther || u != alg.RawEncryptDecrypt)
}

// does reports whether the engine should have the algorithm for the spec.
func (c Config) does(spec alg.Spec, a alg.Algorithm) bool {
	return c.uses(spec, a.Info().Usage) && !slices.Contains(c.NoAlgorithm[spec], a) && (!c.NoFurther || spec.Lists(a))
}

// every returns all algorithms of a spec.
func every(spec alg.Spec) []alg.Algorithm {
	return slices.Concat(spec.Info().Algorithms, spec.Info().Further)
}

// Test runs the contract.
func Test(t *testing.T, c Config) {
	t.Run("Table", func(t *testing.T) { testTable(t, c) })
	t.Run("Unsupported", func(t *testing.T) { testUnsupported(t, c) })
	t.Run("Random", func(t *testing.T) { testRandom(t, c) })
	t.Run("Cancelled", func(t *testing.T) { testCancelled(t, c) })
	t.Run("Transfer", func(t *testing.T) { testTransfer(t, c) })
	t.Run("Wrapped", func(t *testing.T) { testWrapped(t, c) })
	t.Run("Adopt", func(t *testing.T) { testAdopt(t, c) })
	t.Run("Keeper", func(t *testing.T) { testKeeper(t, c) })
	t.Run("Maker", func(t *testing.T) { testMaker(t, c) })
	ran := 0
	for _, spec := range alg.Specs() {
		if c.has(spec) {
			ran++
			t.Run(spec.String(), func(t *testing.T) { testSpec(t, c, spec) })
		}
	}
	if ran == 0 {
		t.Error("the engine has no spec at all")
	}
}

// NewRef returns the name of the first version of a key of the default realm.
func NewRef(id key.ID) engine.Ref {
	return engine.Ref{Realm: key.DefaultRealm, ID: id, Version: 1}
}

// refOf returns the name of a version that is only ever made of one kind: as in
// use, where a version is made once, and a place with names of its own gives
// each to one key for ever.
func refOf(kind engine.Kind, n byte) engine.Ref {
	return NewRef(key.ID(fmt.Sprintf("%02x%02x%02x11-1111-4111-8111-111111111111", byte(kind.Spec), byte(kind.Usage), n)))
}

// KindOf returns the kind of a key of a spec that its first usage is for.
func KindOf(spec alg.Spec) engine.Kind {
	usages := append(spec.Info().Usages, alg.NoUsage)
	return engine.Kind{Spec: spec, Usage: usages[0]}
}

// Generate makes a key of the spec's first usage and opens it, or ends the
// test.
func Generate(t *testing.T, e engine.Engine, ref engine.Ref, spec alg.Spec) (engine.Material, *engine.Key) {
	t.Helper()
	return generate(t, e, ref, KindOf(spec))
}

func generate(t *testing.T, e engine.Engine, ref engine.Ref, kind engine.Kind) (engine.Material, *engine.Key) {
	t.Helper()
	m, err := e.Generate(t.Context(), ref, kind)
	if err != nil {
		t.Fatalf("Generate: %v", err)
	}
	k, err := e.Open(t.Context(), ref, kind.Spec, m.Wrapped)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return m, k
}

// wantKind asserts that err is a *fault.Error of the kind.
func wantKind(t *testing.T, err error, kind fault.Kind, when string) {
	t.Helper()
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Kind != kind {
		t.Errorf("%s: error %v, want one of kind %q", when, err, kind)
	}
}

// testTable compares Supports with the table.
func testTable(t *testing.T, c Config) {
	e := c.New(t)
	if e.Name() == "" {
		t.Error("the engine has no name")
	}
	for _, spec := range alg.Specs() {
		for _, usage := range alg.Usages() {
			if got, want := e.Supports(spec, usage), c.uses(spec, usage); got != want {
				t.Errorf("Supports(%s, %s) = %t, want %t", spec, usage, got, want)
			}
		}
	}
	if e.Supports(alg.NoSpec, alg.SignVerify) || e.Supports(alg.P256, alg.NoUsage) {
		t.Error("the engine supports what is not in the table")
	}
}

func testUnsupported(t *testing.T, c Config) {
	e := c.New(t)
	for _, spec := range append([]alg.Spec{alg.NoSpec, 255}, c.Unsupported...) {
		_, err := e.Generate(t.Context(), NewRef("k"), KindOf(spec))
		wantKind(t, err, fault.Unsupported, "Generate of unsupported "+spec.String())
	}
	for _, spec := range alg.Specs() {
		for _, u := range spec.Info().Usages {
			if !c.has(spec) || c.uses(spec, u) {
				continue
			}
			_, err := e.Generate(t.Context(), NewRef("k"), engine.Kind{Spec: spec, Usage: u})
			wantKind(t, err, fault.Unsupported, "Generate of "+spec.String()+" for "+u.String())
		}
	}
}

func testRandom(t *testing.T, c Config) {
	e := c.New(t)
	var seen [][]byte
	for range 3 {
		b := make([]byte, 64)
		if err := e.Random(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(seen, func(s []byte) bool { return bytes.Equal(s, b) }) || bytes.Equal(b, make([]byte, 64)) {
			t.Fatalf("%x is not random", b)
		}
		seen = append(seen, b)
	}
	if err := e.Random(t.Context(), nil); err != nil {
		t.Errorf("Random of nothing: %v", err)
	}
}

// testCancelled asserts that a call whose caller has gone makes nothing.
func testCancelled(t *testing.T, c Config) {
	e := c.New(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, spec := range alg.Specs() {
		if !c.has(spec) {
			continue
		}
		_, err := e.Generate(gone, NewRef("k"), KindOf(spec))
		wantKind(t, err, fault.Unavailable, "Generate of "+spec.String()+" after the caller went away")
	}
}

// testSpec makes a key for each usage, or one for all where the engine does
// not restrict it, and uses it.
func testSpec(t *testing.T, c Config, spec alg.Spec) {
	e := c.New(t)
	for i, usage := range spec.Info().Usages {
		switch {
		case !c.uses(spec, usage):
		case c.Restricts:
			t.Run(usage.String(), func(t *testing.T) { testUsage(t, c, e, engine.Kind{Spec: spec, Usage: usage}) })
		case i == 0:
			testUsage(t, c, e, engine.Kind{Spec: spec, Usage: usage})
		}
	}
}

func testUsage(t *testing.T, c Config, e engine.Engine, kind engine.Kind) {
	spec := kind.Spec
	ref := refOf(kind, 1)
	m, k := generate(t, e, ref, kind)
	t.Run("Public", func(t *testing.T) { testPublic(t, c, spec, m, k) })
	for _, a := range every(spec) {
		t.Run(a.String(), func(t *testing.T) {
			switch of := a.Info().Usage; {
			case !c.uses(spec, of):
				wantRefused(t, spec, a, m, k, fault.Unsupported, fault.InvalidArgument)
			case c.Restricts && of != kind.Usage:
				wantRefused(t, spec, a, m, k, fault.InvalidArgument)
			case c.does(spec, a):
				if k.Algorithms != nil && !slices.Contains(k.Algorithms, a) {
					t.Errorf("the opened key does not say that it has %s", a)
				}
				testAlgorithm(t, c, spec, a, m, k)
			default:
				wantRefused(t, spec, a, m, k, fault.Unsupported)
			}
		})
	}
	t.Run("Binding", func(t *testing.T) { testBinding(t, e, ref, spec, m.Wrapped) })
	t.Run("Damage", func(t *testing.T) { testDamage(t, e, ref, spec, m.Wrapped) })
	t.Run("Concurrency", func(t *testing.T) { testConcurrency(t, c, kind, m, k) })
	destroy(t, e, ref, m)
	destroy(t, e, ref, m) // what is gone already is no error
}

func destroy(t *testing.T, e engine.Engine, ref engine.Ref, m engine.Material) {
	t.Helper()
	if err := e.Destroy(t.Context(), ref, m.Wrapped); err != nil {
		t.Errorf("Destroy: %v", err)
	}
}

// testPublic asserts which halves a key has. Where no key of the spec agrees, it
// may refuse to, or lack the field.
func testPublic(t *testing.T, c Config, spec alg.Spec, m engine.Material, k *engine.Key) {
	family := spec.Info().Family
	for _, field := range []struct {
		name      string
		got, want bool
	}{
		{"Public", m.Public != nil, !spec.Symmetric()},
		{"Signer", k.Signer != nil, spec.Allows(alg.SignVerify)},
		{"Decrypter", k.Decrypter != nil, family == alg.RSA},
		{"AEAD", k.AEAD != nil, family == alg.AES && c.uses(spec, alg.EncryptDecrypt)},
		{"Cipher", k.Cipher != nil, c.uses(spec, alg.RawEncryptDecrypt)},
		{"MAC", k.MAC != nil, family == alg.HMAC},
		{"Agreement", k.Agreement != nil, spec.Allows(alg.KeyAgreement) && (k.Agreement != nil || c.uses(spec, alg.KeyAgreement))},
	} {
		if field.got != field.want {
			t.Errorf("%s is there: %t, want %t", field.name, field.got, field.want)
		}
	}
	if k.Signer == nil {
		return
	}
	spki, err := engine.MarshalPublic(spec, k.Signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(spki, m.Public) {
		t.Error("the opened key's public half is not the one that Generate returned")
	}
}

// testBinding asserts that material opens under no other name and as no other
// type.
func testBinding(t *testing.T, e engine.Engine, ref engine.Ref, spec alg.Spec, wrapped []byte) {
	for name, other := range map[string]engine.Ref{
		"realm":   {Realm: "210987654321", ID: ref.ID, Version: ref.Version},
		"key":     {Realm: ref.Realm, ID: "22222222-2222-4222-8222-222222222222", Version: ref.Version},
		"version": {Realm: ref.Realm, ID: ref.ID, Version: ref.Version + 1},
	} {
		_, err := e.Open(t.Context(), other, spec, wrapped)
		wantKind(t, err, fault.Internal, "opened as another "+name)
	}
	for _, other := range alg.Specs() {
		if other != spec {
			_, err := e.Open(t.Context(), ref, other, wrapped)
			wantKind(t, err, fault.Internal, "opened as "+other.String())
		}
	}
}

// testDamage asserts that changed material does not open.
func testDamage(t *testing.T, e engine.Engine, ref engine.Ref, spec alg.Spec, wrapped []byte) {
	step := max(1, len(wrapped)/24)
	for at := 0; at < len(wrapped); at += step {
		bad := bytes.Clone(wrapped)
		bad[at] ^= 1
		_, err := e.Open(t.Context(), ref, spec, bad)
		wantKind(t, err, fault.Internal, "a bit flipped")
	}
	for name, bad := range map[string][]byte{
		"nothing": nil, "one byte": wrapped[:1], "a byte less": wrapped[:len(wrapped)-1], "a byte more": append(bytes.Clone(wrapped), 0),
	} {
		_, err := e.Open(t.Context(), ref, spec, bad)
		wantKind(t, err, fault.Internal, name)
	}
}
