package pkcs11

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-kms/holdfast/test/compat"
)

// TestSocketActivation passes the agent a socket as systemd does
// (sd_listen_fds(3)). It serves there, and leaves the socket when it ends.
func TestSocketActivation(t *testing.T) {
	w := use(t, tool)
	dir := w.folder(t)
	socket := filepath.Join(dir, "passed.sock")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // nobody minds
	passed, err := l.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = passed.Close() }() // as above
	agent := exec.CommandContext(t.Context(), "/bin/sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" pkcs11 serve --label passed --no-pin`, w.server.Binary)
	agent.Env, agent.Stderr, agent.ExtraFiles = append(compat.Environ(), w.server.Env...), os.Stderr, []*os.File{passed}
	out, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.TrimSpace(line) != "ready "+socket {
		t.Errorf("it says %q (%v)", line, err)
	}
	listed, err := w.run(t.Context(), command{dir: dir, env: []string{"P11_KIT_SERVER_ADDRESS=unix:path=" + socket}, args: []string{"pkcs11-tool", "--module", w.module, "--list-token-slots"}})
	if err != nil || !strings.Contains(listed, "token label        : passed") {
		t.Errorf("%v\n%s", err, listed)
	}
	if err := agent.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := agent.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(socket); err != nil {
		t.Errorf("systemd's socket is gone: %v", err)
	}
}
