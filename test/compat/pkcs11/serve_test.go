package pkcs11

import (
	"bytes"
	"net"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// freeAddress returns an address on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return address
}

// server is a program that serves until it is stopped.
type server struct {
	cmd    *exec.Cmd
	exited chan struct{}
	mu     sync.Mutex // guards out
	out    bytes.Buffer
}

// Write takes what the program says.
func (s *server) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(b)
}

func (s *server) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

// serve starts a program and waits until it listens.
func (w *world) serve(t *testing.T, address string, c command) *server {
	t.Helper()
	s := &server{cmd: exec.Command(c.args[0], c.args[1:]...), exited: make(chan struct{})} //nolint:noctx // stop ends it
	s.cmd.Dir, s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = c.dir, w.environ(c.env...), s, s
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.exited)
		_ = s.cmd.Wait() // how it ended is told by what it said
	}()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close() // it was only to see whether somebody listens
			return s
		}
		select {
		case <-s.exited:
			t.Fatalf("%s ended:\n%s", c.args[0], s.said())
		default:
		}
		if time.Now().After(deadline) {
			s.stop(t)
			t.Fatalf("%s does not listen: %v\n%s", c.args[0], err, s.said())
		}
	}
}

// stop ends the program.
func (s *server) stop(t *testing.T) {
	t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-s.exited:
	case <-time.After(10 * time.Second):
		_ = s.cmd.Process.Kill() // as above
		<-s.exited
	}
	if t.Failed() {
		t.Logf("%s:\n%.4000s", s.cmd.Path, s.said())
	}
}
