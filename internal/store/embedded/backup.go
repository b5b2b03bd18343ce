package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Backup writes a copy of the store, as of one moment, to a new file at path,
// which is a store of its own and holds no pages that are no longer used. When
// it returns nil the copy is complete and durable; otherwise there is none.
// Reading and writing go on meanwhile. Like the store, the copy holds wrapped
// keys: without the root key it opens nothing.
func (s *Store) Backup(ctx context.Context, path string) (err error) {
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
	if err := s.copyTo(ctx, partial.Name()); err != nil {
		return errors.Join(err, partial.Close())
	}
	if err := errors.Join(partial.Sync(), partial.Close()); err != nil {
		return err
	}
	// Link fails where Rename would replace a file made meanwhile.
	if err := os.Link(partial.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func (s *Store) copyTo(ctx context.Context, path string) error {
	conn, err := s.reading.Conn(ctx)
	if err != nil {
		return classify(err)
	}
	defer conn.Close() //nolint:errcheck // it only read
	_, err = conn.ExecContext(ctx, "VACUUM INTO ?", path)
	return classify(err)
}
