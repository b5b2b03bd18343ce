//go:build linux && (amd64 || arm64) && !static

package soft

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// TestLibcryptoFrees opens and drops keys while others are in use: one that
// is freed too early crashes here, and one that is never freed is counted.
func TestLibcryptoFrees(t *testing.T) {
	requireLibrary(t)
	e := newEngine(t, Options{})
	l, ok := e.rsa.library.(*libcrypto)
	if !ok {
		t.Fatalf("the library is a %T", e.rsa.library)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				k, err := importKey(t, e, alg.RSA2048, selfTestKey)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := engine.Sign(k.Signer, alg.PKCS1SHA256, engine.Message{Form: alg.Raw}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	// Cleanups run on a goroutine of the runtime, some time after a collection.
	for deadline := time.Now().Add(30 * time.Second); l.live.Load() > 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d keys are not freed", l.live.Load())
		}
		runtime.GC()
	}
	if s := e.RSA(); s.Fallbacks != 0 {
		t.Errorf("%d operations fell back", s.Fallbacks)
	}
}
