package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockTicks is USER_HZ, the unit of /proc/PID/stat: 100 on every Linux that Go
// runs on.
const clockTicks = 100

// process is a server under measurement.
type process struct {
	cmd  *exec.Cmd
	log  *os.File
	name string
}

// launch starts a server on its processor, and waits until a line of its output
// begins with "ready" where it speaks so.
func (b *bench) launch(cmd *exec.Cmd, name string, speaks bool) (*process, error) {
	log, err := os.Create(b.path(name + ".log"))
	if err != nil {
		return nil, err
	}
	if path, err := exec.LookPath("taskset"); err == nil {
		cmd.Args = append([]string{path, "-c", b.serverCPU}, cmd.Args...)
		cmd.Path = path
	}
	cmd.Stderr = log
	p := &process{cmd, log, name}
	var out io.ReadCloser
	if speaks {
		if out, err = cmd.StdoutPipe(); err != nil {
			return nil, err
		}
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	b.procs = append(b.procs, p)
	if !speaks {
		return p, nil
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "ready") {
			go func() { _, _ = io.Copy(io.Discard, out) }() // nothing that comes later is needed
			return p, nil
		}
	}
	text, _ := os.ReadFile(log.Name())
	return nil, fmt.Errorf("%s ended: %s", name, text)
}

// stop ends every server, the last one first.
func (b *bench) stop() error {
	var failures []error
	for i := len(b.procs) - 1; i >= 0; i-- {
		p := b.procs[i]
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			failures = append(failures, err)
		}
		_ = p.cmd.Wait() // what ends by the signal says so
		failures = append(failures, p.log.Close())
	}
	b.procs = nil
	return errors.Join(failures...)
}

// family returns the ids of the process and of all that it started.
func (p *process) family() []int {
	ids := []int{p.cmd.Process.Pid}
	for i := 0; i < len(ids); i++ {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", ids[i]))
		if err != nil {
			continue // it has ended
		}
		for _, t := range tasks {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", ids[i], t.Name()))
			if err != nil {
				continue
			}
			for f := range strings.FieldsSeq(string(text)) {
				if id, err := strconv.Atoi(f); err == nil {
					ids = append(ids, id)
				}
			}
		}
	}
	return ids
}

// cpu returns the processor time of the process and what it started, user and
// system, with that of the children it has waited for.
func (p *process) cpu() time.Duration {
	var ticks int64
	for _, id := range p.family() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
		if err != nil {
			continue // it has ended: its parent has its time
		}
		// The second field is the name, in parentheses, and may have spaces.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		for _, f := range fields[14-3 : 17-2] { // utime, stime, cutime, cstime: proc_pid_stat(5)
			n, err := strconv.ParseInt(f, 10, 64)
			if err == nil {
				ticks += n
			}
		}
	}
	return time.Duration(ticks) * time.Second / clockTicks
}

// resident returns the memory of the process in bytes, without what it started.
func (p *process) resident() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// calm waits until a server does nothing by itself: after its start Holdfast
// makes RSA keys ahead.
func (p *process) calm(ctx context.Context) error {
	for range 90 {
		before := p.cpu()
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
		if p.cpu()-before <= 20*time.Millisecond {
			return nil
		}
	}
	return fmt.Errorf("%s is still busy with itself", p.name)
}
