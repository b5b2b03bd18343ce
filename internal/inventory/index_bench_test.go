package inventory

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/embedded"
	"github.com/holdfast-kms/holdfast/internal/term"
)

// BenchmarkTerms is what the terms of a certificate cost: written with it, as
// one Update each, and later, many at a time. It is run by hand, with
// -benchtime 16384x; cpu-us/op is the process's time on the processor.
func BenchmarkTerms(b *testing.B) {
	for name, pieces := range map[string]int{"each": 1, "many": tailLength} {
		b.Run(name, func(b *testing.B) {
			f := newFixture(b)
			s, err := embedded.Open(filepath.Join(b.TempDir(), "store.db"), embedded.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close() //nolint:errcheck // a temporary store
			x := newIndex(f.house, s, f.now, time.Hour)
			first := f.issue(b, f.house.list[0], spec{common: "web.example.com", profile: "tls-server", requester: "000000000001/user/a"})
			tail := make([]*ca.Certificate, b.N)
			for i := range tail {
				c := *first
				c.Serial, c.Names = fmt.Sprintf("%012x%020x", 0x19a00000000+i, i), []string{fmt.Sprintf("h%08x.example.com", rand.Uint32())}
				c.DER = append([]byte(nil), first.DER...)
				spki := term.PublicKeyInfo(c.DER)
				for j := len(spki) - 32; j < len(spki); j++ {
					spki[j] = byte(rand.Uint32())
				}
				tail[i] = &c
			}
			before := cpuTime(b)
			b.ResetTimer()
			for i := 0; i < b.N; i += pieces {
				part := tail[i:min(b.N, i+pieces)]
				if pieces > 1 {
					_, err = x.write(b.Context(), part)
				} else {
					err = s.Update(b.Context(), func(tx store.Tx) error {
						for _, row := range term.Of("123456789012", part[0]) {
							if err := tx.Put(store.Terms, row); err != nil {
								return err
							}
						}
						return nil
					})
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-us/op")
		})
	}
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
