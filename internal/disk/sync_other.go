//go:build !linux

package disk

import "os"

// Sync makes what was written to the file durable.
func Sync(file *os.File) error { return file.Sync() }
