package embedded

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

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

func numberedKey(i int) store.Row {
	body := bytes.Repeat([]byte{byte(i)}, 1000)
	return store.Row{ID: fmt.Sprintf("key/%06d", i), Columns: []string{fmt.Sprint("scope ", i%3), ""}, Body: body}
}

// fillKeys stores n keys that wantKeys finds.
func fillKeys(t testing.TB, s *Store, n int) {
	t.Helper()
	err := s.Update(t.Context(), func(tx store.Tx) error {
		for i := range n {
			if err := tx.Put(store.Keys, numberedKey(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func wantKeys(t testing.TB, s *Store, n int) {
	t.Helper()
	var want, got []store.Row
	for i := range n {
		want = append(want, numberedKey(i))
	}
	err := s.View(t.Context(), func(r store.Reader) error {
		for row, err := range r.Scan(store.Keys, store.Query{}) {
			if err != nil {
				return err
			}
			got = append(got, row)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func unzip(t *testing.T, from, to string) {
	t.Helper()
	f, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it only reads
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
