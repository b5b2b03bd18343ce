package embedded

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// closed closes a store.
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
	if err := os.Chmod(path, 0o644); err != nil { //nolint:gosec // as one copied back by hand may have
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

// TestSettings: what durability and group commit stand on is really set.
func TestSettings(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "store.db"))
	defer closeStore(t, s)
	for pragma, want := range map[string]string{
		"synchronous": "2", "journal_mode": "wal", "temp_store": "2", "wal_autocheckpoint": "4096", "cache_size": "-8192",
		"application_id": fmt.Sprint(applicationID), "user_version": fmt.Sprint(len(migrations())), "encoding": "UTF-8",
	} {
		var got string
		if err := s.writer.session.conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s is %s, want %s", pragma, got, want)
		}
	}
	if _, err := s.reading.ExecContext(t.Context(), "DELETE FROM keys"); err == nil {
		t.Error("a reading connection can write")
	}
}

// TestSchema: the file has the tables and columns of store.Tables, in their
// order, and no others.
func TestSchema(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "store.db"))
	defer closeStore(t, s)
	list := func(query string) (names []string) {
		rows, err := s.reading.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return names
	}
	sorted := cmpopts.SortSlices(strings.Compare)
	var tables []string
	for _, table := range store.Tables() {
		tables = append(tables, table.Name)
		want := append(append([]string{"id"}, table.Columns...), "body")
		if diff := cmp.Diff(want, list("SELECT name FROM pragma_table_info('"+table.Name+"')")); diff != "" {
			t.Errorf("columns of %s (-want +got):\n%s", table.Name, diff)
		}
		indexes := []string{"sqlite_autoindex_" + table.Name + "_1"}
		for _, column := range table.Columns {
			indexes = append(indexes, table.Name+"_"+column)
		}
		if diff := cmp.Diff(indexes, list("SELECT name FROM pragma_index_list('"+table.Name+"')"), sorted); diff != "" {
			t.Errorf("indexes of %s (-want +got):\n%s", table.Name, diff)
		}
	}
	if diff := cmp.Diff(tables, list("SELECT name FROM sqlite_schema WHERE type = 'table'"), sorted); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
}

// TestPlans: every query is answered from an index, in order, without sorting
// or reading rows that it does not want.
func TestPlans(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "store.db"))
	defer closeStore(t, s)
	queries := []store.Query{
		{}, {From: "a"}, {To: "b"}, {From: "a", To: "b"}, {After: "a"}, {After: "a", To: "b"},
		{Column: "due"}, {Column: "due", From: "a"}, {Column: "due", From: "a", To: "b"}, {Column: "due", To: "b"},
		{Column: "scope", Equal: "a"}, {Column: "scope", Equal: "a", After: "b"},
	}
	check := func(of shape, values []any, bounded bool) {
		t.Helper()
		if of.verb == scanRows {
			values = append(values, 10)
		}
		var id, parent, unused int
		var plan string
		row := s.reading.QueryRowContext(t.Context(), "EXPLAIN QUERY PLAN "+of.text(), values...)
		if err := row.Scan(&id, &parent, &unused, &plan); err != nil {
			t.Fatalf("%s: %v", of.text(), err)
		}
		// Of several lines the first is the access and the others sorting.
		if !strings.Contains(plan, " INDEX ") || bounded && !strings.HasPrefix(plan, "SEARCH") {
			t.Errorf("%s\nis answered by %s", of.text(), plan)
		}
		rows, err := s.reading.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+of.text(), values...)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		n := 0
		for rows.Next() {
			n++
		}
		if err := rows.Err(); err != nil || n != 1 {
			t.Errorf("%s\nneeds %d steps (%v)", of.text(), n, err)
		}
	}
	for _, q := range queries {
		bounded := q != store.Query{Column: q.Column}
		of, values := query(scanRows, store.Keys, q)
		check(of, values, bounded)
		of, values = query(countRows, store.Keys, q)
		check(of, values, bounded)
		of, values = following(store.Keys, q, "b", "b")
		check(of, values, true)
	}
}

