//go:build linux

package worker

import (
	"context"
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

// farewell is how long C_Finalize may take before the process is killed.
const farewell = 2 * time.Second

// Process is a running worker. It implements pkcs11.Module.
type Process struct {
	path    string
	cmd     *exec.Cmd
	control *os.File      // the parent's end of the control pipe
	done    chan struct{} // closed when the process has ended
	m       *memory
	users   atomic.Int32 // who may use m; it is unmapped when none is left
	spin    bool         // there is a processor to spare for waiting
	missed  atomic.Uint32

	closing atomic.Bool
	hung    atomic.Bool // a call was given up: there will be no C_Finalize

	used    chan struct{} // has an element for each place in use
	waiters [maxCalls]waiter

	mu    sync.Mutex
	idle  []int // guarded by mu: places that are not in use; the last one is used first
	hired int   // guarded by mu: places that have been used
	ended error // guarded by mu
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
	p := &Process{
		path: c.Path, done: make(chan struct{}), used: make(chan struct{}, maxCalls), spin: runtime.GOMAXPROCS(0) > 1,
	}
	for i := range p.waiters {
		p.waiters[i].told = make(chan struct{}, 1)
		p.idle = append(p.idle, maxCalls-1-i)
	}
	m, fd, err := newMemory()
	if err != nil {
		return nil, err
	}
	p.m = m
	p.users.Store(2) // the process itself, and listen
	if err := p.launch(c, os.NewFile(uintptr(fd), "memory")); err != nil {
		m.unmap()
		return nil, err
	}
	go p.listen()
	if _, err := p.Call(ctx, &pkcs11.Call{Function: pkcs11.FnInfo}); err != nil {
		p.kill()
		<-p.done
		return nil, fmt.Errorf("starting the PKCS #11 module %s: %w", c.Path, err)
	}
	return p, nil
}

// launch starts the process, with the shared memory and a control pipe, and
// looks after it until it has ended.
func (p *Process) launch(c Config, memory *os.File) error {
	defer memory.Close() //nolint:errcheck // it is mapped
	theirs, ours, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("making a pipe for a PKCS #11 module: %w", err)
	}
	defer theirs.Close() //nolint:errcheck // the process has its own
	output, w, err := os.Pipe()
	if err != nil {
		_ = ours.Close() // unused
		return fmt.Errorf("making a pipe for a PKCS #11 module: %w", err)
	}
	defer w.Close() //nolint:errcheck // the process has its own
	p.control = ours
	// The file that this process runs, even when another one has its name now.
	p.cmd = exec.Command("/proc/self/exe") //nolint:noctx // it outlives the start
	p.cmd.Args = []string{"holdfast-pkcs11", c.Path}
	p.cmd.Env = environment(c)
	p.cmd.Dir = "/"
	p.cmd.Stdout, p.cmd.Stderr = w, w
	p.cmd.ExtraFiles = []*os.File{memory, theirs}
	// Its own group: the terminal's signals are not for it, and whatever it
	// starts ends with it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, Setpgid: true}
	started := make(chan error)
	go p.watch(started, output, c.Log.With(slog.String("module", filepath.Base(c.Path))))
	if err := <-started; err != nil {
		_ = ours.Close() // unused
		_ = output.Close()
		return err
	}
	return nil
}

// enter reports whether the shared memory is there to be used, until exit.
func (p *Process) enter() bool {
	for {
		n := p.users.Load()
		if n == 0 {
			return false
		}
		if p.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (p *Process) exit() {
	if p.users.Add(-1) == 0 {
		p.m.unmap()
	}
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
	p.ended = pkcs11.ErrGone
	if err != nil && !p.closing.Load() {
		p.ended = fmt.Errorf("%w: %s ended: %w", pkcs11.ErrGone, p.path, err)
	}
	p.mu.Unlock()
	_ = p.control.Close() // nobody reads it
	close(p.done)
	p.m.ring.Add(1) // listen looks at done now
	wake(p.m.ring)
	p.exit()
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
	if p.hung.Load() {
		p.kill()
	} else if _, err := p.control.Write([]byte{0}); err != nil {
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
