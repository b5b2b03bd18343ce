package hsm

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// once fails the first generation of a key, and no other call.
func once(err error) func(*run, *pkcs11.Call) error {
	var done atomic.Bool
	return func(_ *run, c *pkcs11.Call) error {
		if c.Function == pkcs11.FnGenerateKey && !done.Swap(true) {
			return err
		}
		return nil
	}
}

// What passes by itself is not seen by callers: the session, the login, the
// handle or the process is renewed and the call made again.
func TestACallSurvivesWhatPasses(t *testing.T) {
	for name, fail := range map[string]func(d *device, r *run) error{
		"session closed":          func(_ *device, _ *run) error { return pkcs11.RVSessionClosed },
		"session handle invalid":  func(d *device, r *run) error { d.with(func() { clear(r.sessions) }); return nil },
		"operation active":        func(_ *device, _ *run) error { return pkcs11.RVOperationActive },
		"nobody logged in":        func(d *device, r *run) error { d.with(func() { r.loggedIn = nobody }); return nil },
		"key handle invalid":      func(_ *device, _ *run) error { return pkcs11.RVKeyHandleInvalid },
		"device error":            func(_ *device, _ *run) error { return pkcs11.RVDeviceError },
		"token removed for once":  func(_ *device, _ *run) error { return pkcs11.RVDeviceRemoved },
		"process killed":          func(_ *device, r *run) error { r.kill(); return nil },
		"library not initialised": func(_ *device, _ *run) error { return pkcs11.RVCryptokiNotInitialized },
		"all sessions and the login": func(d *device, r *run) error {
			d.with(func() { clear(r.sessions); r.loggedIn = nobody })
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDevice()
				tok, _ := open(t, d, nil)
				if err := sign(t.Context(), tok); err != nil {
					t.Fatal(err)
				}
				done := false
				d.with(func() {
					d.fail = func(r *run, c *pkcs11.Call) error {
						if c.Function == pkcs11.FnSign && !done {
							done = true
							return fail(d, r)
						}
						return nil
					}
				})
				if err := sign(t.Context(), tok); err != nil {
					t.Errorf("the call failed: %v", err)
				}
				if h := tok.Health(); h.State != StateOK || h.Err != nil {
					t.Errorf("the token is %q: %v", h.State, h.Err)
				}
				if !done {
					t.Error("nothing failed")
				}
			})
		})
	}
}

// A refusal that is about the request reaches the caller as what it is, at
// once, and says nothing of the token.
func TestRefusalsAreTheCallers(t *testing.T) {
	for rv, want := range map[pkcs11.RV]fault.Kind{
		pkcs11.RVMechanismInvalid:        fault.Unsupported,
		pkcs11.RVDataLenRange:            fault.InvalidArgument,
		pkcs11.RVKeyFunctionNotPermitted: fault.InvalidArgument,
		pkcs11.RVEncryptedDataInvalid:    fault.BadCiphertext,
		pkcs11.RVSignatureInvalid:        fault.BadSignature,
		pkcs11.RVKeyUnextractable:        fault.WrongState,
		pkcs11.RVDeviceMemory:            fault.LimitExceeded,
		pkcs11.RVGeneralError:            fault.Unavailable,
		pkcs11.RVStateUnsaveable:         fault.Internal,
	} {
		t.Run(rv.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDevice()
				tok, _ := open(t, d, nil)
				count := 0
				d.with(func() {
					d.fail = func(_ *run, c *pkcs11.Call) error {
						if c.Function == pkcs11.FnSign {
							count++
							return rv
						}
						return nil
					}
				})
				for range 5 {
					err := sign(t.Context(), tok)
					if fault.KindOf(err) != want || !errors.Is(err, rv) {
						t.Errorf("%v is a %s, want %s", err, fault.KindOf(err), want)
					}
				}
				if h := tok.Health(); h.State != StateOK || h.Failures != 0 || h.Restarts != 0 {
					t.Errorf("the token is blamed: %+v", h)
				}
				if count != 5 {
					t.Errorf("%d calls for 5", count)
				}
			})
		})
	}
}

