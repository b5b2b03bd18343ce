package embedded

import (
	"path/filepath"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/storetest"
)

// openAt opens the store at path, which the test closes.
func openAt(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	storetest.Test(t, storetest.Config{
		New: func(t *testing.T) store.Store { return openAt(t, filepath.Join(t.TempDir(), "store.db")) },
		Reopen: func(t *testing.T, s store.Store) store.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return openAt(t, s.(*Store).path)
		},
	})
}
