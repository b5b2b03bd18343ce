package embedded

import (
	"fmt"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// TestFull fills the disk while many write: some Updates succeed, the others
// are Unavailable; what the store then holds is what succeeded; and it goes on
// once there is room.
func TestFull(t *testing.T) {
	for name, disk := range map[string]struct{ fill, free func(t *testing.T, s *Store) }{
		"SQLite finds no page":    {fill: limitPages(160), free: limitPages(1 << 30)},
		"a write fails in a file": {fill: limitFiles(1 << 19), free: limitFiles(1 << 40)},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			s := openAt(t, path)
			disk.fill(t, s)
			written := writeUntilFull(t, s)
			disk.free(t, s)
			wantIDs(t, s, written)
			fillKeys(t, s, 100)
			if err := s.Check(t.Context()); err != nil {
				t.Error(err)
			}
			closeStore(t, s)
			s = openAt(t, path)
			wantIDs(t, s, written)
			closeStore(t, s)
		})
	}
}

// writeUntilFull lets writers insert rows until each has failed twice, and
// returns the ids of the rows whose Update succeeded.
func writeUntilFull(t *testing.T, s *Store) []string {
	t.Helper()
	var mu sync.Mutex
	var written []string
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for n, failures := 0, 0; failures < 2; n++ {
				if n > 1000 {
					t.Error("the disk does not fill")
					return
				}
				id := fmt.Sprintf("%02d/%04d", w, n)
				err := s.Update(t.Context(), func(tx store.Tx) error {
					err := tx.Insert(store.Materials, store.Row{ID: id, Columns: []string{"key"}, Body: make([]byte, 3000)})
					if w%2 == 0 {
						return nil // an f that does not look
					}
					return err
				})
				switch {
				case err == nil:
					mu.Lock()
					written = append(written, id)
					mu.Unlock()
				case fault.KindOf(err) == fault.Unavailable:
					failures++
				default:
					t.Errorf("Update on a full disk: %v (%v), want Unavailable", err, fault.KindOf(err))
					return
				}
			}
		})
	}
	wg.Wait()
	if len(written) == 0 {
		t.Error("nothing was written before the disk was full")
	}
	slices.Sort(written)
	return written
}

func wantIDs(t *testing.T, s *Store, want []string) {
	t.Helper()
	var got []string
	if err := s.View(t.Context(), func(r store.Reader) error {
		for row, err := range r.Scan(store.Materials, store.Query{}) {
			if err != nil {
				return err
			}
			got = append(got, row.ID)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the store holds %d rows, of %d whose Update succeeded", len(got), len(want))
	}
}

// limitPages has SQLite refuse to let the database grow.
func limitPages(n int) func(*testing.T, *Store) {
	return func(t *testing.T, s *Store) {
		t.Helper()
		if err := s.Update(t.Context(), func(store.Tx) error { // for the turn on the connection
			return s.writer.session.control(fmt.Sprintf("PRAGMA max_page_count = %d", n))
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// limitFiles has the kernel refuse to let any file of this process grow.
func limitFiles(n uint64) func(*testing.T, *Store) {
	return func(t *testing.T, _ *Store) {
		t.Helper()
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
		old := limit
		limit.Cur = min(n, limit.Max)
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
				t.Error(err)
			}
			signal.Reset(syscall.SIGXFSZ)
		})
	}
}
