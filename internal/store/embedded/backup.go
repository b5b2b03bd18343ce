package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/holdfast-kms/holdfast/internal/durable"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Backup writes a copy of the store, as of one moment, to a new file at path,
// which is a store of its own and holds no pages that are no longer used. When
// it returns nil the copy is complete and durable; otherwise there is none.
// Reading and writing go on meanwhile. Like the store, the copy holds wrapped
// keys: without the root key it opens nothing.
func (s *Store) Backup(ctx context.Context, path string) error {
	return backup(ctx, s.reading, path)
}

// Copy is Backup for a store at path that this process has not opened: another
// one may serve it. It reads whichever version of the format the file has, and
// the copy has the same. A store that nobody serves may be left with FILE-shm
// and an empty FILE-wal beside it, which the next Open takes over.
func Copy(ctx context.Context, path, to string) (err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil { // SQLite's own error would not say it
		return fmt.Errorf("backing the store up: %w", err)
	}
	reading := pool(path, Options{Readers: 1}, "ro", 1<<20)
	defer func() { err = errors.Join(err, reading.Close()) }()
	conn, err := reading.Conn(ctx)
	if err != nil {
		return classify(err)
	}
	version, err := identify(ctx, conn)
	if err == nil && version == 0 {
		err = fault.New(fault.InvalidArgument, "the file is empty")
	}
	if err = errors.Join(err, conn.Close()); err != nil {
		return fmt.Errorf("backing the store %s up: %w", path, err)
	}
	return backup(ctx, reading, to)
}

// Compact writes the file of a store that nobody has open anew, so that
// nothing is left in it of rows that were replaced or deleted.
func Compact(ctx context.Context, path string) (err error) {
	s, err := Open(path, Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }() // copies the log into the file, and removes it
	// Nobody has the store yet, so that the writer's connection is free. A
	// large store is not to be in memory as a whole meanwhile.
	if _, err := s.writer.session.conn.ExecContext(ctx, "PRAGMA temp_store = FILE; VACUUM"); err != nil {
		return fmt.Errorf("compacting the store %s: %w", path, classify(err))
	}
	return nil
}

// backup copies the store that the connections are to.
func backup(ctx context.Context, reading *sql.DB, path string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("backing the store up to %s: %w", path, err)
		}
	}()
	if _, err := os.Lstat(path); err == nil {
		return fault.New(fault.AlreadyExists, "a backup never replaces a file")
	}
	// VACUUM INTO writes only to a file that is empty or missing, with the
	// process's usual permissions, and does not sync it.
	partial, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".partial-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(partial.Name()) //nolint:errcheck // it is gone when all went well
	if err := copyTo(ctx, reading, partial.Name()); err != nil {
		return errors.Join(err, partial.Close())
	}
	if err := errors.Join(partial.Sync(), partial.Close()); err != nil {
		return err
	}
	// Link fails where Rename would replace a file made meanwhile.
	if err := os.Link(partial.Name(), path); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

func copyTo(ctx context.Context, reading *sql.DB, path string) error {
	conn, err := reading.Conn(ctx)
	if err != nil {
		return classify(err)
	}
	defer conn.Close() //nolint:errcheck // it only read
	_, err = conn.ExecContext(ctx, "VACUUM INTO ?", path)
	return classify(err)
}
