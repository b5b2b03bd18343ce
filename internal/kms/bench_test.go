package kms_test

import (
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/embedded"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// manyKeys is how many keys BenchmarkStart loads.
const manyKeys = 100_000

// BenchmarkStart makes the door over an embedded store of 100,000 keys, each
// with an alias: run by hand, -benchtime 5x. B/key is what lives afterwards.
func BenchmarkStart(b *testing.B) {
	s, err := embedded.Open(filepath.Join(b.TempDir(), "store.db"), embedded.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	fillKeys(b, s)
	before := live()
	b.ReportAllocs()
	var door *kms.Service
	for b.Loop() {
		door, err = kms.New(b.Context(), kms.Config{
			Guard: guard.New(&ledger{}, people{}), Store: s, DefaultPolicy: aws.DefaultKeyPolicy,
			Compile: func(d key.Document) (*policy.Policy, error) {
				return policy.Compile([]byte(d.Text), policy.ForResource, aws.Vocabulary())
			},
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	if door.Keys() != manyKeys {
		b.Fatalf("%d keys were loaded", door.Keys())
	}
	b.ReportMetric(float64(live()-before)/manyKeys, "B/key")
	runtime.KeepAlive(door)
}

// live returns the bytes on the heap that are in use.
func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// fillKeys writes the rows of one key and its alias many times, under other
// ids.
func fillKeys(b *testing.B, s store.Store) {
	b.Helper()
	f := newFixture(b)
	k := f.create(alg.AES256, alg.EncryptDecrypt)
	if err := f.CreateAlias(b.Context(), f.admin(), "alias/a", kms.Ref{ID: k.Name.ID}); err != nil {
		b.Fatal(err)
	}
	rows := map[*store.Table]store.Row{}
	err := f.store.View(b.Context(), func(r store.Reader) error {
		for _, table := range []*store.Table{store.Keys, store.Aliases} {
			for row, err := range r.Scan(table, store.Query{}) {
				if err != nil {
					return err
				}
				rows[table] = row
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	ids := make([]string, manyKeys)
	for n := range ids {
		ids[n] = uuid.NewString()
	}
	const together = 1000
	for i := 0; i < manyKeys; i += together {
		err := s.Update(b.Context(), func(tx store.Tx) error {
			for n := i; n < i+together; n++ {
				for table, row := range rows {
					row.ID = ids[n]
					if err := tx.Insert(table, row); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
