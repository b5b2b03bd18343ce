package embedded

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// closed is the error of every call after Close.
func closed() error { return fault.New(fault.Unavailable, "the store is closed") }

// classify gives an error of SQLite its kind: what the disk or the machine is
// short of is Unavailable, the rest (a damaged file, a bug of ours) Internal.
func classify(err error) error {
	lite, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch lite.Code() & 0xff { // the low byte is the primary result code
	case sqlite3.SQLITE_NOTADB:
		return &fault.Error{Kind: fault.InvalidArgument, Public: "the file is not a store of Holdfast", Err: err}
	case sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("the store's file is damaged; restore it from a backup: %w", err)
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY,
		sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return &fault.Error{Kind: fault.Unavailable, Public: "the store cannot be read or written at the moment", Err: err}
	default:
		return err
	}
}
