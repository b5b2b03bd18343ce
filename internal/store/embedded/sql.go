package embedded

import (
	"strings"

	"github.com/holdfast-kms/holdfast/internal/store"
)

// This file holds the SQL of the rows; schema.go holds that of the tables.
// Both are written in what SQLite and PostgreSQL have in common. A server
// database numbers the placeholders, and declares text COLLATE "C".

// verb is what a statement does.
type verb uint8

const (
	insertRow verb = iota
	putRow
	deleteRow
	getRow
	scanRows
	countRows
)

// shape is a statement without its values: statements of one shape have one
// text, and are prepared once for each connection.
type shape struct {
	verb   verb
	table  *store.Table
	column string // of a query, "" for the id
	bounds bounds // of a query
}

// bounds says which conditions a query has. Their values are bound in the
// order of the constants.
type bounds uint8

const (
	equal     bounds = 1 << iota // column = ?
	from                         // column or id >= ?
	to                           // column or id < ?
	afterID                      // id > ?
	afterPair                    // (column, id) > (?, ?)
)

// text returns the statement.
func (s shape) text() string {
	table := quote(s.table.Name)
	switch s.verb {
	case insertRow:
		return s.insert() + " ON CONFLICT (id) DO NOTHING"
	case putRow:
		var sets []string
		for _, c := range s.table.Columns {
			sets = append(sets, quote(c)+" = excluded."+quote(c))
		}
		return s.insert() + " ON CONFLICT (id) DO UPDATE SET " + strings.Join(append(sets, "body = excluded.body"), ", ")
	case deleteRow:
		return "DELETE FROM " + table + " WHERE id = ?"
	case getRow:
		return "SELECT " + s.columns() + " FROM " + table + " WHERE id = ?"
	case scanRows:
		order := "id"
		if s.column != "" {
			order = quote(s.column) + ", id"
		}
		return "SELECT " + s.columns() + " FROM " + table + s.where() + " ORDER BY " + order + " LIMIT ?"
	default: // countRows
		return "SELECT count(*) FROM " + table + s.where()
	}
}

// insert returns the part that Insert and Put share.
func (s shape) insert() string {
	n := 2 + len(s.table.Columns)
	return "INSERT INTO " + quote(s.table.Name) + " (" + s.columns() + ") VALUES (?" + strings.Repeat(", ?", n-1) + ")"
}

// columns returns the list of columns in the order of a store.Row's fields.
func (s shape) columns() string {
	list := []string{"id"}
	for _, c := range s.table.Columns {
		list = append(list, quote(c))
	}
	return strings.Join(append(list, "body"), ", ")
}

// where returns the conditions.
func (s shape) where() string {
	column := "id"
	if s.column != "" {
		column = quote(s.column)
	}
	var terms []string
	for _, c := range []struct {
		bound bounds
		term  string
	}{
		{equal, column + " = ?"},
		{from, column + " >= ?"},
		{to, column + " < ?"},
		{afterID, "id > ?"},
		{afterPair, "(" + column + ", id) > (?, ?)"},
	} {
		if s.bounds&c.bound != 0 {
			terms = append(terms, c.term)
		}
	}
	if len(terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(terms, " AND ")
}

// query returns the shape and the values of a scan or count of what q's
// bounds admit.
func query(v verb, t *store.Table, q store.Query) (shape, []any) {
	s := shape{verb: v, table: t, column: q.Column}
	var values []any
	add := func(b bounds, value string) {
		if value != "" {
			s.bounds |= b
			values = append(values, value)
		}
	}
	add(equal, q.Equal)
	if q.Column != "" || q.From > q.After {
		add(from, q.From)
	}
	add(to, q.To)
	if q.Column != "" || q.After >= q.From {
		add(afterID, q.After)
	}
	return s, values
}

// following returns the shape and the values of the rest of a scan whose last
// row had this id, and this value of the query's column.
func following(t *store.Table, q store.Query, id, value string) (shape, []any) {
	if q.Column == "" || q.Equal != "" {
		q.From, q.After = "", id
		return query(scanRows, t, q)
	}
	q.From = ""
	s, values := query(scanRows, t, q)
	s.bounds |= afterPair
	return s, append(values, value, id)
}

// ends returns statements that read the first and the last row by each of the
// table's indexes. INDEXED BY, which only SQLite has, fails without the index.
func ends(t *store.Table) []string {
	var list []string
	add := func(hint, order string) {
		text := "SELECT " + shape{table: t}.columns() + " FROM " + quote(t.Name) + hint + " ORDER BY " + order
		list = append(list, text+" ASC LIMIT 1", text+" DESC LIMIT 1")
	}
	add("", "id")
	for _, c := range t.Columns {
		add(" INDEXED BY "+quote(t.Name+"_"+c), quote(c))
	}
	return list
}

// quote makes a name an identifier: some are words of SQL ("user", "key").
func quote(name string) string { return `"` + name + `"` }
