//go:build linux

package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

const (
	// maxChannels is how many calls one process runs at a time. Each has a
	// thread there and here.
	maxChannels = 128
	// farewell is how long C_Finalize may take before the process is killed.
	farewell = 2 * time.Second
)

// Process is a running worker. It implements pkcs11.Module.
type Process struct {
	path string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended

	slots chan struct{} // one for each call that may run

	closing atomic.Bool
	hung    atomic.Bool // a call was given up: there will be no C_Finalize

	mu      sync.Mutex
	control int        // guarded by mu; -1 when closed
	idle    []*channel // guarded by mu; the last one is used first
	ended   error      // guarded by mu
}

// Start starts a process and loads the library in it. ctx bounds the start; the
// process lives until Close, or until it ends by itself (Done). It dies with
// its parent.
func Start(ctx context.Context, c Config) (*Process, error) {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if !filepath.IsAbs(c.Path) {
		return nil, fmt.Errorf("the PKCS #11 module %q is not named by an absolute path", c.Path)
	}
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, err
	}
	p := &Process{
		path: c.Path, control: ours,
		done: make(chan struct{}), slots: make(chan struct{}, maxChannels),
	}
	if err := p.launch(c, theirs); err != nil {
		_ = unix.Close(ours)
		return nil, err
	}
	if err := p.greet(ctx); err != nil {
		p.kill()
		<-p.done
		return nil, fmt.Errorf("starting the PKCS #11 module %s: %w", c.Path, err)
	}
	return p, nil
}

func socketpair() (ours, theirs int, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, fmt.Errorf("making a channel to a PKCS #11 module: %w", err)
	}
	return fds[0], fds[1], nil
}

// launch starts the process, with its end of the control socket, and looks
// after it until it has ended.
func (p *Process) launch(c Config, control int) error {
	end := os.NewFile(uintptr(control), "control")
	defer end.Close() //nolint:errcheck // the process has its own
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("making a pipe for a PKCS #11 module: %w", err)
	}
	defer w.Close() //nolint:errcheck // the process has its own
	// The file that this process runs, even when another one has its name now.
	p.cmd = exec.Command("/proc/self/exe") //nolint:noctx // it outlives the start
	p.cmd.Args = []string{"holdfast-pkcs11", c.Path}
	p.cmd.Env = environment(c)
	p.cmd.Dir = "/"
	p.cmd.Stdout, p.cmd.Stderr = w, w
	p.cmd.ExtraFiles = []*os.File{end}
	// Its own group: the terminal's signals are not for it, and whatever it
	// starts ends with it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, Setpgid: true}
	started := make(chan error)
	go p.watch(started, r, c.Log.With(slog.String("module", filepath.Base(c.Path))))
	return <-started
}

// environment is what the process gets: where programs are, home, the locale,
// and what the configuration says.
func environment(c Config) []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if _, given := c.Environment[name]; given {
			continue
		}
		if slices.Contains([]string{"PATH", "HOME", "LANG", "LANGUAGE"}, name) || strings.HasPrefix(name, "LC_") {
			env = append(env, v)
		}
	}
	for name, value := range c.Environment {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return append(env, marker+"="+c.Path)
}

// watch starts the process and waits for its end. The system kills the process
// when the thread that has started it ends (PR_SET_PDEATHSIG, prctl(2)), so
// that thread stays.
func (p *Process) watch(started chan<- error, output *os.File, log *slog.Logger) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		_ = output.Close() // nothing is in it
		started <- fmt.Errorf("starting a process for the PKCS #11 module: %w", err)
		return
	}
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		newPrinter(log, p.cmd.Process.Pid).copy(output)
	}()
	started <- nil
	err := p.cmd.Wait()
	_ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL)                    // what it has started; often there is nothing
	_ = output.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // a pipe has deadlines
	<-printed
	p.end(err)
}

// end notes that the process has ended.
func (p *Process) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil, p.closing.Load():
		p.ended = pkcs11.ErrGone
	default:
		p.ended = fmt.Errorf("%w: %s ended: %w", pkcs11.ErrGone, p.path, err)
	}
	if p.control >= 0 {
		_ = unix.Close(p.control) // nothing is lost
		p.control = -1
	}
	for _, c := range p.idle {
		c.close()
	}
	p.idle = nil
	close(p.done)
}

// greet waits for the library to be loaded.
func (p *Process) greet(ctx context.Context) error {
	c := newChannelOn(p.control)
	defer c.leave()
	stop := c.guard(ctx)
	body, k, _, err := c.receive()
	if !stop() {
		return fmt.Errorf("%w: %w", pkcs11.ErrHung, context.Cause(ctx))
	}
	if err != nil {
		<-p.done // it has ended, or closed what it must not close
		return p.Err()
	}
	if k != kindResult {
		return parseError(body, k)
	}
	return nil
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns nil while the process runs; then an ErrGone that says how it
// ended.
func (p *Process) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// PID returns the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// kill ends the process at once.
func (p *Process) kill() { _ = p.cmd.Process.Kill() } // it may have ended

// Close ends the library and its process. It kills it when a call hangs, or
// C_Finalize takes longer than two seconds. Calls that run are ErrGone.
func (p *Process) Close() error {
	p.closing.Store(true)
	if p.hung.Load() || p.tell(finalise, nil) != nil {
		p.kill()
	}
	late := time.NewTimer(farewell)
	defer late.Stop()
	select {
	case <-p.done:
	case <-late.C:
		p.kill()
		<-p.done
	}
	return nil
}

// tell sends a byte on the control socket, with a descriptor or without.
func (p *Process) tell(what byte, rights []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.control < 0 {
		return pkcs11.ErrGone
	}
	if err := unix.Sendmsg(p.control, []byte{what}, rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT); err != nil {
		return errors.Join(pkcs11.ErrGone, err)
	}
	return nil
}
