// Package store says what must survive a restart. It knows rows, not what is
// in them: the packages that own the records encode and version them.
//
// The implementations pass storetest: store/embedded (one SQLite file, the
// default) and store/mem (keeps nothing). What the contract asks for is what
// a server database can give as well: text compares byte by byte, and no
// value holds what PostgreSQL would refuse.
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
	// Authorities holds certificate authorities by id (package ca), and what is
	// known of their CRLs and OCSP responders by "id/…" (package status). due is
	// when a deleted authority is destroyed, or "".
	Authorities = &Table{Name: "authorities", Columns: []string{"realm", "due"}}
	// Certificates holds every certificate issued, by "authority id/serial
	// in hex" (package ca). expires is "authority id/time of expiry".
	Certificates = &Table{Name: "certificates", Columns: []string{"expires"}}
	// Revocations holds what CRLs are made of, by "authority id/shard/serial"
	// (package ca). changed is "authority id/time of the last change".
	Revocations = &Table{Name: "revocations", Columns: []string{"changed"}}
	// Terms finds certificates by what they are about: an empty body by
	// "realm/kind/value/certificate" (package inventory).
	Terms = &Table{Name: "terms"}
	// Found holds certificates from elsewhere, by "realm/SHA-256 of the DER"
	// (package inventory).
	Found = &Table{Name: "found", Columns: []string{"expires"}}
	// Profiles holds the profiles that users made, by "realm/name" (package ca).
	Profiles = &Table{Name: "profiles"}
	// Managed holds managed certificates by id (package managed). scope is
	// "realm/region"; due is when the next renewal is to be tried, or "".
	Managed = &Table{Name: "managed", Columns: []string{"scope", "due"}}
	// Tokens remembers requests that must not be done twice, by
	// "realm/operation/hash of who asks and the token"; expires is when it may
	// forget (package token).
	Tokens = &Table{Name: "tokens", Columns: []string{"expires"}}
	// Reports holds the audit reports of authorities, by "authority id/report
	// id" (package inventory).
	Reports = &Table{Name: "reports"}
	// Imports remembers what was imported and must not be once more, by
	// "key id/SHA-256 of what came" (package kms).
	Imports = &Table{Name: "imports", Columns: []string{"key"}}
	// KeyStores holds custom key stores by id (package customstore). scope is
	// "realm/region".
	KeyStores = &Table{Name: "key_stores", Columns: []string{"scope"}}
	// Clusters holds clusters of HSMs by id (package cluster). scope is
	// "realm/region".
	Clusters = &Table{Name: "clusters", Columns: []string{"scope"}}
	// Backups holds backups of clusters by id (package cluster). due is when a
	// deleted one is destroyed, or "".
	Backups = &Table{Name: "backups", Columns: []string{"scope", "due"}}
	// Roles holds roles with their policies by "realm/name" (package identity).
	Roles = &Table{Name: "roles", Columns: []string{"realm"}}
	// Issuers holds issuers of tokens by "realm/URL" (package identity).
	Issuers = &Table{Name: "issuers", Columns: []string{"realm"}}
	// Factors holds the sealed second factors of users by id, and the client
	// certificates that prove them (package identity).
	Factors = &Table{Name: "factors", Columns: []string{"user"}}
	// Approvals holds requests for critical operations by id; due is when one
	// expires, or "" (package approval).
	Approvals = &Table{Name: "approvals", Columns: []string{"realm", "due"}}
	// Leases holds who does what, until when, by the name of the work (package
	// lease).
	Leases = &Table{Name: "leases"}
	// Events holds what happened and is not told yet, by the id that makes each
	// one happen once; due is when it is to be looked at (package event).
	Events = &Table{Name: "events", Columns: []string{"due"}}
	// Notices holds what is to be delivered, and what was, by id; due is the next
	// attempt or when it is forgotten, lane what waits for the same (package notice).
	Notices = &Table{Name: "notices", Columns: []string{"scope", "due", "lane"}}
	// Secrets holds secrets without their values by "realm/region/name"; due is
	// when a deleted one is destroyed, or "" (package secret).
	Secrets = &Table{Name: "secrets", Columns: []string{"scope", "due"}}
	// SecretVersions holds sealed values by "secret id/version" (package secret).
	SecretVersions = &Table{Name: "secret_versions", Columns: []string{"secret"}}
	// Topics holds topics by "realm/region/name" (package topic).
	Topics = &Table{Name: "topics", Columns: []string{"scope"}}
	// Subscriptions holds subscriptions by "realm/region/topic/id" (package topic).
	Subscriptions = &Table{Name: "subscriptions", Columns: []string{"topic"}}
	// Messages holds messages on their way, and to whom each is to be delivered
	// (package topic). due is when the clock has something to do with a row, or "";
	// failed is the "realm/region" of a delivery that was given up, else "".
	Messages = &Table{Name: "messages", Columns: []string{"due", "failed"}}
	// Trails holds trails by "realm/region/name" (package trail).
	Trails = &Table{Name: "trails", Columns: []string{"scope"}}
	// Alarms holds alarms by "realm/region/name" (package alarm).
	Alarms = &Table{Name: "alarms", Columns: []string{"scope"}}
	// AlarmChanges holds the history of alarms, by "alarm/number"; expires is when
	// it may be forgotten (package alarm).
	AlarmChanges = &Table{Name: "alarm_changes", Columns: []string{"expires"}}
	// Metrics holds figures by "realm/region/metric/dimensions/time" (package
	// metric).
	Metrics = &Table{Name: "metrics", Columns: []string{"expires"}}
	// Rotations holds rules of rotation by "realm/name" (package rotation).
	Rotations = &Table{Name: "rotations", Columns: []string{"realm"}}
	// Deployments holds what agents said of the certificates on their hosts, by
	// "realm/host/name" (package deployment).
	Deployments = &Table{Name: "deployments", Columns: []string{"scope"}}
	// Sinks holds how far the audit log was delivered to each sink, and legal
	// holds, by "sink/name" and "hold/name" (packages sink and retention).
	Sinks = &Table{Name: "sinks"}
)

