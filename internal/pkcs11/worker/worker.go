//go:build linux

package worker

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/native"
)

// marker is the variable that makes a process a worker; it has the library's
// path.
const marker = "HOLDFAST_PKCS11_WORKER"

// The worker's descriptors. A byte on the control pipe asks it to finalise the
// library and to end; the pipe's end is the parent's end.
const (
	memoryFD  = 3
	controlFD = 4
)

// Main returns at once, except in a process that Start has made: there it
// serves until the parent ends it or has ended, and exits. Call it first in
// main and in TestMain.
func Main() {
	path := os.Getenv(marker)
	if path == "" {
		return
	}
	os.Exit(serve(path)) //nolint:forbidigo // the process is not the program that main is of
}

// serve is a worker's life. Its result is the process's exit code.
func serve(path string) int {
	if err := confine(); err != nil {
		fmt.Fprintln(os.Stderr, "confining the PKCS #11 module's process:", err)
		return 1
	}
	m, err := mapMemory(memoryFD)
	if err != nil {
		fmt.Fprintln(os.Stderr, "starting the PKCS #11 module's process:", err)
		return 1
	}
	_ = unix.Close(memoryFD) // the mapping stays
	module, err := native.Open(path)
	if err != nil {
		module = absent{err}
	}
	go (&crew{module: module, m: m, spin: runtime.NumCPU() > 1}).hire()
	return obey(module)
}

// absent is a module that was not loaded: it says why to whoever asks.
type absent struct{ err error }

func (a absent) Call(context.Context, *pkcs11.Call) (*pkcs11.Result, error) { return nil, a.err }

func (a absent) Close() error { return nil }

// confine takes away what the process does not need.
func confine() error {
	unix.CloseOnExec(memoryFD)
	unix.CloseOnExec(controlFD)
	if err := closeInherited(); err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbidding core files: %w", err)
	}
	// No core by another way, no debugger of the same user, no /proc/PID/mem.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbidding core files: %w", err)
	}
	// A terminal or an init system may signal all processes at once. This one
	// ends when its parent has done with it.
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE)
	debug.SetTraceback("none") // a crash is the library's: Go's stacks say nothing about it
	return nil
}

// closeInherited closes what the parent's parent has left open in the parent.
// All that this process has opened itself is marked close-on-exec, as Go does.
func closeInherited() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("listing descriptors: %w", err)
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd <= controlFD {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			_ = unix.Close(fd) // it is not ours, so there is nothing to be done about it
		}
	}
	return nil
}

// obey does what the parent writes to the control pipe, until that ends.
func obey(module pkcs11.Module) int {
	b := make([]byte, 1)
	for {
		n, err := unix.Read(controlFD, b)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil || n == 0:
			return 0 // the parent has ended
		}
		if err := module.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "C_Finalize:", err)
		}
		return 0
	}
}
