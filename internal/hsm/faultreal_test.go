//go:build linux && (amd64 || arm64) && !static

package hsm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/pkcs11test"
)

// leaks fails the test when it leaves goroutines or descriptors behind.
func leaks(t *testing.T) {
	t.Helper()
	descriptors := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	goroutines, files := runtime.NumGoroutine(), descriptors()
	t.Cleanup(func() {
		for range 100 {
			if runtime.NumGoroutine() <= goroutines && descriptors() <= files {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		stacks := make([]byte, 1<<20)
		t.Errorf("%d goroutines, were %d; %d descriptors, were %d\n%s", runtime.NumGoroutine(), goroutines, descriptors(), files, stacks[:runtime.Stack(stacks, true)])
	})
}

// until waits for the token to serve again.
func until(t *testing.T, tok *Token, at Address) {
	t.Helper()
	digest := sha256.Sum256(nil)
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if _, err = tok.Sign(t.Context(), at, ecdsa, digest[:]); err == nil {
			return
		}
		if fault.KindOf(err) != fault.Unavailable {
			t.Fatalf("while it was away: %v", err)
		}
	}
	t.Fatalf("it did not come back: %v", err)
}

// In the middle of 1,000 signatures the folder of the token, or of all tokens,
// is taken away and comes back.
func TestSoftHSMTokenGoneAmongSignatures(t *testing.T) {
	for _, which := range []string{"all tokens", "the token"} {
		t.Run(which, func(t *testing.T) {
			leaks(t)
			s := newSoft(t)
			tok := s.open(t, nil)
			at := makeKey(t, tok, "k")
			digest := sha256.Sum256(nil)
			here := filepath.Join(s.dir, "tokens")
			if which == "the token" {
				found, err := filepath.Glob(filepath.Join(here, "*"))
				if err != nil || len(found) != 1 {
					t.Fatal(found, err)
				}
				here = found[0]
			}
			away := filepath.Join(s.dir, "away")
			served, refused := 0, 0
			for i := range 1000 {
				switch i {
				case 400:
					if err := os.Rename(here, away); err != nil {
						t.Fatal(err)
					}
				case 700:
					if err := os.Rename(away, here); err != nil {
						t.Fatal(err)
					}
					until(t, tok, at)
				}
				switch _, err := tok.Sign(t.Context(), at, ecdsa, digest[:]); {
				case err == nil:
					served++
				case fault.KindOf(err) == fault.Unavailable && i >= 400 && i < 700:
					refused++
				default:
					t.Fatalf("signature %d: %v", i, err)
				}
			}
			t.Logf("%d served, %d refused", served, refused)
			if served < 700 || served+refused != 1000 {
				t.Errorf("%d served, %d refused", served, refused)
			}
		})
	}
}

// A worker that is killed in the middle of signatures costs no caller anything.
func TestSoftHSMWorkerKilledAmongSignatures(t *testing.T) {
	for _, workers := range []int{1, 2} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			leaks(t)
			s := newSoft(t)
			tok := s.open(t, func(c *Config) { c.Workers = workers })
			at := makeKey(t, tok, "k")
			digest := sha256.Sum256(nil)
			var done atomic.Int64
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					for {
						n := done.Add(1)
						if n > 1000 {
							return
						}
						if n%300 == 150 {
							_ = syscall.Kill(s.worker().PID(), syscall.SIGKILL) // it may be dead already
						}
						if _, err := tok.Sign(t.Context(), at, ecdsa, digest[:]); err != nil {
							t.Errorf("signature %d: %v", n, err)
							return
						}
					}
				})
			}
			all.Wait()
			if h := tok.Health(); h.Restarts == 0 || h.Restarts > 3 || h.State != StateOK || h.Busy != 0 {
				t.Errorf("%+v", h)
			}
		})
	}
}

// A worker that stops answering costs its caller the deadline; the others are
// served by a new one.
func TestSoftHSMWorkerStopped(t *testing.T) {
	leaks(t)
	s := newSoft(t)
	tok := s.open(t, func(c *Config) { c.Timeout = time.Second })
	at := makeKey(t, tok, "k")
	digest := sha256.Sum256(nil)
	pause(t, s.worker().PID())
	start := time.Now()
	_, err := tok.Sign(t.Context(), at, ecdsa, digest[:])
	if fault.KindOf(err) != fault.Unavailable || !errors.Is(err, pkcs11.ErrHung) || time.Since(start) > 3*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
	until(t, tok, at)
}

