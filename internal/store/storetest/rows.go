package storetest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

func rowTests() map[string]func(*testing.T, Config) {
	return map[string]func(*testing.T, Config){
		"insert, get, replace, delete": testCRUD,
		"every table":                  testTables,
		"every byte comes back":        testBytes,
		"limits":                       testLimits,
		"rows are copies":              testCopies,
		"unknown table":                testUnknownTable,
	}
}

func testCRUD(t *testing.T, c Config) {
	s := c.open(t)
	first, second := key("k1", "a", "", "one"), key("k1", "b", "2026", "two")
	other := key("k2", "a", "", "other")

	view(t, s, func(r store.Reader) error {
		_, err := r.Get(store.Keys, "k1")
		wantKind(t, "Get of no row", err, fault.NotFound)
		return nil
	})
	update(t, s, func(tx store.Tx) error {
		wantKind(t, "Delete of no row", tx.Delete(store.Keys, "k1"), fault.NotFound)
		return tx.Insert(store.Keys, first)
	})
	update(t, s, func(tx store.Tx) error {
		wantKind(t, "Insert of a row that exists", tx.Insert(store.Keys, second), fault.AlreadyExists)
		return tx.Insert(store.Keys, other)
	})
	wantRows(t, s, store.Keys, first, other)

	put(t, s, store.Keys, second)
	wantRows(t, s, store.Keys, second, other)
	view(t, s, func(r store.Reader) error {
		for scope, want := range map[string][]string{"a": {"k2"}, "b": {"k1"}} {
			got, err := ids(r, store.Keys, store.Query{Column: "scope", Equal: scope})
			if err != nil {
				return err
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("keys of scope %s after Put (-want +got):\n%s", scope, diff)
			}
		}
		return nil
	})

	update(t, s, func(tx store.Tx) error { return tx.Delete(store.Keys, "k1") })
	wantRows(t, s, store.Keys, other)
	put(t, s, store.Keys, first)
	wantRows(t, s, store.Keys, first, other)
}

func testTables(t *testing.T, c Config) {
	s := c.open(t)
	row := func(table *store.Table) store.Row {
		r := store.Row{ID: "same", Body: []byte("of " + table.Name)}
		for _, column := range table.Columns {
			r.Columns = append(r.Columns, "in "+column)
		}
		return r
	}
	update(t, s, func(tx store.Tx) error {
		for _, table := range store.Tables() {
			if err := tx.Insert(table, row(table)); err != nil {
				return fmt.Errorf("%s: %w", table.Name, err)
			}
		}
		return nil
	})
	for _, table := range store.Tables() {
		wantRows(t, s, table, row(table))
		for _, column := range table.Columns {
			view(t, s, func(r store.Reader) error {
				got, err := all(r, table, store.Query{Column: column, Equal: "in " + column})
				if err != nil {
					return err
				}
				if diff := cmp.Diff([]store.Row{row(table)}, got, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s by %s (-want +got):\n%s", table.Name, column, diff)
				}
				return nil
			})
		}
	}
}

func testBytes(t *testing.T, c Config) {
	s := c.open(t)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	rows := map[string][]byte{
		"nil":        nil,
		"empty":      {},
		"one NUL":    {0},
		"every byte": every,
		"largest":    bytes.Repeat(every, store.MaxBody/len(every)),
		"sql":        []byte(`'"; DROP TABLE keys; --`),
	}
	texts := []string{"Ünïcödé/ключ/鍵/🔑", `'; DROP TABLE "keys"; --`, "tab\tnewline\n", "%_?$1", strings.Repeat("x", store.MaxText)}
	for id, body := range rows {
		put(t, s, store.Keys, store.Row{ID: id, Columns: []string{"body", ""}, Body: body})
	}
	for _, text := range texts {
		put(t, s, store.Keys, store.Row{ID: text, Columns: []string{"text", text}})
	}
	view(t, s, func(r store.Reader) error {
		for id, body := range rows {
			got, err := r.Get(store.Keys, id)
			if err != nil {
				return err
			}
			if !bytes.Equal(got.Body, body) {
				t.Errorf("body %q: %d bytes that are not the %d stored", id, len(got.Body), len(body))
			}
		}
		for _, text := range texts {
			got, err := r.Get(store.Keys, text)
			if err != nil {
				return err
			}
			if got.ID != text || got.Columns[1] != text || len(got.Body) != 0 {
				t.Errorf("text %q came back as id %q, column %q, %d bytes", text, got.ID, got.Columns[1], len(got.Body))
			}
		}
		return nil
	})
}

