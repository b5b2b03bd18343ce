package embedded

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/store"
)

// The benchmarks are run by hand: go test -run - -bench . -benchtime 20000x for
// the inserts, 5x for the rest. cpu-us/op is the process's time on the
// processor for an operation, the rest of it waiting for the disk.

func benchStore(b *testing.B) *Store {
	b.Helper()
	s, err := Open(filepath.Join(b.TempDir(), "store.db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measured runs f and reports the processor time of each of its n operations.
func measured(b *testing.B, n int, f func()) {
	b.Helper()
	before := cpuTime()
	b.ResetTimer()
	f()
	b.StopTimer()
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(n), "cpu-us/op")
}

func certificate(n int, body []byte) store.Row {
	expires := time.Unix(1_800_000_000+int64(n), 0).UTC().Format("20060102150405")
	serial := fmt.Sprintf("%012x%016x", 0x18f000000000+n, rand.Uint64())
	return store.Row{
		ID:      "0b7e1d6e-5e0a-4b63-9d1c-000000000001/" + serial,
		Columns: []string{"0b7e1d6e-5e0a-4b63-9d1c-000000000001/" + expires},
		Body:    body,
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// BenchmarkInsertCertificate inserts rows of 1.5 KB from writers at once.
func BenchmarkInsertCertificate(b *testing.B) {
	for _, writers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := benchStore(b)
			body := randomBytes(1500)
			measured(b, b.N, func() {
				next := make(chan int, b.N)
				for i := range b.N {
					next <- i
				}
				close(next)
				took := make([]time.Duration, b.N)
				var wg sync.WaitGroup
				for range writers {
					wg.Go(func() {
						for n := range next {
							start := time.Now()
							err := s.Update(b.Context(), func(tx store.Tx) error {
								return tx.Insert(store.Certificates, certificate(n, body))
							})
							if err != nil {
								b.Error(err)
							}
							took[n] = time.Since(start)
						}
					})
				}
				wg.Wait()
				slices.Sort(took)
				b.ReportMetric(float64(took[b.N/2].Microseconds()), "p50-us")
				b.ReportMetric(float64(took[b.N*99/100].Microseconds()), "p99-us")
				b.ReportMetric(float64(took[b.N-1].Microseconds()), "max-us")
			})
		})
	}
}

const manyKeys = 100_000

// fill puts manyKeys keys with bodies of 1 KB and random ids into the store.
func fill(b *testing.B, s *Store) []string {
	b.Helper()
	body := randomBytes(1024)
	ids := make([]string, manyKeys)
	for i := 0; i < manyKeys; i += 1000 {
		err := s.Update(b.Context(), func(tx store.Tx) error {
			for j := i; j < min(manyKeys, i+1000); j++ {
				ids[j] = fmt.Sprintf("%016x-%016x", rand.Uint64(), rand.Uint64())
				if err := tx.Insert(store.Keys, store.Row{ID: ids[j], Columns: []string{"r/us-east-1", ""}, Body: body}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return ids
}

// BenchmarkOpen opens a store of 100,000 keys and closes it.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "store.db")
	s, err := Open(path, Options{})
	if err != nil {
		b.Fatal(err)
	}
	fill(b, s)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	measured(b, b.N, func() {
		for range b.N {
			s, err := Open(path, Options{})
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/manyKeys, "file-bytes/row")
}

// BenchmarkScanKeys reads 100,000 keys, as a server does when it starts.
func BenchmarkScanKeys(b *testing.B) {
	s := benchStore(b)
	fill(b, s)
	for name, q := range map[string]store.Query{"id": {}, "scope": {Column: "scope", Equal: "r/us-east-1"}} {
		b.Run("by="+name, func(b *testing.B) {
			measured(b, b.N, func() {
				for range b.N {
					n := 0
					err := s.View(b.Context(), func(r store.Reader) error {
						for _, err := range r.Scan(store.Keys, q) {
							if err != nil {
								return err
							}
							n++
						}
						return nil
					})
					if err != nil || n != manyKeys {
						b.Fatal(n, err)
					}
				}
			})
		})
	}
}

// BenchmarkGet reads one of 100,000 keys by its id.
func BenchmarkGet(b *testing.B) {
	s := benchStore(b)
	ids := fill(b, s)
	measured(b, b.N, func() {
		for range b.N {
			err := s.View(b.Context(), func(r store.Reader) error {
				_, err := r.Get(store.Keys, ids[rand.IntN(len(ids))])
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkCheck reads a file of 100,000 keys for damage.
func BenchmarkCheck(b *testing.B) {
	s := benchStore(b)
	fill(b, s)
	measured(b, b.N, func() {
		for range b.N {
			if err := s.Check(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
