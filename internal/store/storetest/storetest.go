// Package storetest is the contract of store.Store as a test: every
// implementation runs Test in a test of its own.
package storetest

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Config says what is tested.
type Config struct {
	// New returns an empty store. Test closes it.
	New func(t *testing.T) store.Store
	// Reopen closes the store and opens what it has kept. It is nil for a
	// store that keeps nothing.
	Reopen func(t *testing.T, s store.Store) store.Store
}

// Test runs the contract's tests. They take a few seconds.
func Test(t *testing.T, c Config) {
	for _, group := range []struct {
		name  string
		tests map[string]func(*testing.T, Config)
	}{
		{"rows", rowTests()},
		{"scans", scanTests()},
		{"transactions", transactionTests()},
		{"concurrency", concurrencyTests()},
		{"life", lifeTests()},
	} {
		t.Run(group.name, func(t *testing.T) {
			for name, test := range group.tests {
				t.Run(name, func(t *testing.T) { test(t, c) })
			}
		})
	}
}

// open returns an empty store that is closed when the test ends.
func (c Config) open(t *testing.T) store.Store {
	t.Helper()
	s := c.New(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	return s
}

// update runs f in a transaction that must succeed.
func update(t *testing.T, s store.Store, f func(store.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), f); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

// view runs f on a state that must be readable.
func view(t *testing.T, s store.Store, f func(store.Reader) error) {
	t.Helper()
	if err := s.View(t.Context(), f); err != nil {
		t.Fatalf("View: %v", err)
	}
}

// put stores rows.
func put(t *testing.T, s store.Store, table *store.Table, rows ...store.Row) {
	t.Helper()
	update(t, s, func(tx store.Tx) error {
		for _, r := range rows {
			if err := tx.Put(table, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// all returns the rows that a query yields.
func all(r store.Reader, table *store.Table, q store.Query) ([]store.Row, error) {
	var rows []store.Row
	for row, err := range r.Scan(table, q) {
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// ids returns the ids of the rows that a query yields.
func ids(r store.Reader, table *store.Table, q store.Query) ([]string, error) {
	rows, err := all(r, table, q)
	list := []string{}
	for _, row := range rows {
		list = append(list, row.ID)
	}
	return list, err
}

// wantRows requires that the table holds exactly these rows, in id order.
func wantRows(t *testing.T, s store.Store, table *store.Table, want ...store.Row) {
	t.Helper()
	view(t, s, func(r store.Reader) error {
		got, err := all(r, table, store.Query{})
		if err != nil {
			return err
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("rows of %s (-want +got):\n%s", table.Name, diff)
		}
		return nil
	})
}

// wantKind requires an error of the kind.
func wantKind(t *testing.T, what string, err error, want fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != want {
		t.Errorf("%s: error %v (kind %v), want kind %v", what, err, fault.KindOf(err), want)
	}
}

// key returns a row for store.Keys.
func key(id, scope, due, body string) store.Row {
	return store.Row{ID: id, Columns: []string{scope, due}, Body: []byte(body)}
}

// setting returns a row for store.Settings.
func setting(id, body string) store.Row {
	return store.Row{ID: id, Body: []byte(body)}
}

// ended returns a context that has ended.
func ended(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
