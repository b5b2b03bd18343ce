// Package worker runs a PKCS #11 library in a process of its own, which is this
// same program once more. Whatever the library does, it does to that process:
// crash, corrupt its memory, hang, print, catch signals, leak descriptors. The
// process gets no environment but what it needs, dies with its parent and
// leaves no core file; what the library prints goes to a log.
//
// A call is one message each way on a channel, a pair of connected Unix
// sockets; there are as many channels as there have been calls at one time. See
// docs/design/2026-11-22-pkcs11-isolation.md for why, and what it costs.
//
// Start with Start, and call Main first in every program that uses it. The
// package is internal and may change with any release.
package worker

import "log/slog"

// Config says what a process loads and what it gets.
type Config struct {
	// Path is the library's absolute path.
	Path string
	// Environment is what the process gets beside PATH, HOME and the locale.
	Environment map[string]string
	// Log gets what the library prints. Default: slog.Default().
	Log *slog.Logger
}
