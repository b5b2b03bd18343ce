package azurekv

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/azurekv/azurekvtest"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/remote/remotetest"
	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// options are those of an engine over a test server, with the client's secret.
func options(s *azurekvtest.Server) Options {
	return Options{
		Settings: remote.Settings{Name: "azure", Log: slog.New(slog.DiscardHandler)},
		Vault:    s.URL(), ManagedHSM: s.ManagedHSM(), CA: s.CA(), Poll: time.Millisecond,
		Identity: &Identity{
			Tenant: azurekvtest.Tenant, Client: azurekvtest.Client, ClientSecret: azurekvtest.ClientSecret,
			Authority: s.Authority(), DisableInstanceDiscovery: true,
		},
	}
}

func newEngine(tb testing.TB, o Options) *Engine {
	tb.Helper()
	e, err := New(tb.Context(), enginetest.Box{}, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = e.Close() })
	return e
}

// TestEngine is the contract on a vault, whose keys are in software, and on a
// Managed HSM. Keys are purged, or their names would not be free again.
func TestEngine(t *testing.T) {
	t.Parallel()
	unsupported := []alg.Spec{alg.HMAC224, alg.HMAC384, alg.HMAC512, alg.Ed25519, alg.MLDSA44, alg.MLDSA65, alg.MLDSA87}
	vault, managed := azurekvtest.Start(t), azurekvtest.StartManagedHSM(t)
	t.Run("vault", func(t *testing.T) {
		o := options(vault)
		o.Purge = true
		enginetest.Test(t, config(newEngine(t, o), vault, append(unsupported, alg.AES256, alg.HMAC256)...))
	})
	managed.Inherit(vault)
	t.Run("managed", func(t *testing.T) {
		o := options(managed)
		o.Purge = true
		e := newEngine(t, o)
		c := config(e, managed, append(unsupported, alg.RSA3072, alg.RSA4096)...)
		c.New = func(*testing.T) engine.Engine { return smaller{e} }
		enginetest.Test(t, c)
	})
}

// smaller is an engine without the larger RSA keys, which the vault was tested
// with: to check those that come in takes longer than all else.
type smaller struct{ *Engine }

func larger(spec alg.Spec) bool { return spec == alg.RSA3072 || spec == alg.RSA4096 }

func (s smaller) Supports(spec alg.Spec, u alg.Usage) bool {
	return !larger(spec) && s.Engine.Supports(spec, u)
}

func (s smaller) Imports(spec alg.Spec) bool { return !larger(spec) && s.Engine.Imports(spec) }

func (s smaller) Generate(ctx context.Context, ref engine.Ref, kind engine.Kind) (engine.Material, error) {
	if larger(kind.Spec) {
		return engine.Material{}, s.unsupported(kind)
	}
	return s.Engine.Generate(ctx, ref, kind)
}

func (s smaller) Import(ctx context.Context, ref engine.Ref, kind engine.Kind, plain []byte) (engine.Material, error) {
	if larger(kind.Spec) {
		return engine.Material{}, s.unsupported(kind)
	}
	return s.Engine.Import(ctx, ref, kind, plain)
}

func config(e *Engine, s *azurekvtest.Server, unsupported ...alg.Spec) enginetest.Config {
	return enginetest.Config{
		New:          func(*testing.T) engine.Engine { return e },
		Unsupported:  unsupported,
		Without:      []alg.Usage{alg.KeyTransfer, alg.KeyAgreement}, // Holdfast's transfer of keys is not Azure's
		NoFurther:    true,
		Restricts:    true,
		NoExport:     alg.Specs(),
		NoUnwrap:     alg.Specs(),
		NoWrapExport: alg.Specs(),
		NoEmpty:      true,
		NoRecover:    true,
		Adopt: func(t *testing.T, _ engine.Engine, spec alg.Spec) string {
			name := "owned-" + spec.String()
			t.Cleanup(func() { s.RemoveKey(name) })
			return s.AddKey(t, name, foreignKey(spec, s.ManagedHSM()))
		},
	}
}

// foreignKey is what an owner asks for who makes a key of the spec.
func foreignKey(spec alg.Spec, hsm bool) azure.CreateKey {
	c := azure.CreateKey{Type: azure.KeyTypeOf(spec, hsm), Curve: azure.CurveOf(spec)}
	if c.Curve == "" {
		c.Size = spec.Info().Bits
	}
	if spec.Symmetric() {
		c.Ops = azure.OperationsFor(spec.Info().Usages[0])
	}
	return c
}

// TestFaults is what the engine makes of a vault that misbehaves.
func TestFaults(t *testing.T) {
	t.Parallel()
	remotetest.Test(t, remotetest.Config{
		New: func(t *testing.T) (engine.Engine, remotetest.Service) {
			s := azurekvtest.Start(t)
			o := options(s)
			o.Settings = remotetest.Settings("azure")
			o.Log = slog.New(slog.DiscardHandler)
			return newEngine(t, o), s
		},
		Spec: alg.P256, Expires: true,
	})
}

// TestReal is the contract on a real vault, whose keys the test may make,
// delete and purge; the credential is the environment's.
func TestReal(t *testing.T) {
	vault := os.Getenv("HOLDFAST_REAL_AZURE_VAULT")
	if vault == "" {
		t.Skip("HOLDFAST_REAL_AZURE_VAULT names no vault or Managed HSM: the real service is not tested")
	}
	e := newEngine(t, Options{Settings: remote.Settings{Name: "azure", Timeout: 2 * time.Minute}, Vault: vault, Purge: true})
	unsupported := []alg.Spec{alg.HMAC224, alg.HMAC384, alg.HMAC512, alg.Ed25519, alg.MLDSA44, alg.MLDSA65, alg.MLDSA87}
	if !strings.Contains(vault, ".managedhsm.") {
		unsupported = append(unsupported, alg.AES256, alg.HMAC256)
	}
	c := config(e, nil, unsupported...)
	c.Adopt = func(t *testing.T, _ engine.Engine, spec alg.Spec) string {
		name, err := e.Make(t.Context(), "test-"+uuid.NewString(), enginetest.KindOf(spec))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			id, err := azure.ParseIdentifier(name)
			if err == nil {
				_, err = e.keys.DeleteKey(t.Context(), id.Name, nil)
			}
			if err != nil {
				t.Logf("a key is left in the vault: %s (%v)", name, err)
			}
		})
		return name
	}
	enginetest.Test(t, c)
}
