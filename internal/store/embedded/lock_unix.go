//go:build unix

package embedded

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// lock holds the file at path for this process until the returned file is
// closed, or the process ends in any way. It is a file beside the database
// because SQLite's own locks on that one are lost when any descriptor of it is
// closed. The file stays: removing it would let two processes hold the lock,
// one by the old file and one by a new one of the same name.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the path is the installation's own
	if err != nil {
		return nil, fmt.Errorf("opening the lock file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 32)) // the number only helps
		_ = f.Close()                                  // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fault.New(fault.Unavailable, "another server (process %s) has the store open and holds %s",
				strings.TrimSpace(string(holder)), path)
		}
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	if err := f.Truncate(0); err == nil {
		_, _ = fmt.Fprintf(f, "%d\n", os.Getpid()) // the number only helps
	}
	return f, nil
}
