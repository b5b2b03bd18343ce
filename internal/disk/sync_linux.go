package disk

import (
	"errors"
	"os"
	"syscall"
)

// Sync makes what was written to the file durable. The file's size does
// not change, so its metadata can wait.
func Sync(file *os.File) error {
	for {
		err := syscall.Fdatasync(int(file.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
