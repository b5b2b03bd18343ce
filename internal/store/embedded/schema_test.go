package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

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
		defer rows.Close() //nolint:errcheck // Err has said it
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
		{},
		{From: "a"},
		{To: "b"},
		{From: "a", To: "b"},
		{After: "a"},
		{After: "a", To: "b"},
		{Column: "due"},
		{Column: "due", From: "a"},
		{Column: "due", From: "a", To: "b"},
		{Column: "due", To: "b"},
		{Column: "scope", Equal: "a"},
		{Column: "scope", Equal: "a", After: "b"},
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
		defer rows.Close() //nolint:errcheck // Err has said it
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

// TestCertificatesOfVersion1: the second version finds certificates by other
// columns than the first, and keeps revocations as rows of their own.
func TestCertificatesOfVersion1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	script(t, path, migrations()[0], fmt.Sprintf("PRAGMA application_id = %d", applicationID), "PRAGMA user_version = 1", `
		INSERT INTO certificates VALUES
		('ca-1/01', 'ca-1', '2027-02-20T10:11:12.000000000Z', '', CAST('{"v":1,"der":"MAA="}' AS BLOB)),
		('ca-1/02', 'ca-1', '2026-02-20T10:11:12.000000000Z', 'ca-1/2026-11-22T01:02:03.000000000Z', CAST('{"v":1,"reason":4}' AS BLOB)),
		('ca-2/03', 'ca-2', '9999-12-31T23:59:59.000000000Z', 'ca-2/2026-11-23T01:02:03.000000000Z', CAST('{"v":1}' AS BLOB))`)
	s := openAt(t, path)
	defer closeStore(t, s)
	want := map[*store.Table][]store.Row{
		store.Certificates: {
			{ID: "ca-1/01", Columns: []string{"ca-1/20270220101112"}, Body: []byte(`{"v":1,"der":"MAA="}`)},
			{ID: "ca-1/02", Columns: []string{"ca-1/20260220101112"}, Body: []byte(`{"v":1,"reason":4}`)},
			{ID: "ca-2/03", Columns: []string{"ca-2/99991231235959"}, Body: []byte(`{"v":1}`)},
		},
		store.Revocations: {
			{ID: "ca-1//02", Columns: []string{"ca-1/2026-11-22T01:02:03.000000000Z"}, Body: []byte("1 1795309323 4 1771582272")},
			{ID: "ca-2//03", Columns: []string{"ca-2/2026-11-23T01:02:03.000000000Z"}, Body: []byte("1 1795395723 0 253402300799")},
		},
	}
	for table, rows := range want {
		var got []store.Row
		err := s.View(t.Context(), func(r store.Reader) error {
			for row, err := range r.Scan(table, store.Query{}) {
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
		if diff := cmp.Diff(rows, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", table.Name, diff)
		}
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
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