func testLimits(t *testing.T, c Config) {
	s := c.open(t)
	long := strings.Repeat("x", store.MaxText+1)
	tests := []struct {
		name string
		row  store.Row
		want fault.Kind
	}{
		{"no id", key("", "s", "", ""), fault.InvalidArgument},
		{"id with NUL", key("a\x00b", "s", "", ""), fault.InvalidArgument},
		{"id not UTF-8", key("\xff", "s", "", ""), fault.InvalidArgument},
		{"column with NUL", key("a", "\x00", "", ""), fault.InvalidArgument},
		{"column not UTF-8", key("a", "s", "\xc3", ""), fault.InvalidArgument},
		{"too few columns", store.Row{ID: "a", Columns: []string{"s"}}, fault.InvalidArgument},
		{"too many columns", store.Row{ID: "a", Columns: []string{"s", "", ""}}, fault.InvalidArgument},
		{"long id", key(long, "s", "", ""), fault.LimitExceeded},
		{"long column", key("a", long, "", ""), fault.LimitExceeded},
		{"large body", key("a", "s", "", strings.Repeat("x", store.MaxBody+1)), fault.LimitExceeded},
	}
	update(t, s, func(tx store.Tx) error {
		for _, test := range tests {
			wantKind(t, "Insert with "+test.name, tx.Insert(store.Keys, test.row), test.want)
			wantKind(t, "Put with "+test.name, tx.Put(store.Keys, test.row), test.want)
		}
		return tx.Put(store.Keys, key("fine", "", "", ""))
	})
	wantRows(t, s, store.Keys, key("fine", "", "", ""))
}

// testCopies changes what went in and what came out.
func testCopies(t *testing.T, c Config) {
	s := c.open(t)
	want := key("k", "scope", "due", "body")
	given := key("k", "scope", "due", "body")
	update(t, s, func(tx store.Tx) error {
		err := tx.Insert(store.Keys, given)
		given.Columns[0], given.Body[0] = "changed", 'X'
		return err
	})
	wantRows(t, s, store.Keys, want)
	view(t, s, func(r store.Reader) error {
		got, err := r.Get(store.Keys, "k")
		if err != nil {
			return err
		}
		got.Columns[0], got.Body[0] = "changed", 'X'
		for got, err := range r.Scan(store.Keys, store.Query{}) {
			if err != nil {
				return err
			}
			got.Columns[1], got.Body[1] = "changed", 'X'
		}
		return nil
	})
	wantRows(t, s, store.Keys, want)
}

func testUnknownTable(t *testing.T, c Config) {
	s := c.open(t)
	unknown := &store.Table{Name: "unknown"}
	err := s.View(t.Context(), func(r store.Reader) error {
		_, err := r.Get(unknown, "id")
		return err
	})
	wantKind(t, "Get from an unknown table", err, fault.Internal)
	err = s.Update(t.Context(), func(tx store.Tx) error {
		if err := tx.Put(store.Settings, setting("a", "")); err != nil {
			return err
		}
		_ = tx.Put(unknown, store.Row{ID: "id"}) // an f that does not look
		return nil
	})
	wantKind(t, "Update that ignores a failed write", err, fault.Internal)
	wantRows(t, s, store.Settings)
}
