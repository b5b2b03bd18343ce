package spire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// indexVersion is the version of the file of keys.
const indexVersion = 1

// entry is a key in the file.
type entry struct {
	URI string `json:"uri"`
	// Fingerprint is that of the public half.
	Fingerprint string `json:"fingerprint"`
}

// index is the file of keys.
type index struct {
	Version int              `json:"version"`
	Place   string           `json:"place"`
	Keys    map[string]entry `json:"keys"`
}

// readIndex reads the file of a place's keys. One that is not there has none.
func readIndex(path, place string) (*index, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator named it
	if errors.Is(err, fs.ErrNotExist) {
		return &index{Version: indexVersion, Place: place, Keys: map[string]entry{}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading keys_file: %w", err)
	}
	i, err := parseIndex(text)
	if err != nil {
		return nil, fmt.Errorf("reading keys_file %s: %w", path, err)
	}
	if i.Place != place {
		return nil, fmt.Errorf("keys_file %s is of keys in %s, and place is %s: name another file", path, i.Place, place)
	}
	return i, nil
}

// parseIndex reads the text of a file.
func parseIndex(text []byte) (*index, error) {
	i := &index{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(i); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("there is something after its end")
	}
	if i.Version != indexVersion {
		return nil, fmt.Errorf("its version is %d, and this program knows only %d: is there a newer release?", i.Version, indexVersion)
	}
	if i.Keys == nil {
		i.Keys = map[string]entry{}
	}
	return i, nil
}

// marshal returns the text of a file.
func (i *index) marshal() ([]byte, error) {
	text, err := json.MarshalIndent(i, "", "\t")
	return append(text, '\n'), err
}

// write replaces the file at once: after a power cut it is the old or the new
// one.
func (i *index) write(path string) (err error) {
	text, err := i.marshal()
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // of mode 0600
	if err != nil {
		return fmt.Errorf("writing keys_file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("writing keys_file: %w", err), os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	syncFolder(filepath.Dir(path))
	return nil
}

// syncFolder has the new name in a folder survive a power cut, where the file
// system can do that. The name is there in any case: a failure is no reason to
// tell SPIRE that it has no key.
func syncFolder(path string) {
	if d, err := os.Open(path); err == nil { //nolint:gosec // the operator named it
		_ = d.Sync()
		_ = d.Close()
	}
}
