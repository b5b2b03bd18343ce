package hsm

import (
	"context"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// answering is a module that answers every signature with the same, once the
// device has been asked for all else. It waits for its context as a worker does.
type answering struct {
	pkcs11.Module
	fixed pkcs11.Result
}

func (a *answering) Call(ctx context.Context, c *pkcs11.Call) (*pkcs11.Result, error) {
	if c.Function != pkcs11.FnSign {
		return a.Module.Call(ctx, c)
	}
	stop := context.AfterFunc(ctx, func() {})
	defer stop()
	return &a.fixed, nil
}

// BenchmarkOverhead is what Token.Sign adds to what a module costs.
func BenchmarkOverhead(b *testing.B) {
	d := newDevice()
	c, _ := d.config()
	c.Sessions = 16
	c.Launch = func(ctx context.Context, path string, env map[string]string) (pkcs11.Module, error) {
		m, err := d.launch(ctx, path, env)
		return &answering{Module: m, fixed: pkcs11.Result{Data: make([]byte, 64)}}, err
	}
	tok, err := Open(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	defer tok.Close() //nolint:errcheck // always nil
	data := make([]byte, 32)
	m := pkcs11.Mechanism{Type: pkcs11.MechECDSA}
	b.Run("1", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := tok.Sign(b.Context(), testKey, m, data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("8", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(4)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := tok.Sign(b.Context(), testKey, m, data); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}
