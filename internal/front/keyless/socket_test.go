package keyless_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/keyless"
)

// TestRemoveSocket: what a server left behind goes, and nothing else.
func TestRemoveSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "s") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path, file := filepath.Join(dir, "s"), filepath.Join(dir, "file")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := keyless.RemoveSocket(path); fault.KindOf(err) != fault.AlreadyExists {
		t.Errorf("one that is listened on: %v", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, file, "", filepath.Join(dir, "none")} {
		if err := keyless.RemoveSocket(p); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket is left")
	}
	if _, err := os.Lstat(file); err != nil {
		t.Error("a file is gone")
	}
}
