package keyless

import (
	"errors"
	"io/fs"
	"net"
	"os"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// RemoveSocket removes the Unix socket at a path, "" for none, that a server left
// behind which did not end well. One that somebody listens on stays.
func RemoveSocket(path string) error {
	if path == "" {
		return nil
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return nil //nolint:nilerr // listening says what is wrong
	}
	if c, err := net.Dial("unix", path); err == nil { //nolint:noctx // a local socket answers at once
		return errors.Join(fault.New(fault.AlreadyExists, "another server listens on %s", path), c.Close())
	}
	return os.Remove(path)
}
