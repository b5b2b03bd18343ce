package enginetest

import (
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// testAdopt has keys that the engine did not make: they are found, they work,
// and they are still there after Destroy.
func testAdopt(t *testing.T, c Config) {
	e := c.New(t)
	in, ok := e.(engine.Adopter)
	if ok != (c.Adopt != nil) {
		t.Fatalf("the engine is an Adopter: %t, and says it is: %t", ok, !ok)
	}
	if !ok {
		return
	}
	_, _, err := in.Adopt(t.Context(), NewRef("k"), "")
	wantKind(t, err, fault.InvalidArgument, "Adopt of no name")
	for _, spec := range alg.Specs() {
		if c.has(spec) {
			t.Run(spec.String(), func(t *testing.T) { testAdopted(t, c, e, in, spec) })
		}
	}
}

func testAdopted(t *testing.T, c Config, e engine.Engine, in engine.Adopter, spec alg.Spec) {
	name := c.Adopt(t, e, spec)
	refs := []engine.Ref{NewRef("11111111-1111-4111-8111-111111111111"), NewRef("22222222-2222-4222-8222-222222222222")}
	for _, ref := range refs { // the second time after Destroy of the first
		kind, m, err := in.Adopt(t.Context(), ref, name)
		if err != nil {
			t.Fatalf("Adopt of %s: %v", name, err)
		}
		if kind.Spec != spec || !spec.Allows(kind.Usage) {
			t.Errorf("%s was adopted as %s for %s", spec, kind.Spec, kind.Usage)
		}
		k, err := e.Open(t.Context(), ref, spec, m.Wrapped)
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		testPublic(t, c, spec, m, k)
		testSameKey(t, c, kind, m, k, k)
		destroy(t, e, ref, m)
	}
}