// Nothing that may have changed the token is done twice.
func TestAChangeIsNeverRepeated(t *testing.T) {
	template := []pkcs11.Attribute{pkcs11.Bool(pkcs11.AttrToken, true), pkcs11.Text(pkcs11.AttrLabel, "new")}
	make1 := func(ctx context.Context, s *pkcs11.Session) error {
		_, err := s.GenerateKey(ctx, pkcs11.Mechanism{Type: pkcs11.MechAESKeyGen}, template)
		return err
	}
	for _, test := range []struct {
		name    string
		fail    func(*run, *pkcs11.Call) error // before the call
		after   func(*run, *pkcs11.Call) error // after it
		want    fault.Kind                     // Internal: no error
		changes int
	}{
		{"refused before", once(pkcs11.RVSessionHandleInvalid), nil, fault.Internal, 1},
		{"process lost before", once(pkcs11.ErrGone), nil, fault.Unavailable, 0},
		{"device error after", nil, once(pkcs11.RVDeviceError), fault.Unavailable, 1},
		{"process lost after", nil, once(pkcs11.ErrGone), fault.Unavailable, 1},
		{"hung", once(errHang), nil, fault.Unavailable, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDevice()
				tok, _ := open(t, d, nil)
				d.with(func() { d.fail, d.after = test.fail, test.after })
				err := tok.Do(t.Context(), make1)
				if fault.KindOf(err) != test.want || (err == nil) != (test.want == fault.Internal) {
					t.Errorf("got %v", err)
				}
				if err != nil && !strings.Contains(err.Error(), "not known whether") {
					t.Errorf("%q does not say that it is uncertain", err)
				}
				d.with(func() {
					if d.changes != test.changes {
						t.Errorf("%d changes, want %d", d.changes, test.changes)
					}
				})
			})
		})
	}
}

// A token that is taken away fails at once and clearly, and serves again when
// it is back, without anybody doing anything.
func TestATokenIsTakenAwayAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		tok, _ := open(t, d, func(c *Config) { c.Workers = 2 })
		var served, refused int
		for i := range 1000 {
			switch i {
			case 300:
				d.with(func() { d.present = false })
			case 600:
				d.with(func() {
					d.present = true
					for _, r := range d.live {
						clear(r.sessions)
					}
				})
				time.Sleep(2 * maxBackOff)
			}
			start := time.Now()
			err := sign(t.Context(), tok)
			switch {
			case err == nil:
				served++
			case fault.KindOf(err) != fault.Unavailable, !strings.Contains(err.Error(), "not in any slot"):
				t.Fatalf("signature %d: %v", i, err)
			default:
				refused++
			}
			if waited := time.Since(start); waited > time.Second {
				t.Errorf("signature %d took %s", i, waited)
			}
			if i == 450 && tok.Health().State != StateAway {
				t.Errorf("the state is %q", tok.Health().State)
			}
		}
		if served != 700 || refused != 300 {
			t.Errorf("%d served, %d refused", served, refused)
		}
	})
}

// A token that is away when it is opened is tried again.
func TestATokenMayBeAwayWhenOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		d.present = false
		tok, _ := open(t, d, nil)
		if err := sign(t.Context(), tok); fault.KindOf(err) != fault.Unavailable {
			t.Error(err)
		}
		if _, err := tok.Capabilities(t.Context()); fault.KindOf(err) != fault.Unavailable {
			t.Error(err)
		}
		d.with(func() { d.present = true })
		wantBack(t, tok)
	})
}

