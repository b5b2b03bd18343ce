//go:build linux && (amd64 || arm64)

package worker

// pause waits for n times the processor's own moment, some dozens of cycles; n
// is not 0. Its other half, which may be doing the work that is waited for, has
// it for itself meanwhile.
func pause(n uint32)
