package enginetest

import (
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// some returns a kind of key that the engine has and that is used in one call.
func (c Config) some(t *testing.T) engine.Kind {
	t.Helper()
	for _, spec := range []alg.Spec{alg.P256, alg.RSA2048} {
		if c.uses(spec, alg.SignVerify) {
			return engine.Kind{Spec: spec, Usage: alg.SignVerify}
		}
	}
	t.Fatal("the engine has no key that signs")
	return engine.Kind{}
}

// use signs with a key.
func use(spec alg.Spec, k *engine.Key) error {
	_, err := engine.Sign(k.Signer, spec.For(alg.SignVerify)[0], engine.Message{Form: alg.Raw, Bytes: []byte("x")})
	return err
}

// testKeeper takes a key through the states of its place and back.
func testKeeper(t *testing.T, c Config) {
	e := c.New(t)
	in, ok := e.(engine.Keeper)
	if !ok {
		return
	}
	kind, ref := c.some(t), NewRef("33333333-3333-4333-8333-333333333333")
	m, k := generate(t, e, ref, kind)
	want := func(when string, want ...engine.Condition) {
		t.Helper()
		got, err := in.Condition(t.Context(), ref, kind.Spec, m.Wrapped)
		if err != nil || got != want[0] && got != want[len(want)-1] {
			t.Errorf("%s: the key is %q (%v), want %v", when, got, err, want)
		}
	}
	set := func(enabled bool) {
		t.Helper()
		for range 2 { // twice is as good as once
			if err := in.SetEnabled(t.Context(), ref, kind.Spec, m.Wrapped, enabled); err != nil {
				t.Fatalf("SetEnabled(%t): %v", enabled, err)
			}
		}
	}
	want("made", engine.Usable)
	set(false)
	want("disabled", engine.Disabled)
	wantKind(t, use(kind.Spec, k), fault.WrongState, "use of a disabled key")
	set(true)
	want("enabled", engine.Usable)
	if err := use(kind.Spec, k); err != nil {
		t.Errorf("use of an enabled key: %v", err)
	}
	destroy(t, e, ref, m)
	want("destroyed", engine.Deleted, engine.Gone)
	if use(kind.Spec, k) == nil {
		t.Error("a destroyed key signs")
	}
	err := in.Recover(t.Context(), ref, kind.Spec, m.Wrapped)
	if c.NoRecover {
		wantKind(t, err, fault.Unsupported, "Recover")
		return
	}
	if err != nil {
		t.Fatalf("Recover: %v", err)
	}
	want("recovered", engine.Usable, engine.Disabled)
	set(true)
	if err := use(kind.Spec, k); err != nil {
		t.Errorf("use of a recovered key: %v", err)
	}
	destroy(t, e, ref, m)
}

// testMaker makes a key by a name, finds it in the list and adopts it.
func testMaker(t *testing.T, c Config) {
	e := c.New(t)
	in, ok := e.(engine.Maker)
	if !ok {
		return
	}
	kind := c.some(t)
	name, err := in.Make(t.Context(), "made-by-name", kind)
	if err != nil {
		t.Fatalf("Make: %v", err)
	}
	_, err = in.Make(t.Context(), "made-by-name", kind)
	wantKind(t, err, fault.AlreadyExists, "a second key of the name")
	ref := NewRef("44444444-4444-4444-8444-444444444444")
	adopted, m, err := e.(engine.Adopter).Adopt(t.Context(), ref, name)
	if err != nil || adopted.Spec != kind.Spec || adopted.Usage != kind.Usage {
		t.Fatalf("Adopt of %s: %v, %v", name, adopted, err)
	}
	k, err := e.Open(t.Context(), ref, kind.Spec, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if err := use(kind.Spec, k); err != nil {
		t.Errorf("the key does not sign: %v", err)
	}
	if l, ok := e.(engine.Lister); ok {
		testListed(t, l, name, kind)
	}
}

// testListed asserts that the list has the key, once, as what it is.
func testListed(t *testing.T, l engine.Lister, name string, kind engine.Kind) {
	found, page := 0, ""
	for {
		keys, next, err := l.List(t.Context(), page)
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		for _, k := range keys {
			if k.Name == name {
				found++
				if k.Kind.Spec != kind.Spec || k.Condition != engine.Usable || k.Made {
					t.Errorf("the list has %+v", k)
				}
			}
		}
		if next == "" {
			break
		}
		page = next
	}
	if found != 1 {
		t.Errorf("the list has the key %d times", found)
	}
}
