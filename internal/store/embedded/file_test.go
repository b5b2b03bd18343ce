package embedded

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// closeStore closes a store.
func closeStore(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// refused requires that Open fails with the kind and a text that has all of
// the words, and that it leaves the file as it is.
func refused(t *testing.T, path string, kind fault.Kind, words ...string) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, Options{})
	if err == nil {
		closeStore(t, s)
		t.Fatal("Open accepted the file")
	}
	if fault.KindOf(err) != kind {
		t.Errorf("Open: %v has kind %v, want %v", err, fault.KindOf(err), kind)
	}
	for _, word := range append(words, path) {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("Open: %q does not say %q", err, word)
		}
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("Open changed a file that it refused")
	}
	// Refusing lets go of everything.
	held, err := lock(path + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
}

// script makes a SQLite file, or changes one.
func script(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	path := func(t *testing.T) string { return filepath.Join(t.TempDir(), "store.db") }
	t.Run("a file that is no database", func(t *testing.T) {
		p := path(t)
		if err := os.WriteFile(p, bytes.Repeat([]byte("not a database "), 1000), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, p, fault.InvalidArgument, "not a store of Holdfast")
	})
	t.Run("the database of another program", func(t *testing.T) {
		p := path(t)
		script(t, p, "CREATE TABLE bookmarks (url TEXT)", "PRAGMA user_version = 1")
		refused(t, p, fault.InvalidArgument, "not a store of Holdfast")
	})
	t.Run("another program's database in WAL mode", func(t *testing.T) {
		p := path(t)
		script(t, p, "PRAGMA journal_mode = WAL", "CREATE TABLE bookmarks (url TEXT)", "PRAGMA application_id = 7")
		refused(t, p, fault.InvalidArgument, "not a store of Holdfast")
	})
	t.Run("a newer version", func(t *testing.T) {
		p := path(t)
		closeStore(t, openAt(t, p))
		script(t, p, fmt.Sprintf("PRAGMA user_version = %d", len(migrations())+1))
		refused(t, p, fault.Unsupported, "newer Holdfast", fmt.Sprintf("version %d", len(migrations())+1))
	})
	t.Run("a file cut short", func(t *testing.T) {
		p := path(t)
		s := openAt(t, p)
		fillKeys(t, s, 500)
		closeStore(t, s)
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(p, info.Size()/2); err != nil {
			t.Fatal(err)
		}
		refused(t, p, fault.Internal, "damaged", "restore it from a backup")
	})
	t.Run("a file without one of its tables", func(t *testing.T) {
		p := path(t)
		closeStore(t, openAt(t, p))
		script(t, p, "DROP TABLE aliases")
		refused(t, p, fault.Internal, "aliases")
	})
	t.Run("a file without one of its indexes", func(t *testing.T) {
		p := path(t)
		closeStore(t, openAt(t, p))
		script(t, p, "DROP INDEX keys_due")
		refused(t, p, fault.Internal, "keys_due")
	})
	t.Run("a directory", func(t *testing.T) {
		if s, err := Open(t.TempDir(), Options{}); err == nil {
			closeStore(t, s)
			t.Error("Open accepted a directory")
		}
	})
	t.Run("a folder that is missing", func(t *testing.T) {
		_, err := Open(filepath.Join(t.TempDir(), "missing", "store.db"), Options{})
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open: %v, want %v", err, fs.ErrNotExist)
		}
	})
}

func TestOpenTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openAt(t, path)
	_, err := Open(path, Options{})
	if fault.KindOf(err) != fault.Unavailable {
		t.Errorf("the second Open: %v, want Unavailable", err)
	}
	for _, word := range []string{"another server", path + ".lock", fmt.Sprint("process ", os.Getpid())} {
		if !strings.Contains(fmt.Sprint(err), word) {
			t.Errorf("the second Open: %v does not say %q", err, word)
		}
	}
	// The refusal has not taken the lock away from the first.
	if err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Put(store.Settings, store.Row{ID: "a"}) }); err != nil {
		t.Error(err)
	}
	if again, err := Open(path, Options{}); err == nil {
		closeStore(t, again)
		t.Error("a third Open worked")
	}
	closeStore(t, s)
	closeStore(t, openAt(t, path))
}

func TestPermissions(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "store.db")
	check := func() {
		t.Helper()
		names, err := filepath.Glob(path + "*")
		if err != nil || len(names) < 2 {
			t.Fatal(names, err)
		}
		for _, name := range names {
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v", name, info.Mode())
			}
		}
	}
	s := openAt(t, path)
	fillKeys(t, s, 10)
	check()
	closeStore(t, s)
	check()
	if err := os.Chmod(path, 0o644); err != nil { // as one copied back by hand may have
		t.Fatal(err)
	}
	s = openAt(t, path)
	fillKeys(t, s, 20)
	check()
	closeStore(t, s)
}

// TestClosedFile: what is left is the file alone.
func TestClosedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "with ?#%41 & 'quotes'.db")
	s := openAt(t, path)
	fillKeys(t, s, 100)
	closeStore(t, s)
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if _, err := os.Stat(path + suffix); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left after Close (%v)", suffix, err)
		}
	}
	alone := filepath.Join(t.TempDir(), "copy.db")
	copyFile(t, path, alone)
	s = openAt(t, alone)
	wantKeys(t, s, 100)
	closeStore(t, s)
}

// TestDamage overwrites pages in the middle of the file: reading them is an
// error that says what to do, never wrong rows, and Check finds it.
func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openAt(t, path)
	fillKeys(t, s, 2000)
	closeStore(t, s)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	for page := int64(60); page < info.Size()/4096-20; page += 10 {
		if _, err := f.WriteAt(bytes.Repeat([]byte{0x5a}, 4096), page*4096); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = Open(path, Options{})
	if err != nil {
		if !strings.Contains(err.Error(), "damaged") {
			t.Errorf("Open: %v", err)
		}
		return
	}
	defer closeStore(t, s)
	err = s.View(t.Context(), func(r store.Reader) error {
		n := 0
		for row, err := range r.Scan(store.Keys, store.Query{}) {
			if err != nil {
				return err
			}
			if diff := cmp.Diff(numberedKey(n), row); diff != "" {
				t.Fatalf("row %d of a damaged file (-want +got):\n%s", n, diff)
			}
			n++
		}
		return nil
	})
	if fault.KindOf(err) != fault.Internal || !strings.Contains(fmt.Sprint(err), "damaged") {
		t.Errorf("reading a damaged file: %v", err)
	}
	if err := s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("checking a damaged file: %v", err)
	}
}