// A wrong PIN is tried once, by however many processes, and not again before its
// source has another one.
func TestAChangedPINDoesNotLockTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		tok, source := open(t, d, func(c *Config) { c.Workers = 3 })
		d.with(func() {
			d.pin, d.logins = "new", 0
			for _, r := range d.live {
				r.loggedIn = nobody
			}
		})
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				for range 10 {
					if err := sign(t.Context(), tok); fault.KindOf(err) != fault.Unavailable {
						t.Errorf("with a wrong PIN: %v", err)
					}
				}
			})
		}
		all.Wait()
		time.Sleep(time.Hour)
		d.with(func() {
			if d.logins != 1 {
				t.Errorf("the wrong PIN was tried %d times", d.logins)
			}
		})
		err := sign(t.Context(), tok)
		if !errors.Is(err, pkcs11.RVPINIncorrect) || !strings.Contains(err.Error(), "refuses its PIN") || tok.Health().State != StateRefused {
			t.Errorf("%v; the state is %q", err, tok.Health().State)
		}
		source.set("new")
		time.Sleep(2 * maxBackOff)
		if err := sign(t.Context(), tok); err != nil {
			t.Errorf("with the new PIN: %v", err)
		}
	})
}

// An operator can have a refused PIN tried again: the token may have got it.
func TestAnOperatorHasAPINTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		d.pin = "other"
		tok, _ := open(t, d, nil)
		time.Sleep(time.Hour)
		d.with(func() { d.pin = "1234" })
		time.Sleep(time.Hour)
		if err := sign(t.Context(), tok); err == nil {
			t.Error("a refused PIN was tried again")
		}
		tok.Retry()
		synctest.Wait()
		if err := sign(t.Context(), tok); err != nil {
			t.Error(err)
		}
		d.with(func() {
			if d.logins != 2 {
				t.Errorf("%d attempts", d.logins)
			}
		})
	})
}

// The last try before a token locks itself is an operator's to make.
func TestTheLastTryIsNotMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		d.flags |= pkcs11.TokenUserPINFinalTry
		tok, _ := open(t, d, nil)
		time.Sleep(time.Hour)
		err := sign(t.Context(), tok)
		d.with(func() {
			if !errors.Is(err, errFinalTry) || d.logins != 0 {
				t.Errorf("%d attempts: %v", d.logins, err)
			}
		})
		tok.Retry()
		synctest.Wait()
		if err := sign(t.Context(), tok); err != nil {
			t.Error(err)
		}
	})
}

// A module that hangs costs its caller the deadline and nobody else anything:
// the circuit opens, and a new process serves.
func TestAModuleHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		tok, _ := open(t, d, nil)
		if err := sign(t.Context(), tok); err != nil {
			t.Fatal(err)
		}
		d.with(func() {
			first := d.live[0]
			d.fail = func(r *run, _ *pkcs11.Call) error {
				if r == first {
					return errHang
				}
				return nil
			}
		})
		start := time.Now()
		err := sign(t.Context(), tok)
		if !errors.Is(err, pkcs11.ErrHung) || fault.KindOf(err) != fault.Unavailable || time.Since(start) != 2*time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		synctest.Wait()
		if err := sign(t.Context(), tok); err != nil {
			t.Errorf("the new process: %v", err)
		}
	})
}

// A module that hangs in every process is tried ever more rarely; callers are
// refused without waiting for it.
func TestTheCircuitStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		d.fail = func(_ *run, c *pkcs11.Call) error {
			if c.Function == pkcs11.FnOpenSession {
				return errHang
			}
			return nil
		}
		tok, _ := open(t, d, nil)
		start := time.Now()
		for range 1000 {
			if err := sign(t.Context(), tok); !strings.Contains(err.Error(), "did not answer in time") {
				t.Fatal(err)
			}
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("callers waited %s", waited)
		}
		var before int
		d.with(func() { before = d.launches })
		time.Sleep(time.Hour)
		d.with(func() {
			if n := d.launches - before; n < 60 || n > 240 {
				t.Errorf("%d tries in an hour", n)
			}
			d.fail = nil
		})
		wantBack(t, tok)
	})
}

