package socket

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

// TestPeer asks the kernel about a connection whose ends are both this process's.
func TestPeer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	near, err := net.Dial("unix", path) //nolint:noctx // a test's socket, which answers at once
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = near.Close() }()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = far.Close() }()
	want := Peer{UID: uint32(os.Getuid()), PID: int32(os.Getpid())}
	if got, err := peerOf(far); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if waiting(far) {
		t.Error("something waits before it was sent")
	}
	if _, err := near.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if !waiting(far) {
		t.Error("nothing waits after it was sent")
	}
	pipe, other := net.Pipe()
	defer func() { _, _ = pipe.Close(), other.Close() }()
	if _, err := peerOf(pipe); err == nil {
		t.Error("a connection that is no socket has a peer")
	}
	if !waiting(pipe) {
		t.Error("a connection that cannot tell says no")
	}
}
