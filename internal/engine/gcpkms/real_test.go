package gcpkms

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// TestReal runs the contract on the real Cloud KMS, in the key ring that
// HOLDFAST_REAL_GCP_KEY_RING names, with Application Default Credentials. The
// keys that it makes cost money until their waiting period is over, and their
// names stay for ever.
func TestReal(t *testing.T) {
	ring := os.Getenv("HOLDFAST_REAL_GCP_KEY_RING")
	if ring == "" {
		t.Skip("HOLDFAST_REAL_GCP_KEY_RING names no key ring of the real Cloud KMS")
	}
	level := os.Getenv("HOLDFAST_REAL_GCP_LEVEL")
	c := gaps(level)
	c.New = func(t *testing.T) engine.Engine {
		return &renamed{newEngine(t, Options{Settings: remote.Settings{Name: "google"}, KeyRing: ring, Level: level}), rand.Text()}
	}
	c.Adopt = func(t *testing.T, e engine.Engine, spec alg.Spec) string {
		maker, ok := e.(engine.Maker)
		if !ok {
			t.Fatal("the engine makes no keys")
		}
		name, err := maker.Make(t.Context(), "adopted-"+spec.String(), enginetest.KindOf(spec))
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	enginetest.Test(t, c)
}

// renamed is an engine whose keys have other names in each run.
type renamed struct {
	*Engine
	run string
}

// ref returns the name of a version in this run.
func (r *renamed) ref(ref engine.Ref) engine.Ref {
	sum := sha256.Sum256([]byte(r.run + string(ref.ID)))
	ref.ID = key.ID(fmt.Sprintf("%x-%x-4%x-8%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])[:36])
	return ref
}

func (r *renamed) Generate(ctx context.Context, ref engine.Ref, kind engine.Kind) (engine.Material, error) {
	return r.Engine.Generate(ctx, r.ref(ref), kind)
}

func (r *renamed) Make(ctx context.Context, name string, kind engine.Kind) (string, error) {
	return r.Engine.Make(ctx, name+"-"+strings.ToLower(r.run[:12]), kind)
}

func (r *renamed) Open(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) (*engine.Key, error) {
	return r.Engine.Open(ctx, r.ref(ref), spec, wrapped)
}

func (r *renamed) Destroy(ctx context.Context, ref engine.Ref, wrapped []byte) error {
	return r.Engine.Destroy(ctx, r.ref(ref), wrapped)
}

func (r *renamed) Import(ctx context.Context, ref engine.Ref, kind engine.Kind, plain []byte) (engine.Material, error) {
	return r.Engine.Import(ctx, r.ref(ref), kind, plain)
}

func (r *renamed) Adopt(ctx context.Context, ref engine.Ref, name string) (engine.Kind, engine.Material, error) {
	return r.Engine.Adopt(ctx, r.ref(ref), name)
}

func (r *renamed) Condition(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) (engine.Condition, error) {
	return r.Engine.Condition(ctx, r.ref(ref), spec, wrapped)
}

func (r *renamed) SetEnabled(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte, enabled bool) error {
	return r.Engine.SetEnabled(ctx, r.ref(ref), spec, wrapped, enabled)
}

func (r *renamed) Recover(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) error {
	return r.Engine.Recover(ctx, r.ref(ref), spec, wrapped)
}
