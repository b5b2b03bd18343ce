// Package disk asks the operating system for what the os package has no word
// for: a directory for one process alone, data made durable without its
// metadata, and whether a failure is a full disk.
package disk
