package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const inDir = `  - name: web
    managed: m
    dir: DIR/web
    files:
      - {path: cert.pem}
      - {path: key.pem, content: key}
`

const absoluteFiles = `  - name: web
    managed: m
    files:
      - {path: DIR/cert.pem}
      - {path: DIR/key.pem, content: key}
`

// TestInstalls holds that a set arrives, is left alone, is replaced when there
// is another certificate, and is mended when somebody changed it.
func TestInstalls(t *testing.T) {
	for name, c := range map[string]struct{ config, cert, key string }{
		"dir":      {inDir, "web/current/cert.pem", "web/current/key.pem"},
		"absolute": {absoluteFiles, "cert.pem", "key.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, c.config)
			first := h.source.renew()
			h.well()
			if got := h.inPlace(c.cert, c.key); got != first {
				t.Errorf("in place is %s, want %s", got, first)
			}
			h.well()
			if h.source.exports != 1 {
				t.Errorf("a certificate in place was exported %d times", h.source.exports)
			}
			second := h.source.renew()
			h.start() // what is known outlives the process
			h.well()
			if got := h.inPlace(c.cert, c.key); got != second {
				t.Errorf("in place is %s, want the renewed one %s", got, second)
			}
			if err := os.Remove(h.path(c.cert)); err != nil {
				t.Fatal(err)
			}
			h.well()
			if got := h.inPlace(c.cert, c.key); got != second || h.source.exports != 2 {
				t.Errorf("in place is %s after %d exports, want %s again from what is kept", got, h.source.exports, second)
			}
			if got := h.source.outcomes(); got != "installed installed installed" {
				t.Errorf("reported: %s", got)
			}
			modes(t, map[string]os.FileMode{h.path(c.cert): 0o644, h.path(c.key): 0o600, h.path("state"): 0o700, h.path("state/web/state.json"): 0o600})
			left, err := filepath.Glob(h.path("*.holdfast"))
			if hidden, _ := filepath.Glob(h.path(".*holdfast")); err != nil || len(left)+len(hidden) > 0 {
				t.Errorf("left behind: %v %v %v", left, hidden, err)
			}
		})
	}
}

func modes(t *testing.T, want map[string]os.FileMode) {
	t.Helper()
	for path, mode := range want {
		info, err := os.Stat(path)
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %04o, want %04o", path, info.Mode().Perm(), mode)
		}
	}
}

