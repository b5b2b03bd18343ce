package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/holdfast-kms/holdfast/internal/durable"
)

// writeFile makes a file anew, with its owner and mode, and durably. Before
// the content is in it, nobody else can read it.
func writeFile(path string, content []byte, mode os.FileMode, uid, gid int) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the path is the operator's own
	if err != nil {
		return err
	}
	if uid >= 0 || gid >= 0 {
		err = f.Chown(uid, gid)
	}
	if err == nil {
		_, err = f.Write(content)
	}
	if err == nil {
		err = errors.Join(f.Chmod(mode), f.Sync())
	}
	return errors.Join(err, f.Close())
}

// replaceFile gives a file of the agent's own its content at once, durably. What
// a kill leaves behind has a name that the next attempt takes.
func replaceFile(path string, content []byte) error {
	next := path + ".new"
	if err := writeFile(next, content, 0o600, -1, -1); err != nil {
		return err
	}
	return durable.Rename(next, path)
}

// link points a symbolic link at a target, at once.
func link(path, target string) error {
	next := path + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, next); err != nil {
		return err
	}
	return durable.Rename(next, path)
}

// remove removes a file, durably. One that is not there is removed.
func remove(path string) error {
	err := os.Remove(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

// keep stores a value as JSON.
func keep(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", filepath.Base(path), err)
	}
	return replaceFile(path, text)
}

// recall reads what keep stored; found is false where there is nothing.
func recall(path string, v any) (found bool, err error) {
	text, err := os.ReadFile(path) //nolint:gosec // the state directory's own file
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", path, err)
	}
	return true, nil
}
