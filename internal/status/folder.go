package status

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/holdfast-kms/holdfast/internal/durable"

	"github.com/holdfast-kms/holdfast/internal/cert"
)

// folder keeps the lists' files.
type folder interface {
	// spool returns where a list is written before it is whole, and how to be
	// rid of that.
	spool() (_ cert.Spool, discard func(), err error)
	// keep stores a file under a name. When it returns, the file is whole and
	// survives a crash; before, there is no such file.
	keep(name string, content io.Reader) error
	open(name string) (io.ReadSeekCloser, error)
	has(name string) bool
	remove(name string)
	// clean removes every file but some, and what a crash has left.
	clean(keep map[string]bool) error
}

// openFolder returns the folder in a directory, or in memory for "".
func openFolder(dir string) (folder, error) {
	if dir == "" {
		return &memory{files: map[string][]byte{}}, nil
	}
	return directory(dir), os.MkdirAll(dir, 0o750)
}

// directory is a folder on disk.
type directory string

// unfinished begins the names of files that are not whole.
const unfinished = "making-"

func (d directory) spool() (cert.Spool, func(), error) {
	f, err := os.CreateTemp(string(d), unfinished)
	if err != nil {
		return nil, nil, err
	}
	return f, func() { discard(f) }, nil
}

// discard closes and removes a file that nobody needs.
func discard(f *os.File) {
	_ = f.Close()           // nothing of it is used any more
	_ = os.Remove(f.Name()) // clean removes what is left
}

func (d directory) keep(name string, content io.Reader) (err error) {
	f, err := os.CreateTemp(string(d), unfinished)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			discard(f)
		}
	}()
	if _, err := io.Copy(f, content); err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o640), f.Sync(), f.Close()); err != nil {
		return err
	}
	path := filepath.Join(string(d), filepath.FromSlash(name))
	if err := os.Mkdir(filepath.Dir(path), 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return errors.Join(durable.SyncDir(filepath.Dir(path)), durable.SyncDir(string(d)))
}

func (d directory) open(name string) (io.ReadSeekCloser, error) {
	return os.Open(filepath.Join(string(d), filepath.FromSlash(name)))
}

func (d directory) has(name string) bool {
	_, err := os.Stat(filepath.Join(string(d), filepath.FromSlash(name)))
	return err == nil
}

func (d directory) remove(name string) {
	_ = os.Remove(filepath.Join(string(d), filepath.FromSlash(name))) // clean removes what is left
}

func (d directory) clean(keep map[string]bool) error {
	return filepath.WalkDir(string(d), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(string(d), path)
		if err != nil {
			return err
		}
		if name = filepath.ToSlash(name); keep[name] || !strings.HasPrefix(name, unfinished) && !strings.HasSuffix(name, ".crl") {
			return nil
		}
		return os.Remove(path) //nolint:gosec // nobody else writes in the folder
	})
}

// memory is a folder that keeps nothing beyond the process.
type memory struct {
	mu    sync.Mutex // guards files
	files map[string][]byte
}

func (m *memory) spool() (cert.Spool, func(), error) { return &cert.Buffer{}, func() {}, nil }

func (m *memory) keep(name string, content io.Reader) error {
	b, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[name] = b
	return nil
}

// readOnly is a file in memory, which has nothing to close.
type readOnly struct{ *bytes.Reader }

func (readOnly) Close() error { return nil }

func (m *memory) open(name string) (io.ReadSeekCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.files[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return readOnly{bytes.NewReader(b)}, nil
}

func (m *memory) has(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.files[name]
	return ok
}

func (m *memory) remove(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
}

func (m *memory) clean(map[string]bool) error { return nil }
