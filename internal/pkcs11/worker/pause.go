//go:build linux && (amd64 || arm64)

package worker

// pause tells the processor that this is a loop that waits, so that its other
// half, which may be doing the work that is waited for, gets more of it.
func pause()
