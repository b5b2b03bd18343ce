package sshkey

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
)

// maxPath is the longest path of a socket that every system takes, in bytes.
const maxPath = 103

// Listen makes the socket of an agent, which only its owner reaches (mode
// 0600, from the first moment on). A socket that a dead agent has left is
// replaced. Closing the listener removes it.
func Listen(ctx context.Context, path string) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("the path of a socket has at most %d bytes: %s", maxPath, path)
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	// It is made in a folder that nobody else can enter, for between making a
	// socket and changing its mode somebody could connect.
	dir, err := os.MkdirTemp(filepath.Dir(path), ".agent-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is empty then
	made := filepath.Join(dir, "s")
	var config net.ListenConfig
	l, err := config.Listen(ctx, "unix", made)
	if err != nil {
		return nil, err
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // it will have another name
	}
	err = os.Chmod(made, 0o600)
	if err == nil {
		err = os.Rename(made, path)
	}
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return &socket{Listener: l, path: path}, nil
}

// removeStale removes a socket at which nobody answers.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there, and is no socket", path)
	}
	var d net.Dialer
	if c, err := d.DialContext(ctx, "unix", path); err == nil {
		_ = c.Close()
		return fmt.Errorf("another agent serves at %s", path)
	}
	return os.Remove(path)
}

// socket removes its file once when it is closed.
type socket struct {
	net.Listener
	path string
	once sync.Once
}

// Close ends the listening.
func (s *socket) Close() error {
	err := s.Listener.Close()
	s.once.Do(func() { _ = os.Remove(s.path) }) // it may be gone
	return err
}