// Tables returns every table.
func Tables() []*Table {
	return []*Table{
		Settings, Keys, Materials, Aliases, Users, AccessKeys, Authorities, Certificates,
		Revocations, Terms, Found, Profiles, Managed, Tokens, Reports, Imports, KeyStores, Clusters, Backups,
		Roles, Issuers, Factors, Approvals, Leases, Events, Notices, Secrets, SecretVersions, Topics,
		Subscriptions, Messages, Trails, Alarms, AlarmChanges, Metrics, Rotations, Deployments, Sinks,
	}
}

// TimeFormat makes times sort as text. Use it with UTC times for columns.
const TimeFormat = "2006-01-02T15:04:05.000000000Z"

// Row is one record. Columns has a value for each of the table's columns, in
// their order. Body belongs to the owner; a nil Body and an empty one are the
// same. Table.Check says what the values may be.
type Row struct {
	ID      string
	Columns []string
	Body    []byte
}

// Query asks for rows in ascending order (of the values' bytes): of their
// ids, or, when Column is named, of that column's values and then of ids.
type Query struct {
	// Column is one of the table's columns, or "" for the id.
	Column string
	// From is the smallest value wanted, To the first one no longer wanted; an
	// empty To means no end. For all rows with the value v use Equal; for those
	// with an empty value, a To below all others ("0", where they are times).
	From, To string
	// Equal, when Column is named and Equal is not empty, wants rows with
	// exactly this value; From and To must be empty then.
	Equal string
	// After, with Equal or without a Column, skips ids up to and including it.
	After string
	// Limit ends after so many rows; 0 means no limit.
	Limit int
}

// Reader reads from one consistent state of the store. Rows handed out belong
// to the caller. A Reader is for the goroutine that runs f and ends with it.
type Reader interface {
	// Get returns a row, or a fault.NotFound error.
	Get(t *Table, id string) (Row, error)
	// Scan yields rows in the query's order. An error ends the sequence. The
	// loop's body may use the Reader, and a Tx to write: rows that it writes
	// ahead of the loop may or may not be met later in it.
	Scan(t *Table, q Query) iter.Seq2[Row, error]
	// Count returns the number of rows that the query's bounds admit; its
	// Limit and After are ignored.
	Count(t *Table, q Query) (int, error)
}

// Tx reads, sees its own writes, and writes. After an error of the kinds
// NotFound, AlreadyExists, InvalidArgument and LimitExceeded nothing has changed
// and f may go on; after any other, Update fails even if f returns nil.
type Tx interface {
	Reader
	// Insert adds a row; a row with that id is a fault.AlreadyExists error.
	Insert(t *Table, r Row) error
	// Put adds the row or replaces the one with its id.
	Put(t *Table, r Row) error
	// Delete removes a row; a row that is not there is a fault.NotFound error.
	Delete(t *Table, id string) error
}

// Store keeps rows. All methods may be called at the same time. A call that
// cannot be served now (a full disk, a closed store) is a fault.Unavailable
// error; an error of f comes back as it is.
type Store interface {
	// View runs f on one consistent state that holds everything whose Update
	// returned before View was called. A View neither waits for Updates nor
	// delays them. f must not use the store itself.
	View(ctx context.Context, f func(Reader) error) error
	// Update runs f in a serialisable transaction. When Update returns nil,
	// all that f wrote survives a crash of the process and of the machine;
	// when it returns an error, or f panics, nothing of it was written. f may
	// share its commit with other callers' transactions but is never
	// interleaved with them, is called at most once, in the caller's goroutine,
	// must be quick, and must not use the store itself. A ctx that ends before
	// f starts prevents it; once f has started its end is awaited.
	Update(ctx context.Context, f func(Tx) error) error
	// Close waits for running transactions and releases the store. Calls after
	// it fail; a second Close does nothing.
	Close() error
}
