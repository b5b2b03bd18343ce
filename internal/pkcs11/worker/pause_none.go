//go:build linux && !amd64 && !arm64

package worker

// pause does nothing: there are no libraries to wait for on this machine.
func pause(uint32) {}