func TestUpgrade(t *testing.T) {
	// version1.db.gz was written by the first Holdfast; it is not to be made
	// again. It holds 20 keys, see fillKeys, and was closed cleanly.
	path := func(t *testing.T) string {
		p := filepath.Join(t.TempDir(), "store.db")
		unzip(t, filepath.Join("testdata", "version1.db.gz"), p)
		return p
	}
	// A version that no Holdfast has yet, on top of all there are.
	next := append(migrations(), `
		ALTER TABLE keys ADD COLUMN extra TEXT NOT NULL DEFAULT 'none';
		UPDATE keys SET extra = scope;
		CREATE INDEX keys_extra ON keys (extra, id);`)

	t.Run("to this version", func(t *testing.T) {
		p := path(t)
		s := openAt(t, p)
		wantKeys(t, s, 20)
		closeStore(t, s)
		wantVersion(t, p, len(migrations()))
	})
	t.Run("to the next", func(t *testing.T) {
		p := path(t)
		s, err := open(p, Options{}.withDefaults(), next)
		if err != nil {
			t.Fatal(err)
		}
		wantKeys(t, s, 20)
		closeStore(t, s)
		wantVersion(t, p, len(next))
		refused(t, p, fault.Unsupported, "newer Holdfast")
	})
	t.Run("a step that fails changes nothing", func(t *testing.T) {
		p := path(t)
		_, err := open(p, Options{}.withDefaults(), append(next, "CREATE TABLE half (id TEXT); DROP TABLE keys; INSERT INTO missing VALUES (1)"))
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("format version %d", len(next)+1)) {
			t.Errorf("open with a step that fails: %v", err)
		}
		wantVersion(t, p, len(next))
		s, err := open(p, Options{}.withDefaults(), next)
		if err != nil {
			t.Fatal(err)
		}
		wantKeys(t, s, 20)
		closeStore(t, s)
	})
}

func wantVersion(t *testing.T, path string, want int) {
	t.Helper()
	header, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := int(header[62])<<8 | int(header[63]); got != want { // of the four bytes at 60
		t.Errorf("%s has version %d, want %d", path, got, want)
	}
}

func TestBackup(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, filepath.Join(dir, "store.db"))
	defer closeStore(t, s)
	fillKeys(t, s, 300)
	copied := filepath.Join(dir, "it's a backup.db")

	// Writing goes on meanwhile, and the copy is of one moment.
	ctx, cancel := context.WithCancel(t.Context())
	wrote := make(chan error, 1)
	go func() {
		for {
			err := s.Update(ctx, func(tx store.Tx) error {
				for _, table := range []*store.Table{store.Settings, store.Users} {
					n, err := tx.Count(table, store.Query{})
					if err != nil {
						return err
					}
					row := store.Row{ID: fmt.Sprint(n), Columns: make([]string, len(table.Columns))}
					if err := tx.Insert(table, row); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				wrote <- err
				return
			}
		}
	}()
	if err := s.Backup(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-wrote; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if info, err := os.Stat(copied); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	if err := s.Backup(t.Context(), copied); fault.KindOf(err) != fault.AlreadyExists {
		t.Errorf("a backup onto a file: %v, want AlreadyExists", err)
	}
	if err := s.Backup(ctx, filepath.Join(dir, "cancelled.db")); err == nil {
		t.Error("a backup whose context has ended worked")
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*partial*")); err != nil || len(left) > 0 {
		t.Error("left behind:", left, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "cancelled*")); err != nil || len(left) > 0 {
		t.Error("left behind:", left, err)
	}

	b := openAt(t, copied)
	defer closeStore(t, b)
	wantKeys(t, b, 300)
	if err := b.View(t.Context(), func(r store.Reader) error {
		users, err := r.Count(store.Users, store.Query{})
		if err != nil {
			return err
		}
		settings, err := r.Count(store.Settings, store.Query{})
		if users != settings {
			t.Errorf("the copy has %d users and %d settings: not of one moment", users, settings)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
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
	defer f.Close()
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
