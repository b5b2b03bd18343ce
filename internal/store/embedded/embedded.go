// Package embedded is the store in one SQLite file, for a single server:
// nothing to install, no C compiler (modernc.org/sqlite).
//
// Writers share commits (writer.go), each of which is one fsync of the
// write-ahead log; readers see consistent snapshots, on connections of their
// own, and neither wait nor are waited for. Start with Open. The file's format
// is that of SQLite 3 with the tables of schema.go; a file of an older version
// is brought up to date when it is opened, one of a newer version is refused.
//
// Beside the file FILE stand FILE.lock, which one process holds, and while
// the store is open FILE-wal and FILE-shm. The first holds what has been
// committed lately: never copy FILE alone, use Backup.
package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"github.com/holdfast-kms/holdfast/internal/durable"

	_ "modernc.org/sqlite" // registers the driver

	"github.com/holdfast-kms/holdfast/internal/store"
)

// Options tunes a store. The zero value is what a server should have.
type Options struct {
	// Readers is the number of Views that run at the same time; others wait
	// for one to end. 0 means 4.
	Readers int
	// CacheSize bounds the memory for pages of the writing connection, in
	// bytes; each reading one takes at most an eighth of it. 0 means 8 MiB.
	CacheSize int
	// CheckpointPages is the number of 4 KiB pages that the write-ahead log
	// gathers before they are copied into the file. More means less work for
	// each write, and a longer recovery after a crash. 0 means 4,096 (16 MiB).
	CheckpointPages int
}

func (o Options) withDefaults() Options {
	if o.Readers <= 0 {
		o.Readers = 4
	}
	if o.CacheSize <= 0 {
		o.CacheSize = 8 << 20
	}
	if o.CheckpointPages <= 0 {
		o.CheckpointPages = 4096
	}
	return o
}

// Store is a store.Store in a SQLite file.
type Store struct {
	path    string
	lock    *os.File
	writing *sql.DB
	reading *sql.DB
	writer  *writer
	// readers holds a place for each View that may run: a session, or nil for
	// one not yet opened.
	readers chan *session
	quit    chan struct{} // closed by Close
	close   func() error  // does its work once
}

var _ store.Store = (*Store)(nil)

// Open opens the store at path, and makes it when there is no such file. One
// process can have it open: for others Open is a fault.Unavailable error that
// names the lock file. A file of another program is refused (InvalidArgument),
// as is one of a newer version (Unsupported), and left as it is.
func Open(path string, o Options) (*Store, error) {
	return open(path, o.withDefaults(), migrations())
}

func open(path string, o Options, steps []string) (s *Store, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("opening the store %s: %w", path, err)
		}
	}()
	held, err := lock(path + ".lock")
	if err != nil {
		return nil, err
	}
	s = &Store{
		path: path, lock: held,
		writing: pool(path, o, "rw", o.CacheSize), reading: pool(path, o, "ro", o.CacheSize/8),
		readers: make(chan *session, o.Readers), quit: make(chan struct{}),
	}
	s.close = sync.OnceValue(s.release)
	for range o.Readers {
		s.readers <- nil
	}
	if err := s.start(o, steps); err != nil {
		return nil, errors.Join(err, s.release())
	}
	return s, nil
}

// start readies the file and the writing connection.
func (s *Store) start(o Options, steps []string) error {
	if err := protect(s.path); err != nil {
		return err
	}
	ctx := context.Background()
	session, err := newSession(ctx, s.writing)
	if err != nil {
		return err
	}
	if err := prepare(ctx, session, o, steps); err != nil {
		return errors.Join(err, session.close())
	}
	if err := inspect(ctx, session, s.path); err != nil {
		return errors.Join(err, session.close())
	}
	s.writer = newWriter(session)
	return nil
}

// prepare brings the file to the form that a writer needs.
func prepare(ctx context.Context, s *session, o Options, steps []string) error {
	if err := migrate(ctx, s.conn, steps); err != nil {
		return err
	}
	// A new file has its marks before it gets a write-ahead log, so that what
	// it is can always be told from the file itself. journal_size_limit cuts
	// the log back after a long View has kept it from starting over.
	for _, pragma := range []string{
		"journal_mode = WAL",
		fmt.Sprintf("wal_autocheckpoint = %d", o.CheckpointPages),
		fmt.Sprintf("journal_size_limit = %d", 4*o.CheckpointPages*4096),
	} {
		var result string
		if err := s.conn.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(&result); err != nil {
			return fmt.Errorf("setting %s: %w", pragma, classify(err))
		}
	}
	return nil
}

// protect sees to it that the file exists, durably, and that only its owner
// can read it, before SQLite makes its other files with the same permissions.
// It must not run while SQLite has the file open: closing a descriptor drops
// the process's POSIX locks on the file.
func protect(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the path is the installation's own
	if err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return err
	}
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if err := os.Chmod(path+suffix, 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return durable.SyncDir(filepath.Dir(path))
}

// pool returns connections to the file in a mode of SQLite's: "rw" or "ro".
func pool(path string, o Options, mode string, cache int) *sql.DB {
	q := url.Values{
		"mode": {mode},
		// Single quotes only for texts, errors with their own code's text,
		// and nothing that could damage the file by SQL.
		"_dqs": {"0"}, "_error_rc": {"1"}, "_defensive": {"1"},
		"_pragma": {
			"busy_timeout(10000)",                     // nobody else holds a lock for long
			"synchronous(FULL)",                       // an fsync for each commit
			fmt.Sprintf("cache_size(-%d)", cache>>10), // in KiB when negative
			"temp_store(MEMORY)",                      // also what a savepoint keeps to roll back
			"trusted_schema(OFF)", "cell_size_check(ON)",
		},
	}
	name := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		panic("embedded: the driver is not registered: " + err.Error()) // a bug of ours
	}
	if mode == "rw" {
		db.SetMaxOpenConns(1)
	} else {
		db.SetMaxOpenConns(o.Readers + 1) // and a backup
	}
	return db
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, f func(store.Tx) error) error {
	return s.writer.update(ctx, f)
}

// View implements store.Store.
func (s *Store) View(ctx context.Context, f func(store.Reader) error) error {
	session, err := s.reader(ctx)
	if err != nil {
		return err
	}
	defer func() { s.readers <- session }()
	if session == nil {
		if session, err = newSession(ctx, s.reading); err != nil {
			return err
		}
	}
	if err := session.control("BEGIN"); err != nil {
		return err
	}
	tx := &tx{session: session, stop: ctx.Err}
	defer func() {
		tx.ended = true
		// Ends the snapshot. If it fails, so does the next BEGIN, which tells.
		_ = session.control("ROLLBACK") // nothing was written
	}()
	return f(tx)
}

// reader waits for a place for a View.
func (s *Store) reader(ctx context.Context) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-s.quit:
		return nil, closed()
	default:
	}
	select {
	case session := <-s.readers:
		return session, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.quit:
		return nil, closed()
	}
}

// Close implements store.Store. It leaves one file, with everything in it.
func (s *Store) Close() error { return s.close() }

// release ends what Open has started, also when it came only half way.
func (s *Store) release() error {
	close(s.quit)
	var errs []error
	for range cap(s.readers) {
		if session := <-s.readers; session != nil {
			errs = append(errs, session.close())
		}
	}
	// The writing connection goes last: SQLite then copies the log into the
	// file and removes it.
	errs = append(errs, s.reading.Close())
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	return errors.Join(append(errs, s.writing.Close(), s.lock.Close())...)
}
