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

// controlFD is the worker's end of the control socket.
const controlFD = 3

// What the parent sends on the control socket, one byte each.
const (
	newChannel = 'c' // with the channel's descriptor
	finalise   = 'f'
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
	control := newPipe(controlFD)
	module, err := native.Open(path)
	b, k := pkcs11.AppendResult(control.room(), &pkcs11.Result{}), kindResult
	if err != nil {
		b, k = appendError(control.room(), err)
	}
	if sent := control.send(b, k, 0); sent != nil || err != nil {
		return 1
	}
	return obey(module)
}

// confine takes away what the process does not need.
func confine() error {
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

// obey does what the parent sends on the control socket, until that ends.
func obey(module pkcs11.Module) int {
	b, rights := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	for {
		n, m, _, _, err := unix.Recvmsg(controlFD, b, rights, unix.MSG_CMSG_CLOEXEC)
		switch {
		case err == unix.EINTR: //nolint:errorlint // a system call's error as it is
			continue
		case err != nil || n == 0:
			return 0 // the parent has ended
		case b[0] == finalise:
			if err := module.Close(); err != nil {
				fmt.Fprintln(os.Stderr, "C_Finalize:", err)
			}
			return 0
		}
		fd, err := passed(rights[:m])
		if err != nil {
			fmt.Fprintln(os.Stderr, "taking a channel:", err)
			return 1
		}
		go answer(module, newPipe(fd)) // ends with its channel, or with the process
	}
}

// passed returns the descriptor that came with a message.
func passed(rights []byte) (int, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return 0, err
	}
	if len(messages) != 1 {
		return 0, errFrame
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return 0, err
	}
	if len(fds) != 1 {
		return 0, errFrame
	}
	return fds[0], nil
}

// answer runs the calls that come on a channel, on one thread: libraries keep
// things with threads.
func answer(module pkcs11.Module, p *pipe) {
	runtime.LockOSThread()
	defer p.close()
	for {
		body, k, sequence, err := p.receive()
		if err != nil || k != kindCall {
			return
		}
		result, err := run(module, body)
		p.done(body)
		b, k := p.room(), kindResult
		if err != nil {
			b, k = appendError(b, err)
		} else {
			b = pkcs11.AppendResult(b, result)
			erase(result)
		}
		if len(b)-frameHeader > pkcs11.MaxMessage {
			clear(b)
			b, k = appendError(b[:frameHeader], fmt.Errorf("the result is larger than %d bytes", pkcs11.MaxMessage))
		}
		if p.send(b, k, sequence) != nil {
			return
		}
	}
}

func run(module pkcs11.Module, body []byte) (*pkcs11.Result, error) {
	c, err := pkcs11.ParseCall(body)
	if err != nil {
		return nil, err
	}
	return module.Call(context.Background(), c)
}

// erase overwrites what may be secret in a result.
func erase(r *pkcs11.Result) {
	clear(r.Data)
	for _, a := range r.Attributes {
		clear(a.Value)
	}
}