// pause stops a process, and waits until all of its threads stand.
func pause(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		t.Fatal(threads, err)
	}
	for _, stat := range threads {
		for {
			text, err := os.ReadFile(stat)
			if err != nil {
				t.Fatal(err)
			}
			// The state follows the name, which is in parentheses (proc(5)).
			if _, rest, ok := strings.Cut(string(text), ") "); ok && rest[0] == 'T' {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// The PIN is changed by somebody else; the token is not locked by trying the
// old one, and serves when the new one is given.
func TestSoftHSMPINChanged(t *testing.T) {
	leaks(t)
	s := newSoft(t)
	var pin atomic.Pointer[string]
	old, renewed := pkcs11test.PIN, "another-pin"
	pin.Store(&old)
	tok := s.open(t, func(c *Config) { c.PIN = func() ([]byte, error) { return []byte(*pin.Load()), nil } })
	at := makeKey(t, tok, "k")
	digest := sha256.Sum256(nil)
	pkcs11Tool(t, s, "--login", "--pin", old, "--change-pin", "--new-pin", renewed)
	if err := syscall.Kill(s.worker().PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 50 {
		_, err = tok.Sign(t.Context(), at, ecdsa, digest[:])
		if fault.KindOf(err) != fault.Unavailable || !errors.Is(err, pkcs11.RVPINIncorrect) || !strings.Contains(err.Error(), "refuses its PIN") {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if strings.Contains(err.Error(), old) {
		t.Error("the PIN is in the error")
	}
	if h := tok.Health(); h.State != StateRefused {
		t.Errorf("%+v", h)
	}
	pin.Store(&renewed)
	until(t, tok, at)
}

func pkcs11Tool(t *testing.T, s *soft, args ...string) {
	t.Helper()
	tool, err := exec.LookPath("pkcs11-tool")
	if err != nil {
		t.Fatal("this test needs pkcs11-tool (package opensc; scripts/install-test-tools installs it)")
	}
	cmd := exec.CommandContext(t.Context(), tool, append([]string{"--module", pkcs11test.Library(t), "--token-label", pkcs11test.Label}, args...)...)
	cmd.Env = append(os.Environ(), "SOFTHSM2_CONF="+s.env["SOFTHSM2_CONF"])
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// A library that hangs when it is loaded, or when it is asked for its slots,
// keeps nobody waiting: the token is unhealthy, callers are refused at once.
func TestALibraryHangs(t *testing.T) {
	for _, when := range []string{"C_Initialize", "C_GetSlotList"} {
		t.Run(when, func(t *testing.T) {
			leaks(t)
			s := newSoft(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			c := Config{Name: "hung", Module: hangingLibrary(t, when), Token: "x", Timeout: 300 * time.Millisecond, Launch: s.launch}
			tok, err := Open(ctx, c)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			ctx, cancel = context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := tok.Sign(ctx, Address{Label: "k"}, ecdsa, nil); fault.KindOf(err) != fault.Unavailable {
				t.Error(err)
			}
			if d := time.Since(start); d > 2*time.Second {
				t.Errorf("it took %s", d)
			}
			start = time.Now()
			if err := tok.Close(); err != nil || time.Since(start) > 5*time.Second {
				t.Errorf("closing took %s: %v", time.Since(start), err)
			}
		})
	}
}

// hangingLibrary compiles a library that sleeps for ever in a function.
func hangingLibrary(t *testing.T, when string) string {
	t.Helper()
	dir := t.TempDir()
	source, library := filepath.Join(dir, "hang.c"), filepath.Join(dir, "hang.so")
	text := `
#include <stddef.h>
#include <unistd.h>
typedef unsigned long rv;
static rv hang(void) { for (;;) sleep(1000); }
static rv ok(void) { return 0; }
static rv none(void) { return 0x54; }
struct { unsigned char version[2]; rv (*f[68])(void); } list;
rv C_GetFunctionList(void **out) {
	list.version[0] = 2; list.version[1] = 40;
	for (int i = 0; i < 68; i++) list.f[i] = none;
	list.f[0] = INITIALIZE; list.f[1] = ok; list.f[4] = SLOTS;
	*out = &list;
	return 0;
}
`
	initialise, slots := "ok", "hang"
	if when == "C_Initialize" {
		initialise = "hang"
	}
	text = strings.NewReplacer("INITIALIZE", initialise, "SLOTS", slots).Replace(text)
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Fatal("this test needs a C compiler (package gcc)")
	}
	if out, err := exec.CommandContext(t.Context(), compiler, "-shared", "-fPIC", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return library
}

func TestSoftHSMObjects(t *testing.T) {
	s := newSoft(t)
	tok := s.open(t, nil)
	makeKey(t, tok, "mine")
	pkcs11Tool(t, s, "--login", "--pin", pkcs11test.PIN, "--keypairgen", "--key-type", "rsa:2048", "--label", "theirs", "--id", "2a")
	found, err := tok.Find(t.Context(), Query{})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 4 {
		t.Errorf("%d objects", len(found))
	}
	class := pkcs11.ClassPrivateKey
	found, err = tok.Find(t.Context(), Query{Label: "theirs", ID: []byte{0x2a}, Class: &class})
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	f := found[0]
	if f.Type != pkcs11.KeyRSA || f.Bits != 2048 || !f.Sensitive || f.Extractable || !f.Local || !f.OnToken || f.Token != "soft" {
		t.Errorf("%+v", f)
	}
	found, err = tok.Find(t.Context(), Query{Label: "mine", Class: &class})
	if err != nil || len(found) != 1 || found[0].Bits != 256 || found[0].Type != pkcs11.KeyEC {
		t.Fatal(found, err)
	}
}

func TestSoftHSMInitialise(t *testing.T) {
	leaks(t)
	s := newSoft(t)
	var pin atomic.Pointer[string]
	old, renewed := pkcs11test.PIN, "another-pin"
	pin.Store(&old)
	tok := s.open(t, func(c *Config) { c.PIN = func() ([]byte, error) { return []byte(*pin.Load()), nil } })
	makeKey(t, tok, "k")
	pin.Store(&renewed)
	if err := tok.Initialise(t.Context(), "", []byte(pkcs11test.SOPIN), []byte(renewed)); err != nil {
		t.Fatal(err)
	}
	var found []Found
	err := errors.New("not tried")
	for end := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		found, err = tok.Find(t.Context(), Query{})
	}
	if err != nil || len(found) != 0 {
		t.Errorf("%v, %v", found, err)
	}
	at := makeKey(t, tok, "k")
	until(t, tok, at)
}

func TestSoftHSMRandom(t *testing.T) {
	s := newSoft(t)
	tok := s.open(t, nil)
	b := make([]byte, 3000)
	if err := Random(t.Context(), tok, b); err != nil || bytes.Count(b, []byte{0}) > 60 {
		t.Errorf("%v", err)
	}
}
