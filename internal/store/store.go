// Package store says what must survive a restart. It knows rows, not what is
// in them: the packages that own the records encode and version them.
//
// Three implementations pass storetest: store/embedded (SQLite, the default),
// store/mem (keeps nothing), and later a server database.
package store

import (
	"context"
	"iter"
)

// Table is a set of rows of one shape. The tables are fixed: an
// implementation makes one real table, with one real index per column, for
// each of Tables.
type Table struct {
	Name string
	// Columns are the indexed text columns beside the row's id.
	Columns []string
}

// The tables, and who owns their bodies' formats.
var (
	// Settings holds the few values of the installation (package seal).
	Settings = &Table{Name: "settings"}
	// Keys holds key metadata by id (package kms). due is the next time at
	// which the clock has something to do with the key (Time format), or "".
	Keys = &Table{Name: "keys", Columns: []string{"scope", "due"}}
	// Materials holds wrapped key material by "key id/version" (package kms).
	Materials = &Table{Name: "materials", Columns: []string{"key"}}
	// Aliases holds aliases by "realm/region/alias name" (package kms).
	Aliases = &Table{Name: "aliases", Columns: []string{"scope", "target"}}
	// Users holds users with their policies by "realm/name" (package identity).
	Users = &Table{Name: "users", Columns: []string{"realm"}}
	// AccessKeys holds sealed credentials by access key id (package identity).
	AccessKeys = &Table{Name: "access_keys", Columns: []string{"user"}}
	// Authorities holds certificate authorities by id (package ca).
	Authorities = &Table{Name: "authorities", Columns: []string{"realm", "due"}}
	// Certificates holds every certificate issued, by "authority id/serial
	// in hex" (package ca). revoked is "" or the time of revocation.
	Certificates = &Table{Name: "certificates", Columns: []string{"authority", "expires", "revoked"}}
)

// Tables returns every table.
func Tables() []*Table {
	return []*Table{Settings, Keys, Materials, Aliases, Users, AccessKeys, Authorities, Certificates}
}

// TimeFormat makes times sort as text. Use it with UTC times for columns.
const TimeFormat = "2006-01-02T15:04:05.000000000Z"

// Row is one record. Columns has a value for each of the table's columns, in
// their order. Body belongs to the owner.
type Row struct {
	ID      string
	Columns []string
	Body    []byte
}

// Query asks for rows in ascending order: of their ids, or, when Column is
// named, of that column's values and then of ids.
type Query struct {
	// Column is one of the table's columns, or "" for the id.
	Column string
	// From is the smallest value wanted, To the first one no longer wanted; an
	// empty To means no end. For all rows with the value v use Equal.
	From, To string
	// Equal, when Column is named, wants rows with exactly this value; From
	// and To must be empty then.
	Equal string
	// After, with Equal or without a Column, skips ids up to and including it.
	After string
	// Limit ends after so many rows; 0 means no limit.
	Limit int
}

// Reader reads from one consistent state of the store. Rows handed out belong
// to the caller.
type Reader interface {
	// Get returns a row, or a fault.NotFound error.
	Get(t *Table, id string) (Row, error)
	// Scan yields rows in the query's order. An error ends the sequence.
	Scan(t *Table, q Query) iter.Seq2[Row, error]
	// Count returns the number of rows that the query's bounds admit; its
	// Limit and After are ignored.
	Count(t *Table, q Query) (int, error)
}

// Tx reads, sees its own writes, and writes.
type Tx interface {
	Reader
	// Insert adds a row; a row with that id is a fault.AlreadyExists error.
	Insert(t *Table, r Row) error
	// Put adds the row or replaces the one with its id.
	Put(t *Table, r Row) error
	// Delete removes a row; a row that is not there is a fault.NotFound error.
	Delete(t *Table, id string) error
}

// Store keeps rows. All methods may be called at the same time.
type Store interface {
	// View runs f on one consistent state that holds everything whose Update
	// returned before View was called.
	View(ctx context.Context, f func(Reader) error) error
	// Update runs f in a serialisable transaction. When Update returns nil,
	// all that f wrote survives a crash of the process and of the machine;
	// when it returns an error, nothing of it was written. f may run at the
	// time of other callers' transactions but never interleaved with them, is
	// called at most once, must be quick, and must not use the store itself.
	Update(ctx context.Context, f func(Tx) error) error
	// Close waits for running transactions and releases the store.
	Close() error
}
