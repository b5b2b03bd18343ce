package seal

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/durable"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// A root key file has one root key a line, in hexadecimal: one, or two while
// the root key is being replaced.

// maxRootFile bounds what is read of it, in bytes.
const maxRootFile = 1 << 10

// makeRoot writes a root key to a file, unless there is one: it returns the
// keys that the file has then.
func makeRoot(path string, secret []byte) ([][]byte, error) {
	err := writeNew(path, rootText([][]byte{secret}))
	if errors.Is(err, fs.ErrExist) {
		return readRoot(path)
	}
	if err != nil {
		return nil, fmt.Errorf("writing the root key: %w", err)
	}
	return [][]byte{secret}, nil
}

func rootText(keys [][]byte) []byte {
	var text []byte
	for _, k := range keys {
		text = append(hex.AppendEncode(text, k), '\n')
	}
	return text
}

// readRoot reads a root key file, and refuses one that others can read.
func readRoot(path string) ([][]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading the root key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fault.New(fault.PermissionDenied,
			"others may read the root key: %s has mode %04o, it must be 0600", path, info.Mode().Perm())
	}
	wrong := fault.New(fault.InvalidArgument, "%s does not hold a root key of %d bytes in hex", path, keySize)
	if info.Size() > maxRootFile {
		return nil, wrong
	}
	text, err := os.ReadFile(path) //nolint:gosec // the path is the operator's own data directory
	if err != nil {
		return nil, fmt.Errorf("reading the root key: %w", err)
	}
	defer clear(text)
	var keys [][]byte
	for line := range strings.FieldsSeq(string(text)) {
		secret, err := hex.DecodeString(line)
		if err != nil || len(secret) != keySize {
			clearAll(keys)
			return nil, wrong
		}
		keys = append(keys, secret)
	}
	if len(keys) == 0 || len(keys) > 2 {
		clearAll(keys)
		return nil, wrong
	}
	return keys, nil
}

// writeRoot gives the root key file of dir its content at once and durably.
func writeRoot(dir string, keys [][]byte) error {
	text := rootText(keys)
	defer clear(text)
	if err := durable.WriteFile(filepath.Join(dir, rootFile), text, 0o600); err != nil {
		return fmt.Errorf("writing the root key: %w", err)
	}
	return nil
}

func clearAll(keys [][]byte) {
	for _, k := range keys {
		clear(k)
	}
}

// writeNew writes a file of mode 0600 that must not exist, durably. The name
// appears with all of the content or, when the process is killed, not at all:
// a seal that is half written could be neither opened nor made again.
func writeNew(path string, content []byte) (err error) {
	f, err := partial(path, content)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f)) }()
	if err := os.Link(f, path); err != nil { // unlike a rename, it replaces nothing
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

// partial writes the content to a file beside path, durably, and returns its
// name.
func partial(path string, content []byte) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new") // has mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}
