//go:build unix

package audit

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// lockDir takes the log's directory for one writer. The lock ends with the
// file, and with the process at the latest.
func lockDir(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the directory is the operator's choice
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fault.New(fault.Unavailable, "the audit log in %s is in use by another process", dir)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// diskFull reports whether an error says that there is no space, for now.
func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