// TestOwner holds that files get the owner, group and mode that are asked for.
func TestOwner(t *testing.T) {
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = 65534, 65534
	}
	h := newHost(t, fmt.Sprintf(`  - name: web
    managed: m
    files:
      - {path: DIR/bundle.pem, content: bundle, owner: "%d", group: "%d", mode: 0640}
`, uid, gid))
	h.source.renew()
	h.well()
	info, err := os.Stat(h.path("bundle.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s := info.Sys().(*syscall.Stat_t)
	if int(s.Uid) != uid || int(s.Gid) != gid || info.Mode().Perm() != 0o640 {
		t.Errorf("the file is of %d:%d with mode %04o, want %d:%d and 0640", s.Uid, s.Gid, info.Mode().Perm(), uid, gid)
	}
	if got := h.inPlace("bundle.pem", "bundle.pem"); got != h.source.current.serial {
		t.Errorf("the bundle has %s", got)
	}
}

// TestRollback holds that a certificate that is not loaded, or not served,
// leaves everything as it was, is tried again later, and not before.
func TestRollback(t *testing.T) {
	for name, files := range map[string]struct{ config, cert, key string }{
		"dir":      {inDir, "web/current/cert.pem", "web/current/key.pem"},
		"absolute": {absoluteFiles, "cert.pem", "key.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			s := listen(t)
			h := newHost(t, files.config+"    check: {address: \""+s.address+"\", server_name: web.example.com, within: 200ms}\n"+
				"    reload: {command: [/bin/sh, -c, 'test ! -e DIR/broken']}\n")
			s.follow(t, h.path(files.cert), h.path(files.key))
			first := h.source.renew()
			h.well()
			s.setDeaf(true)
			second := h.source.renew()
			if err := h.once(); err == nil {
				t.Fatal("a certificate that is not served is a success")
			}
			if got := h.inPlace(files.cert, files.key); got != first {
				t.Errorf("in place is %s, want %s back", got, first)
			}
			s.setDeaf(false)
			h.well() // too early
			if got := h.inPlace(files.cert, files.key); got != first {
				t.Errorf("in place is %s before the back-off is over", got)
			}
			h.at = h.at.Add(2 * time.Minute)
			h.well()
			if got := h.inPlace(files.cert, files.key); got != second {
				t.Errorf("in place is %s after the back-off, want %s", got, second)
			}
			if err := os.WriteFile(h.path("broken"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			h.source.renew()
			if err := h.once(); err == nil || !strings.Contains(err.Error(), "reload command failed") {
				t.Errorf("the failed reload says %v", err)
			}
			if got := h.inPlace(files.cert, files.key); got != second {
				t.Errorf("in place is %s, want %s back", got, second)
			}
			if got := h.source.outcomes(); got != "served rolled-back served rolled-back" {
				t.Errorf("reported: %s", got)
			}
			if h.source.exports != 3 {
				t.Errorf("%d exports, want one for each certificate", h.source.exports)
			}
		})
	}
}

// TestBrings holds that what was there before the agent comes back as it was.
func TestBrings(t *testing.T) {
	h := newHost(t, absoluteFiles+"    reload: {command: [/bin/false]}\n")
	if err := os.WriteFile(h.path("elsewhere"), []byte("old key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(h.path("cert.pem"), []byte("old certificate"), 0o640), os.Symlink("elsewhere", h.path("key.pem"))); err != nil {
		t.Fatal(err)
	}
	h.source.renew()
	if err := h.once(); err == nil {
		t.Fatal("a reload that fails is a success")
	}
	if got := h.read("cert.pem") + ", " + h.read("key.pem"); got != "old certificate, old key" {
		t.Errorf("there is %s", got)
	}
	modes(t, map[string]os.FileMode{h.path("cert.pem"): 0o640})
	if to, err := os.Readlink(h.path("key.pem")); err != nil || to != "elsewhere" {
		t.Errorf("the link leads to %q: %v", to, err)
	}
}

// TestFirst holds that a first certificate stays, although nobody serves it
// yet, and is confirmed once somebody does.
func TestFirst(t *testing.T) {
	s := listen(t)
	h := newHost(t, inDir+"    check: {address: \""+s.address+"\", server_name: web.example.com, within: 200ms}\n")
	first := h.source.renew()
	if err := h.once(); err == nil {
		t.Fatal("a certificate that nobody serves is a success")
	}
	if got := h.inPlace("web/current/cert.pem", "web/current/key.pem"); got != first {
		t.Errorf("in place is %s, want %s", got, first)
	}
	s.follow(t, h.path("web/current/cert.pem"), h.path("web/current/key.pem"))
	h.at = h.at.Add(time.Hour)
	h.start()
	h.well()
	if got := h.source.outcomes(); got != "unconfirmed served" {
		t.Errorf("reported: %s", got)
	}
}

// TestRefused holds that a certificate that cannot be right changes no file.
func TestRefused(t *testing.T) {
	s := listen(t)
	h := newHost(t, inDir+"    check: {address: \""+s.address+"\", server_name: web.example.com, within: 2s}\n")
	s.follow(t, h.path("web/current/cert.pem"), h.path("web/current/key.pem"))
	first := h.source.renew()
	h.well()
	for what, spoil := range map[string]func(){
		"other names": func() { h.source.names = []string{"other.example.com"}; h.source.renew() },
		"expired":     func() { h.source.life = -time.Second; h.source.renew() },
	} {
		was, life := h.source.names, h.source.life
		spoil()
		h.source.names, h.source.life = was, life
		if err := h.once(); err == nil {
			t.Errorf("%s: it is a success", what)
		}
		if got := h.inPlace("web/current/cert.pem", "web/current/key.pem"); got != first {
			t.Errorf("%s: in place is %s", what, got)
		}
	}
	if got := h.source.outcomes(); got != "served refused refused" {
		t.Errorf("reported: %s", got)
	}
	// Another certificate's key never gets as far as a file.
	h.source.renew()
	other := h.source.current.cert
	h.source.renew()
	h.source.current.cert = other
	h.at = h.at.Add(2 * time.Hour)
	if err := h.once(); err == nil || !strings.Contains(err.Error(), "not the certificate's") {
		t.Errorf("a key of another certificate: %v", err)
	}
	if got := h.inPlace("web/current/cert.pem", "web/current/key.pem"); got != first {
		t.Errorf("in place is %s", got)
	}
}

// TestAway holds that a server that is away for long changes nothing, is asked
// less often, and gets to know everything in the end.
func TestAway(t *testing.T) {
	h := newHost(t, absoluteFiles)
	first := h.source.renew()
	h.well()
	h.source.away = errors.New("connection refused")
	asked := 0
	for range 48 * 60 { // two days, a look each minute
		h.at = h.at.Add(time.Minute)
		if err := h.once(); err != nil && strings.Contains(err.Error(), "refused") {
			asked++
		}
	}
	if asked < 48 || asked > 80 {
		t.Errorf("asked %d times in two days, want about once an hour", asked)
	}
	if got := h.inPlace("cert.pem", "key.pem"); got != first {
		t.Errorf("in place is %s", got)
	}
	h.source.away = nil
	second := h.source.renew()
	h.at = h.at.Add(time.Hour)
	h.well()
	if got := h.inPlace("cert.pem", "key.pem"); got != second {
		t.Errorf("in place is %s, want %s", got, second)
	}
	if got := h.source.outcomes(); !strings.HasPrefix(got, "installed installed") {
		t.Errorf("reported: %s", got)
	}
}

// TestReloadTimeout holds that a command that does not end is ended, with what
// it started.
func TestReloadTimeout(t *testing.T) {
	h := newHost(t, absoluteFiles+"    reload: {command: [/bin/sh, -c, 'sleep 300 & echo $! > DIR/pid; wait'], timeout: 200ms}\n")
	if err := os.WriteFile(h.path("cert.pem"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.source.renew()
	began := time.Now()
	if err := h.once(); err == nil || !strings.Contains(err.Error(), "did not end within 200ms") {
		t.Errorf("the command's failure is %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	if got := h.read("cert.pem"); got != "old" {
		t.Errorf("the file is %q", got)
	}
	var pid int
	if _, err := fmt.Sscan(h.read("pid"), &pid); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") { // a zombie waits for whoever is init here
			break
		}
		if time.Now().After(end) {
			t.Fatalf("what the command started, %d, runs on", pid)
		}
	}
}

// TestSignal holds that a signal reaches the process in the file, and that
// groups and init are none.
func TestSignal(t *testing.T) {
	h := newHost(t, absoluteFiles+"    reload: {signal: WINCH, pid_file: DIR/pid}\n")
	h.source.renew()
	write := func(pid string) {
		if err := os.WriteFile(h.path("pid"), []byte(pid+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(fmt.Sprint(os.Getpid())) // the Go runtime ignores WINCH
	h.well()
	for _, pid := range []string{"1", "0", "-1", "-5", "x"} {
		write(pid)
		h.source.renew()
		if err := h.once(); err == nil || !strings.Contains(err.Error(), "no process's id") {
			t.Errorf("the process %q: %v", pid, err)
		}
	}
}

// TestLock holds that two agents do not share a state.
func TestLock(t *testing.T) {
	h := newHost(t, inDir)
	h.start()
	if _, err := Open(t.Context(), h.config, Options{Source: h.source}); err == nil || !strings.Contains(err.Error(), "another agent") {
		t.Errorf("a second agent: %v", err)
	}
}
