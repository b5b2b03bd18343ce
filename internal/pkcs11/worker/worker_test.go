//go:build linux && (amd64 || arm64) && !static

package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/pkcs11test"
)

// parent makes the test's process a parent that starts a worker, says its
// number and waits to be killed.
const parent = "HOLDFAST_TEST_PARENT"

func TestMain(m *testing.M) {
	Main()
	if path := os.Getenv(parent); path != "" {
		p, err := Start(context.Background(), Config{Path: path})
		if err != nil {
			panic(err)
		}
		_, _ = fmt.Fprintln(os.Stdout, p.PID()) // the test sees what is missing
		select {}
	}
	m.Run()
}

// softhsm starts a worker with SoftHSM 2.
func softhsm(tb testing.TB) (*Process, map[string]string) {
	tb.Helper()
	env, err := pkcs11test.Environment(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	p, err := Start(tb.Context(), Config{Path: pkcs11test.Library(tb), Environment: env, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = p.Close() })
	return p, env
}

// TestModule runs the contract in another process; pkcs11-tool judges what it
// has left behind.
func TestModule(t *testing.T) {
	p, env := softhsm(t)
	pkcs11test.Test(t, p)
	slot, err := pkcs11test.Slot(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	s, err := pkcs11.Open(t.Context(), p, slot, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateObject(t.Context(), []pkcs11.Attribute{
		pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassData), pkcs11.Bool(pkcs11.AttrToken, true), pkcs11.Bool(pkcs11.AttrPrivate, false),
		pkcs11.Text(pkcs11.AttrLabel, "seen from outside"), pkcs11.Bytes(pkcs11.AttrValue, []byte("value")),
	}); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := p.Call(t.Context(), &pkcs11.Call{Function: pkcs11.FnInfo}); !errors.Is(err, pkcs11.ErrGone) {
		t.Errorf("after Close: %v", err)
	}
	tool := exec.CommandContext(t.Context(), "pkcs11-tool", "--module", pkcs11test.Library(t), "--token-label", pkcs11test.Label, "--list-objects", "--type", "data")
	for name, value := range env {
		tool.Env = append(os.Environ(), name+"="+value)
	}
	if out, err := tool.CombinedOutput(); err != nil || !strings.Contains(string(out), "seen from outside") {
		t.Errorf("%v: %s", err, out)
	}
}

// bad compiles the library of testdata.
func bad(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bad.so")
	cc := exec.CommandContext(t.Context(), "gcc", "-shared", "-fPIC", "-w", "-o", path, filepath.Join("testdata", "bad.c"))
	if out, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("this test needs gcc (scripts/install-test-tools installs it): %v\n%s", err, out)
	}
	return path
}

// recorder is a log that is read while it is written.
type recorder struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(b)
}

