// Package compat starts the real binary for the tests that drive it from
// outside: the official clients of each API, one folder per API, and the
// crash test. Start with Build and Start.
//
// It knows the program as a user does: its command line, the line that says
// it is ready, and the file of variables to source. It imports nothing of the
// module, so that a test here cannot pass by a detail that users never see.
package compat

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// BinaryVariable names the environment variable with the path of a binary to
// test instead of one built from the tree, such as one with the race detector.
const BinaryVariable = "HOLDFAST_COMPAT_BINARY"

// readyTimeout is how long a server may take until it says that it serves.
// It is generous because tests share their machine; bench measures the start.
const readyTimeout = 60 * time.Second

// Build puts the binary of the tree into dir and returns its path. When the
// environment names a binary, that is returned instead.
func Build(ctx context.Context, dir string) (string, error) {
	if path := os.Getenv(BinaryVariable); path != "" {
		return path, nil
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "holdfast")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/holdfast") //nolint:gosec // the path is the caller's own
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building holdfast: %w\n%s", err, out)
	}
	return path, nil
}

// Root returns the folder of the product's module, at or above the working
// directory. A test in a module of its own is below it too.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "cmd", "holdfast")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no cmd/holdfast at or above the working directory")
		}
		dir = parent
	}
}

// Server is a running "holdfast dev".
type Server struct {
	// Binary and Dir are the program and its data directory.
	Binary, Dir string
	// URL is where it serves, as it said itself.
	URL string
	// Env is what sourcing Dir/env sets, as "NAME=value".
	Env []string
	// Ready is the time from the start of the process to its ready line.
	Ready time.Duration

	cmd    *exec.Cmd
	log    *os.File
	exited chan struct{} // closed when the process has been waited for
	err    error         // of Wait; read after exited is closed
}

// Start runs "holdfast dev" on dir and a free port and returns when it
// serves. Its log is appended to the file dir+".log".
func Start(ctx context.Context, binary, dir string, args ...string) (*Server, error) {
	log, err := os.OpenFile(dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // the path is the caller's own
	if err != nil {
		return nil, err
	}
	args = append([]string{"dev", "--dir", dir, "--listen", "127.0.0.1:0"}, args...)
	s := &Server{
		Binary: binary, Dir: dir, log: log, exited: make(chan struct{}),
		// No context: a server outlives the call that starts it; Stop ends it.
		cmd: exec.Command(binary, args...), //nolint:noctx,gosec // see above; the binary is the one under test
	}
	s.cmd.Env = Environ()
	s.cmd.Stderr = log
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	ready := make(chan string, 1)
	go s.read(stdout, ready)
	if err := s.await(ctx, ready); err != nil {
		s.Kill()
		return nil, fmt.Errorf("%w; its log:\n%s", err, s.Log())
	}
	s.Ready = time.Since(began)
	s.Env, err = source(ctx, filepath.Join(dir, "env"))
	if err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

// read passes the address of the ready line on, reads the rest of the output
// away, and reaps the process at its end.
func (s *Server) read(stdout io.Reader, ready chan<- string) {
	defer close(s.exited)
	defer close(ready)
	sent := false
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if url, ok := strings.CutPrefix(lines.Text(), "ready "); ok && !sent {
			ready <- strings.TrimSpace(url)
			sent = true
		}
	}
	s.err = s.cmd.Wait()
}

// await waits for the ready line.
func (s *Server) await(ctx context.Context, ready <-chan string) error {
	select {
	case url, ok := <-ready:
		if !ok {
			return errors.New("the server ended before it was ready")
		}
		s.URL = url
		return nil
	case <-time.After(readyTimeout):
		return fmt.Errorf("the server is not ready after %v", readyTimeout)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// PID returns the process id of the server.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Kill ends the server as a power cut would, by SIGKILL, and waits for its end.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill() // fails only when it has already ended
	<-s.exited
	_ = s.log.Close() // the log is for people; nothing rests on it
}

// Stop asks the server to end, as an operator would, and waits. It returns
// an error when the server ends with another code than 0, or not at all.
func (s *Server) Stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping the server: %w", err)
	}
	select {
	case <-s.exited:
		return errors.Join(s.err, s.log.Close())
	case <-time.After(readyTimeout):
		s.Kill()
		return errors.New("the server did not end on SIGTERM")
	}
}

// Log returns the last part of the server's log.
func (s *Server) Log() string {
	const most = 8 << 10
	b, err := os.ReadFile(s.Dir + ".log")
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-most):])
}

// Run runs the binary's command line against the server and returns what it
// wrote to its standard output.
func (s *Server) Run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.Binary, args...) //nolint:gosec // the binary is the one under test
	cmd.Env = append(Environ(), s.Env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("holdfast %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}

// Environ returns the environment without what would point a client or the
// binary anywhere else than at the server under test.
func Environ() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "AWS_") || strings.HasPrefix(v, "HOLDFAST_") || strings.HasPrefix(v, "SSL_CERT_FILE=")
	})
}

// source returns the variables that a shell has after sourcing the file and
// did not have before.
func source(ctx context.Context, file string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-euc", `. "$0"; env -0`, file) //nolint:gosec // a file of the server under test
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("sourcing %s: %w", file, err)
	}
	var vars []string
	for v := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		name, _, _ := strings.Cut(v, "=")
		if !slices.Contains([]string{"PATH", "PWD", "OLDPWD", "SHLVL", "_"}, name) {
			vars = append(vars, v)
		}
	}
	return vars, nil
}

// Lookup returns the value of a variable of a list such as Server.Env.
func Lookup(env []string, name string) string {
	for _, v := range slices.Backward(env) {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// Trusting returns a client that trusts the certificates in the file alone.
func Trusting(file string) (*http.Client, error) {
	pem, err := os.ReadFile(file) //nolint:gosec // a file of the server under test
	if err != nil {
		return nil, fmt.Errorf("reading the certificates to trust: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", file)
	}
	return &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
			MaxIdleConnsPerHost: 16,
		},
	}, nil
}
