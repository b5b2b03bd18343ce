package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-kms/holdfast/internal/wire/aws/sigv4"
)

const (
	region = "us-east-1"
	// clockTicks is USER_HZ, the unit of /proc/PID/stat. It is 100 on every
	// Linux that Go runs on (proc(5), sysconf(3)).
	clockTicks   = 100
	startTimeout = 90 * time.Second
)

// server is a running server of any kind.
type server struct {
	name, addr string
	creds      sigv4.Credentials
	cmd        *exec.Cmd
	log        *os.File
	ready      time.Duration // from the start to the ready line
	pprof      string        // address of its profiles, "" for none
}

// newServer starts a command and waits until a line of its output starts
// with "ready", or, for one that says nothing, until its port answers.
func (l *lab) newServer(ctx context.Context, name, addr string, pin, speaks bool, command ...string) (*server, error) {
	log, err := os.OpenFile(filepath.Join(l.work, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	argv := command
	if pin {
		argv = slices.Concat(l.prefix, command)
	}
	s := &server{name: name, addr: addr, log: log}
	s.cmd = exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // the servers under measurement
	s.cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "AWS_") || strings.HasPrefix(v, "HOLDFAST_") || strings.HasPrefix(v, "GOMAXPROCS=")
	}), "GOMAXPROCS=1")
	s.cmd.Stderr = log
	var stdout io.Reader
	if speaks {
		if stdout, err = s.cmd.StdoutPipe(); err != nil {
			return nil, err
		}
	} else {
		s.cmd.Stdout = log
	}
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if speaks {
		err = s.awaitLine(stdout)
	} else {
		err = s.awaitPort(ctx)
	}
	s.ready = time.Since(began)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s (see %s): %w", name, log.Name(), err), s.stop())
	}
	return s, nil
}

func (s *server) awaitLine(stdout io.Reader) error {
	found := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "ready ") {
				found <- true
			}
		}
		close(found)
	}()
	select {
	case ok := <-found:
		if !ok {
			return errors.New("it ended")
		}
		return nil
	case <-time.After(startTimeout):
		return errors.New("it is not ready")
	}
}

func (s *server) awaitPort(ctx context.Context) error {
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.addr)
		if err == nil {
			return c.Close()
		}
	}
	return errors.New("its port does not answer")
}

// stop ends the server.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	_ = s.cmd.Wait() // moto ends by the signal, which counts as an error
	return s.log.Close()
}

// startHoldfast starts the real binary on a data directory, with a plain
// listener beside the TLS one, as a development server has.
func (l *lab) startHoldfast(ctx context.Context, dir string, pin bool) (*server, error) {
	addr, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	profiles, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	command := slices.Concat([]string{l.holdfast, "dev", "--dir", dir, "--listen", "127.0.0.1:0", "--listen-http", addr}, l.extra)
	if l.profile != "" {
		command = append(command, "--pprof", profiles)
	}
	s, err := l.newServer(ctx, "holdfast", addr, pin, true, command...)
	if err != nil {
		return nil, err
	}
	if l.profile != "" {
		s.pprof = profiles
	}
	s.creds, err = readCredentials(filepath.Join(dir, "env"))
	return s, err
}

// readCredentials returns the administrator's credential of an env file.
func readCredentials(file string) (sigv4.Credentials, error) {
	var c sigv4.Credentials
	b, err := os.ReadFile(file)
	if err != nil {
		return c, err
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "export ")), "=")
		switch value = strings.Trim(value, `'"`); name {
		case "HOLDFAST_ACCESS_KEY_ID":
			c.AccessKeyID = value
		case "HOLDFAST_SECRET_ACCESS_KEY":
			c.Secret = value
		}
	}
	if c.AccessKeyID == "" || c.Secret == "" {
		return c, fmt.Errorf("no credential in %s", file)
	}
	return c, nil
}

func (l *lab) startFloor(ctx context.Context) (*server, error) {
	addr, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	s, err := l.newServer(ctx, "floor", addr, true, true, l.floor, "-listen", addr)
	if err == nil {
		s.creds = sigv4.Credentials{AccessKeyID: "FLOOR", Secret: "none"}
	}
	return s, err
}

func (l *lab) startMoto(ctx context.Context) (*server, error) {
	addr, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	s, err := l.newServer(ctx, "moto", addr, true, false, l.moto, "-H", "127.0.0.1", "-p", port)
	if err == nil {
		s.creds = sigv4.Credentials{AccessKeyID: "MOTO", Secret: "none"}
	}
	return s, err
}

// freePort returns a loopback address that was free a moment ago.
func freePort(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// cpu returns the processor time that the server has used, user and system.
func (s *server) cpu() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The second field is the name, in parentheses, and may have spaces.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	const utime, stime = 14 - 3, 15 - 3 // proc_pid_stat(5), counted from the third
	var ticks int64
	for _, f := range []string{fields[utime], fields[stime]} {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / clockTicks, nil
}

// calm waits until the server does nothing by itself: after its start Holdfast
// makes RSA keys ahead, which is no part of a request's cost.
func (s *server) calm(ctx context.Context) error {
	const window, most = time.Second, 0.02 // of a processor
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); {
		before, err := s.cpu()
		if err != nil {
			return err
		}
		select {
		case <-time.After(window):
		case <-ctx.Done():
			return ctx.Err()
		}
		after, err := s.cpu()
		if err != nil {
			return err
		}
		if (after - before).Seconds() <= most*window.Seconds() {
			return nil
		}
	}
	return fmt.Errorf("%s is still busy with itself after %v", s.name, startTimeout)
}

// resident returns the server's resident memory in bytes.
func (s *server) resident() (int64, error) { return s.memory("VmRSS") }

// memory returns a field of /proc/PID/status in bytes: VmRSS, or VmHWM, the
// most that VmRSS has been.
func (s *server) memory(field string) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("no %s in /proc/PID/status", field)
}

// saveProfile writes a CPU profile of the server to a file.
func (s *server) saveProfile(ctx context.Context, file string, d time.Duration) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", s.pprof, max(1, int(d.Seconds())))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // it has been read to its end
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: %s: %w", resp.Status, err)
	}
	return os.WriteFile(file, b, 0o600)
}
