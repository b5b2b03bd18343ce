package status

import (
	"crypto"
	"fmt"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/embedded"
)

// BenchmarkRespond is an answer that was signed ahead, and one with a nonce,
// which is signed for.
func BenchmarkRespond(b *testing.B) {
	f := newFixture(b)
	root := f.authority(b, "root", alg.P256, 0)
	c := f.issue(b, "root")
	for name, nonce := range map[string][]byte{"ahead": nil, "nonce": []byte("0123456789abcdef0123456789abcdef")} {
		ask := request(b, root, crypto.SHA1, nonce, c.Serial)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if a := f.Respond(b.Context(), root.ID, ask); a.Failure != 0 {
					b.Fatal(a.Failure)
				}
			}
		})
	}
}

// revokedMany stores n revocations of certificates that do not exist.
func revokedMany(b *testing.B, f *fixture, id string, n int) {
	b.Helper()
	at := f.now().Add(-time.Hour)
	for from := 0; from < n; from += 10_000 {
		must(b, f.store.Update(b.Context(), func(tx store.Tx) error {
			for i := from; i < min(n, from+10_000); i++ {
				r := ca.Revocation{
					Authority: id, Serial: fmt.Sprintf("%032x", i+1), At: at.Truncate(time.Second), Changed: at.Add(time.Duration(i)),
					Reason: ca.Superseded, Expires: f.now().AddDate(1, 0, 0),
				}
				if err := tx.Put(store.Revocations, r.Row()); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

// BenchmarkRevoked is what is done with a million revoked certificates:
// another revocation, and the list of all. peak-MB is the largest heap while
// the list is made.
func BenchmarkRevoked(b *testing.B) {
	for _, n := range []int{10, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := b.TempDir()
			s, err := embedded.Open(filepath.Join(dir, "store.db"), embedded.Options{})
			must(b, err)
			b.Cleanup(func() { must(b, s.Close()) })
			f := newFixtureOn(b, s, filepath.Join(dir, "crl"))
			root := f.authority(b, "root", alg.P256, 0)
			revokedMany(b, f, root.ID, n)
			f.open(b)
			b.Run("list", func(b *testing.B) {
				var peak atomic.Uint64
				stop := watch(&peak)
				for b.Loop() {
					f.revoke(b, f.issue(b, "root"), ca.Superseded)
					f.sleep(time.Hour)
					f.tick(b)
				}
				stop()
				if l, _ := f.PublicCRL(b.Context(), root.ID, "", false); l.Entries < n {
					b.Fatalf("%d entries", l.Entries)
				}
				b.ReportMetric(float64(peak.Load())/1e6, "peak-MB")
			})
			b.Run("revoke", func(b *testing.B) {
				var list []*ca.Certificate
				for range 200 {
					list = append(list, f.issue(b, "root"))
				}
				b.ResetTimer()
				for i := range b.N {
					if i == len(list) {
						b.StopTimer()
						for range 1000 {
							list = append(list, f.issue(b, "root"))
						}
						b.StartTimer()
					}
					f.revoke(b, list[i], ca.Superseded)
				}
			})
		})
	}
}

// watch notes the largest heap until the returned function is called.
func watch(peak *atomic.Uint64) (stop func()) {
	runtime.GC()
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		var m runtime.MemStats
		for {
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapInuse))
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() { close(done); <-ended }
}
