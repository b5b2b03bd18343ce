//go:build !linux

package audit

import "os"

// syncData makes what was written to the file durable.
func syncData(file *os.File) error { return file.Sync() }