// wantBack asserts that a token whose fault is over serves again.
func wantBack(t *testing.T, tok *Token) {
	t.Helper()
	time.Sleep(2 * maxBackOff)
	if err := sign(t.Context(), tok); err != nil {
		t.Error(err)
	}
}

// A token whose every signature is a device error opens the circuit, and is
// tried more rarely each time.
func TestDeviceErrorsOpenTheCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		tok, _ := open(t, d, nil)
		d.with(func() {
			d.fail = func(_ *run, c *pkcs11.Call) error {
				if c.Function == pkcs11.FnSign {
					return pkcs11.RVDeviceError
				}
				return nil
			}
		})
		end := time.Now().Add(10 * time.Minute)
		for time.Now().Before(end) {
			if err := sign(t.Context(), tok); fault.KindOf(err) != fault.Unavailable {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		d.with(func() {
			if d.launches > 60 {
				t.Errorf("%d processes in ten minutes", d.launches)
			}
			d.fail = nil
		})
		wantBack(t, tok)
	})
}

// A token that goes away while nobody uses it is seen to be away.
func TestAnIdleTokenIsLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		tok, _ := open(t, d, nil)
		d.with(func() { d.present = false })
		time.Sleep(2 * idleCheck)
		if s := tok.Health().State; s != StateAway {
			t.Errorf("the state is %q", s)
		}
	})
}

// A key that wants the PIN for each use is refused by that name, and does not
// cost the token its processes.
func TestAKeyMayWantThePINForEachUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		tok, _ := open(t, d, nil)
		d.with(func() {
			d.fail = func(_ *run, c *pkcs11.Call) error {
				if c.Function == pkcs11.FnSign {
					return pkcs11.RVUserNotLoggedIn
				}
				return nil
			}
		})
		for range 10 {
			if err := sign(t.Context(), tok); fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), "CKA_ALWAYS_AUTHENTICATE") {
				t.Error(err)
			}
		}
		if h := tok.Health(); h.State != StateOK || h.Restarts != 0 {
			t.Errorf("%+v", h)
		}
	})
}

// A login that was lost on the HSM's side, while its library holds it to be
// good, is made anew in a new process.
func TestALoginIsLostBehindTheLibrary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		tok, _ := open(t, d, nil)
		d.with(func() {
			first := d.live[0]
			d.fail = func(r *run, c *pkcs11.Call) error {
				if c.Function == pkcs11.FnSign && r == first {
					return pkcs11.RVUserNotLoggedIn
				}
				return nil
			}
		})
		time.Sleep(2 * recentLogin)
		if err := sign(t.Context(), tok); err != nil {
			t.Error(err)
		}
		if h := tok.Health(); h.State != StateOK || h.Restarts != 1 {
			t.Errorf("%+v", h)
		}
	})
}

// A process that is lost while a session is opened in it costs nobody anything.
func TestAProcessIsLostWhileASessionIsOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		tok, _ := open(t, d, nil)
		release := hold(t, tok)
		d.with(func() {
			first := d.live[0]
			d.fail = func(r *run, c *pkcs11.Call) error {
				if c.Function == pkcs11.FnOpenSession && r == first {
					r.kill()
				}
				return nil
			}
		})
		if err := sign(t.Context(), tok); err != nil {
			t.Error(err)
		}
		release()
	})
}

// A further process that does not start holds up nobody, and not the first one's
// successor either.
func TestAFurtherProcessDoesNotStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		tok, _ := open(t, d, func(c *Config) {
			c.Workers = 2
			launch := c.Launch
			c.Launch = func(ctx context.Context, path string, env map[string]string) (pkcs11.Module, error) {
				if _, running := d.open(); running > 0 {
					return nil, errors.New("one at a time")
				}
				return launch(ctx, path, env)
			}
		})
		for range 5 {
			if err := sign(t.Context(), tok); err != nil {
				t.Error(err)
			}
			var running *run
			d.with(func() { running = d.live[0] })
			running.kill()
		}
	})
}
