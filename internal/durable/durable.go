// Package durable writes files that are whole whatever happens: the old one is
// there, or the new one, also after a crash of the machine.
//
// Start with WriteFile.
package durable

import (
	"errors"
	"os"
	"path/filepath"
)

// WriteFile gives a file its content at once and durably, and its mode also
// where a file with another one was there. Before the content is in it nobody
// else can read it.
func WriteFile(path string, content []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new") // has mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = errors.Join(f.Chmod(mode), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return SyncDir(filepath.Dir(path))
}

// Rename gives a file its name, durably. A file of that name is replaced.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(to))
}

// SyncDir makes the names in a directory durable.
func SyncDir(path string) error {
	d, err := os.Open(path) //nolint:gosec // the caller's own
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
