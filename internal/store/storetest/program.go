package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Same runs a program of random operations on several stores, which must be
// empty, and requires the same answers of all. Any bytes are a program.
func Same(t *testing.T, program []byte, stores ...store.Store) {
	t.Helper()
	var want []string
	for i, s := range stores {
		m := &machine{program: program}
		for m.more() {
			m.transaction(t, s)
		}
		m.note("at the end")
		if err := s.View(t.Context(), m.everything); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			want = m.answers
		} else if diff := cmp.Diff(want, m.answers); diff != "" {
			t.Fatalf("%T answers otherwise than %T (-%T +%T):\n%s", s, stores[0], stores[0], s, diff)
		}
	}
}

// machine reads a program and writes down the answers.
type machine struct {
	program []byte
	answers []string
}

func (m *machine) note(format string, args ...any) {
	m.answers = append(m.answers, fmt.Sprintf(format, args...))
}

func (m *machine) more() bool { return len(m.program) > 0 }

// next returns a number below n from the program; 0 when that has ended.
func (m *machine) next(n int) int {
	if len(m.program) == 0 {
		return 0
	}
	b := m.program[0]
	m.program = m.program[1:]
	return int(b) % n
}

// pick returns one of the choices.
func pick[T any](m *machine, choices ...T) T { return choices[m.next(len(choices))] }

// The values are few, so that operations meet; some of them nobody may store.
func (m *machine) id() string {
	return pick(m, "a", "b", "c", "d", "e", "a/1", "a/2", "a0", "A", "é", "🔑", "", "\x00", "\xff")
}

func (m *machine) text() string { return pick(m, "", "x", "y", "xx", "2026", "ü") }

func (m *machine) table() *store.Table { return pick(m, store.Settings, store.Keys, store.Materials) }

func (m *machine) row(t *store.Table) store.Row {
	r := store.Row{ID: m.id(), Body: make([]byte, pick(m, 0, 1, 100, 5000))}
	for range t.Columns {
		r.Columns = append(r.Columns, m.text())
	}
	for i := range r.Body {
		r.Body[i] = byte((len(m.program) + i) % 256)
	}
	return r
}

func (m *machine) query(t *store.Table) store.Query {
	q := store.Query{Column: pick(m, append([]string{"", "none"}, t.Columns...)...), Limit: pick(m, 0, 0, 1, 3)}
	switch m.next(4) {
	case 0:
		q.From, q.To = m.id(), m.id()
	case 1:
		q.After = m.id()
	case 2:
		q.Equal, q.After = m.text(), m.id()
	case 3:
		q.From = m.id()
	}
	return q
}

var errTakenBack = errors.New("taken back")

// transaction runs a few operations in one Update, which may fail, or a View.
func (m *machine) transaction(t *testing.T, s store.Store) {
	t.Helper()
	n, failing := 1+m.next(6), m.next(4) == 0
	if m.next(4) == 0 {
		m.note("View: %v", s.View(t.Context(), func(r store.Reader) error {
			for range n {
				m.read(r)
			}
			return nil
		}))
		return
	}
	m.note("Update: %v", s.Update(t.Context(), func(tx store.Tx) error {
		for range n {
			m.write(tx)
			m.read(tx)
		}
		if failing {
			return errTakenBack
		}
		return nil
	}))
}

func (m *machine) write(tx store.Tx) {
	table := m.table()
	switch m.next(4) {
	case 0:
		r := m.row(table)
		m.note("insert %s %q: %s", table.Name, r.ID, kind(tx.Insert(table, r)))
	case 1, 2:
		r := m.row(table)
		m.note("put %s %q: %s", table.Name, r.ID, kind(tx.Put(table, r)))
	case 3:
		id := m.id()
		m.note("delete %s %q: %s", table.Name, id, kind(tx.Delete(table, id)))
	}
}

func (m *machine) read(r store.Reader) {
	table := m.table()
	switch m.next(3) {
	case 0:
		id := m.id()
		row, err := r.Get(table, id)
		m.note("get %s %q: %s %s", table.Name, id, describe(row), kind(err))
	case 1:
		q := m.query(table)
		n, err := r.Count(table, q)
		m.note("count %s %+v: %d %s", table.Name, q, n, kind(err))
	case 2:
		m.scan(r, table, m.query(table))
	}
}

func (m *machine) scan(r store.Reader, table *store.Table, q store.Query) {
	m.note("scan %s %+v", table.Name, q)
	for row, err := range r.Scan(table, q) {
		m.note("  %s %s", describe(row), kind(err))
	}
}

// everything scans every table in every order.
func (m *machine) everything(r store.Reader) error {
	for _, table := range store.Tables() {
		for _, column := range append([]string{""}, table.Columns...) {
			m.scan(r, table, store.Query{Column: column})
		}
	}
	return nil
}

func describe(r store.Row) string {
	sum := 0
	for _, b := range r.Body {
		sum = sum*31 + int(b)
	}
	return fmt.Sprintf("%q %q %d bytes (%x)", r.ID, r.Columns, len(r.Body), sum)
}

func kind(err error) string {
	if err == nil {
		return "ok"
	}
	return fault.KindOf(err).String()
}
