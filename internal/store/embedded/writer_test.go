package embedded

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/holdfast-kms/holdfast/internal/store"
)

// TestGroupCommit: Updates that wait for one another share one commit, up to
// maxGroup of them.
func TestGroupCommit(t *testing.T) {
	for _, test := range []struct{ waiting, commits int }{
		{0, 1}, {1, 1}, {50, 1}, {maxGroup - 1, 1}, {maxGroup, 2}, {2 * maxGroup, 3},
	} {
		t.Run(fmt.Sprintf("%d wait", test.waiting), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			synctest.Test(t, func(t *testing.T) {
				s := openAt(t, path)
				defer closeStore(t, s)
				err := s.Update(t.Context(), func(tx store.Tx) error {
					for i := range test.waiting {
						go func() {
							err := s.Update(t.Context(), func(tx store.Tx) error {
								return tx.Insert(store.Settings, store.Row{ID: fmt.Sprint(i)})
							})
							if err != nil {
								t.Error(err)
							}
						}()
					}
					synctest.Wait() // for all of them to wait for a turn
					return tx.Insert(store.Settings, store.Row{ID: "first"})
				})
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // for all of them to end
				if got := commits(t, path); got != test.commits {
					t.Errorf("%d Updates took %d commits, want %d", 1+test.waiting, got, test.commits)
				}
			})
		})
	}
}

// commits counts the commits in the write-ahead log: the frames that say how
// large the database is after them (SQLite's file format, 4.1).
func commits(t *testing.T, path string) (n int) {
	t.Helper()
	const header, frameHeader, page = 32, 24, 4096
	log, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	for frame := header; frame+frameHeader+page <= len(log); frame += frameHeader + page {
		if binary.BigEndian.Uint32(log[frame+4:]) != 0 {
			n++
		}
	}
	return n
}