// waitFor returns the log when it has what is looked for.
func (r *recorder) waitFor(t *testing.T, pattern string) string {
	t.Helper()
	for range 1000 {
		r.mu.Lock()
		text := r.b.String()
		r.mu.Unlock()
		if regexp.MustCompile(pattern).MatchString(text) {
			return text
		}
		time.Sleep(5 * time.Millisecond)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Fatalf("no %q in the log:\n%.2000s", pattern, r.b.String())
	return ""
}

func startBad(t *testing.T, path string, env map[string]string) (*Process, *recorder) {
	t.Helper()
	r := &recorder{}
	p, err := Start(t.Context(), Config{Path: path, Environment: env, Log: slog.New(slog.NewTextHandler(r, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p, r
}

// do makes the library do something.
func do(ctx context.Context, p *Process, what string) error {
	_, err := p.Call(ctx, &pkcs11.Call{Function: pkcs11.FnLogin, Data: []byte(what)})
	return err
}

func works(p *Process) bool {
	r, err := p.Call(context.Background(), &pkcs11.Call{Function: pkcs11.FnRandom, Limit: 3})
	return err == nil && string(r.Data) == "\a\a\a"
}

func gone(t *testing.T, p *Process) {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the process does not end")
	}
}

// TestCrash asserts that a library that ends its process, in whatever way, ends
// no other, and that the calls that run say so.
func TestCrash(t *testing.T) {
	path := bad(t)
	for what, how := range map[string]string{
		"fault": "exit status 2|segmentation", "abort": "aborted|exit status 2", "exit": "exit status 3", "heap": "aborted|exit status 2|segmentation",
	} {
		t.Run(what, func(t *testing.T) {
			p, _ := startBad(t, path, nil)
			if p.Err() != nil || !works(p) {
				t.Fatalf("%v at the start", p.Err())
			}
			others := make(chan error, 3)
			for range cap(others) {
				go func() { others <- do(t.Context(), p, "hang") }()
			}
			time.Sleep(20 * time.Millisecond)
			if err := do(t.Context(), p, what); !errors.Is(err, pkcs11.ErrGone) {
				t.Errorf("%v, want ErrGone", err)
			}
			for range cap(others) {
				if err := <-others; !errors.Is(err, pkcs11.ErrGone) {
					t.Errorf("a call beside it: %v, want ErrGone", err)
				}
			}
			gone(t, p)
			if err := p.Err(); !errors.Is(err, pkcs11.ErrGone) || !regexp.MustCompile(how).MatchString(err.Error()) {
				t.Errorf("%v, want %s", err, how)
			}
			if err := do(t.Context(), p, "nothing"); !errors.Is(err, pkcs11.ErrGone) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// TestHang asserts that a call that does not come back is given up at its
// deadline or cancellation, that others go on, and that Close does not wait
// for it.
func TestHang(t *testing.T) {
	p, _ := startBad(t, bad(t), nil)
	deadline, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := do(deadline, p, "hang"); !errors.Is(err, pkcs11.ErrHung) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want ErrHung", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := do(canceled, p, "hang"); !errors.Is(err, pkcs11.ErrHung) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want ErrHung", err)
	}
	if !works(p) || p.Err() != nil {
		t.Errorf("nothing works any more: %v", p.Err())
	}
	start := time.Now()
	if err := p.Close(); err != nil || time.Since(start) > farewell {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// TestAllHang asserts that calls for which there is no place end at their
// deadlines too.
func TestAllHang(t *testing.T) {
	p, _ := startBad(t, bad(t), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var all sync.WaitGroup
	for range maxCalls + 10 {
		all.Go(func() {
			if err := do(ctx, p, "hang"); !errors.Is(err, pkcs11.ErrHung) {
				t.Errorf("%v, want ErrHung", err)
			}
		})
	}
	all.Wait()
}

// TestLate asserts that the place of a call that was given up is used again
// when its answer has come.
func TestLate(t *testing.T) {
	p, _ := softhsm(t)
	slot, err := pkcs11test.Initialise(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 * maxCalls { // each makes an RSA key, for which there is no time
		s, err := pkcs11.Open(t.Context(), p, slot, true)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_, err = s.Random(ctx, 100_000)
		cancel()
		if err != nil && !errors.Is(err, pkcs11.ErrHung) && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	}
	for range 1000 {
		if len(p.used) == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("%d places are not free", len(p.used))
}

// TestManners asserts that what a library does to its process is its own
// affair.
func TestManners(t *testing.T) {
	path := bad(t)
	for _, what := range []string{"leak", "signals", "print", "long"} {
		t.Run(what, func(t *testing.T) {
			p, _ := startBad(t, path, nil)
			if err := do(t.Context(), p, what); err != nil {
				t.Error(err)
			}
			if !works(p) {
				t.Error("it works no more")
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("close", func(t *testing.T) { // it loses its control pipe, and ends
		p, _ := startBad(t, path, nil)
		if err := do(t.Context(), p, "close"); err != nil && !errors.Is(err, pkcs11.ErrGone) {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("overrun", func(t *testing.T) {
		p, _ := startBad(t, path, nil)
		if _, err := p.Call(t.Context(), &pkcs11.Call{Function: pkcs11.FnSign}); err == nil || !strings.Contains(err.Error(), "more than it had room for") {
			t.Error(err)
		}
	})
	t.Run("a function that is not there", func(t *testing.T) {
		p, _ := startBad(t, path, nil)
		if _, err := p.Call(t.Context(), &pkcs11.Call{Function: pkcs11.FnSeed, Data: []byte{1}}); !errors.Is(err, pkcs11.RVFunctionNotSupported) {
			t.Error(err)
		}
	})
}

// TestPrinting asserts that the log gets whole lines, short ones, and not more
// than it should.
func TestPrinting(t *testing.T) {
	p, log := startBad(t, bad(t), nil)
	if err := do(t.Context(), p, "long"); err != nil {
		t.Fatal(err)
	}
	if text := log.waitFor(t, `line=end`); len(text) > 2000 {
		t.Errorf("%d bytes of log for one line", len(text))
	}
	if err := do(t.Context(), p, "print"); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	text := log.waitFor(t, `lines_lost=999\d\d`)
	if n := strings.Count(text, "the PKCS #11 module prints\""); n > linesAtOnce+2 {
		t.Errorf("%d lines", n)
	}
}

// TestConfined asserts what the process gets and what it may not.
func TestConfined(t *testing.T) {
	t.Setenv("HOLDFAST_SECRET", "of the server")
	t.Setenv("LC_ALL", "C.UTF-8")
	leaked, err := os.CreateTemp(t.TempDir(), "leaked")
	if err != nil {
		t.Fatal(err)
	}
	defer leaked.Close()                                                   //nolint:errcheck // it is empty
	if _, err := unix.FcntlInt(leaked.Fd(), unix.F_SETFD, 0); err != nil { // open in every child, by mistake
		t.Fatal(err)
	}
	p, log := startBad(t, bad(t), map[string]string{"HOME": "/nonexistent", "TOKENS": "here"})
	for _, what := range []string{"environment", "limits", "descriptors"} {
		if err := do(t.Context(), p, what); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	text := log.waitFor(t, "core 0, dumpable 0")
	for _, m := range regexp.MustCompile(`line="variable ([^=]*)=`).FindAllStringSubmatch(text, -1) {
		switch m[1] {
		case "PATH", "HOME", "LC_ALL", "LANG", "LANGUAGE", "TOKENS", marker:
		default:
			if !strings.HasPrefix(m[1], "LC_") {
				t.Errorf("it gets the variable %s", m[1])
			}
		}
	}
	for _, want := range []string{"variable TOKENS=here", "variable HOME=/nonexistent", "variable LC_ALL=C.UTF-8"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(text, "of the server") || strings.Contains(text, "descriptor ") {
		t.Error("it gets what is the server's:\n" + text)
	}
}

// TestChild asserts that what the library starts ends with the process.
func TestChild(t *testing.T) {
	p, log := startBad(t, bad(t), nil)
	if err := do(t.Context(), p, "child"); err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(regexp.MustCompile(`child (\d+)`).FindStringSubmatch(log.waitFor(t, `child \d+`))[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	ended(t, child)
}

// ended waits for the end of a process that is no child of this one.
func ended(t *testing.T, pid int) {
	t.Helper()
	for range 1000 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || bytes.Contains(stat, []byte(") Z ")) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	t.Errorf("process %d lives on", pid)
}

// TestOrphan asserts that a process does not outlive its parent, however that
// ends.
func TestOrphan(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), parent+"="+bad(t))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait() // killed
	ended(t, pid)
}

func TestStart(t *testing.T) {
	path := bad(t)
	text := filepath.Join(t.TempDir(), "text.so")
	if err := os.WriteFile(text, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		path, start string
		want        string
		is          error
	}{
		"relative":   {"bad.so", "", "absolute path", nil},
		"missing":    {"/nowhere/lib.so", "", "/nowhere/lib.so", nil},
		"text":       {text, "", "text.so", nil},
		"refuses":    {path, "refuse", "CKR_DEVICE_ERROR", pkcs11.RVDeviceError},
		"crashes":    {path, "abort", "gone", pkcs11.ErrGone},
		"hangs":      {path, "hang", "does not answer", pkcs11.ErrHung},
		"not PKCS11": {"/lib64/ld-linux-x86-64.so.2", "", "neither C_GetFunctionList nor C_GetInterface", nil},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			env := map[string]string{}
			if tt.start != "" {
				env["BAD_START"] = tt.start
			}
			if _, err := os.Stat(tt.path); name == "not PKCS11" && err != nil {
				tt.want = tt.path // another machine's name of it
			}
			_, err := Start(ctx, Config{Path: tt.path, Environment: env, Log: slog.New(slog.DiscardHandler)})
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// TestFarewell asserts that a library that does not end is ended.
func TestFarewell(t *testing.T) {
	p, _ := startBad(t, bad(t), map[string]string{"BAD_END": "hang"})
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	gone(t, p)
}

func TestTooLarge(t *testing.T) {
	p, _ := startBad(t, bad(t), nil)
	_, err := p.Call(t.Context(), &pkcs11.Call{Function: pkcs11.FnLogin, Data: make([]byte, pkcs11.MaxMessage)})
	if !errors.Is(err, pkcs11.RVDataLenRange) {
		t.Error(err)
	}
	if r, err := p.Call(t.Context(), &pkcs11.Call{Function: pkcs11.FnRandom, Limit: 400_000}); err != nil || len(r.Data) != 400_000 {
		t.Error(err)
	}
	if !works(p) {
		t.Error("it works no more")
	}
}

// TestErased asserts that neither questions nor answers stay in the memory that
// the two processes share.
func TestErased(t *testing.T) {
	p, _ := startBad(t, bad(t), nil)
	if err := do(t.Context(), p, "the PIN of the token"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Call(t.Context(), &pkcs11.Call{Function: pkcs11.FnRandom, Limit: 100}); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if m := p.m.places[i].message; !bytes.Equal(m, make([]byte, len(m))) {
			t.Errorf("place %d has %q…", i, bytes.Trim(m, "\x00")[:4])
		}
	}
}

// TestMany runs short calls from many goroutines, more and fewer at a time, so
// that both ends fall asleep and are woken in all orders.
func TestMany(t *testing.T) {
	p, _ := startBad(t, bad(t), nil)
	for _, callers := range []int{1, 2, 3, 8, 40, maxCalls + 20} {
		var all sync.WaitGroup
		for c := range callers {
			all.Go(func() {
				for i := range 6_000 / callers {
					n := 1 + (c*7+i)%50
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
					r, err := p.Call(ctx, &pkcs11.Call{Function: pkcs11.FnRandom, Limit: n})
					cancel()
					if err != nil || !bytes.Equal(r.Data, bytes.Repeat([]byte{7}, n)) {
						t.Errorf("%d callers: %v, %v", callers, r, err)
						return
					}
					if i%100 == 0 {
						time.Sleep(time.Duration(i%7) * 20 * time.Microsecond)
					}
				}
			})
		}
		all.Wait()
	}
}
