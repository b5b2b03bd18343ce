package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxSaid is how much of what a command says is kept, in bytes.
const maxSaid = 2 << 10

// do has the program that uses the certificate's files load them.
func (r *Reload) do(ctx context.Context, name string) error {
	if r.PIDFile != "" {
		return r.signal()
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.Timeout))
	defer cancel()
	cmd := exec.CommandContext(ctx, r.Command[0], r.Command[1:]...) //nolint:gosec // the command is the operator's own
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "HOLDFAST_CERTIFICATE=" + name}
	cmd.Dir = "/"
	said := &tail{}
	cmd.Stdout, cmd.Stderr = said, said
	// A group of its own, so that what it started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrWaitDelay): // it went well, and left something running that has its output
		return nil
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("the reload command did not end within %s: %s", time.Duration(r.Timeout), said)
	case err != nil:
		return fmt.Errorf("the reload command failed: %w: %s", err, said)
	}
	return nil
}

// signal sends the signal to the process whose id is in the file.
func (r *Reload) signal() error {
	text, err := ReadSecret(r.PIDFile)
	if err != nil {
		return fmt.Errorf("reading the process to signal: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 { // 0 and below are groups, 1 is init
		return fmt.Errorf("%s has no process's id", r.PIDFile)
	}
	if err := syscall.Kill(pid, signals[r.Signal]); err != nil {
		return fmt.Errorf("sending %s to the process %d: %w", r.Signal, pid, err)
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - maxSaid; over > 0 {
		t.kept = t.kept[over:]
	}
	return len(p), nil
}

// String returns it as one line.
func (t *tail) String() string {
	return strings.Join(strings.Fields(string(bytes.ToValidUTF8(t.kept, []byte("?")))), " ")
}
