package embedded

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// beside returns the names of the files beside a store.
func beside(t *testing.T, path string) []string {
	t.Helper()
	names, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A store is copied by another process's means: while it is open here, closed,
// and after a crash that left its log.
func TestCopy(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "store.db")
	s := openAt(t, path)
	fillKeys(t, s, 200)
	want := func(from, name string) {
		t.Helper()
		to := filepath.Join(dir, name)
		if err := Copy(t.Context(), from, to); err != nil {
			t.Fatal(err)
		}
		b := openAt(t, to)
		defer closeStore(t, b)
		wantKeys(t, b, 200)
		if err := b.Check(t.Context()); err != nil {
			t.Error(err)
		}
	}
	want(path, "served.db")
	crashed := filepath.Join(t.TempDir(), "store.db")
	for _, suffix := range []string{"", "-wal"} {
		copyFile(t, path+suffix, crashed+suffix)
	}
	want(crashed, "crashed.db")
	closeStore(t, s)
	want(path, "closed.db")
	want(filepath.Join(dir, "closed.db"), "again.db")
	if files := beside(t, filepath.Join(dir, "again.db")); len(files) > 2 { // and the lock file
		t.Errorf("a copy has more files than one: %v", files)
	}
	s = openAt(t, path) // it works as before
	defer closeStore(t, s)
	wantKeys(t, s, 200)
	if err := Copy(t.Context(), path, filepath.Join(dir, "closed.db")); fault.KindOf(err) != fault.AlreadyExists {
		t.Errorf("onto a file: %v", err)
	}
}

func TestCopyRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"text.db": []byte("this is a text, and long enough to be looked at as a file"), "empty.db": nil,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Copy(t.Context(), path, path+".copy"); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Copy(t.Context(), filepath.Join(dir, "none.db"), filepath.Join(dir, "copy.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a store that is not there: %v", err)
	}
}

// What was replaced is still in the file, until it is compacted.
func TestCompact(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openAt(t, path)
	secret := bytes.Repeat([]byte("OLDSECRET"), 200)
	put := func(body []byte) {
		t.Helper()
		if err := s.Update(t.Context(), func(tx store.Tx) error {
			return tx.Put(store.Settings, store.Row{ID: "a", Body: body})
		}); err != nil {
			t.Fatal(err)
		}
	}
	put(secret)
	fillKeys(t, s, 50)
	put([]byte("new"))
	closeStore(t, s)
	if err := Compact(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	for _, name := range beside(t, path) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("OLDSECRET")) {
			t.Errorf("%s still has what was replaced", name)
		}
	}
	s = openAt(t, path)
	defer closeStore(t, s)
	wantKeys(t, s, 50)
}
