//go:build unix

package disk

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Lock takes a file, which is made when it is missing, for one process: while
// another one has it, the error is fault.Unavailable. The lock ends with the
// file's closing, and with the process at the latest.
func Lock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the caller's own
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fault.New(fault.Unavailable, "%s is in use by another process", filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Full reports whether an error says that there is no space, for now.
func Full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
