package hsm

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/hsm/preset"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// hold takes a session until the result is called.
func hold(t *testing.T, p Place) (release func()) {
	t.Helper()
	taken, free, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		err := p.Do(context.Background(), func(context.Context, *pkcs11.Session) error {
			close(taken)
			<-free
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}()
	<-taken
	return func() { close(free); <-done }
}

func TestCallersWaitInABoundedQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		tok, _ := open(t, d, func(c *Config) { c.Sessions, c.Waiting = 1, 2 })
		release := hold(t, tok)
		var served sync.WaitGroup
		for range 2 {
			served.Go(func() {
				if err := sign(t.Context(), tok); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if err := sign(t.Context(), tok); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "2 callers wait") {
			t.Error(err)
		}
		if h := tok.Health(); h.Waiting != 2 || h.Busy != 1 || h.State != StateOK {
			t.Errorf("%+v", h)
		}
		release()
		served.Wait()
	})
}

func TestAWaitingCallerMayLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		tok, _ := open(t, d, func(c *Config) { c.Sessions = 1 })
		release := hold(t, tok)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := sign(ctx, tok); !errors.Is(err, context.DeadlineExceeded) || fault.KindOf(err) != fault.Unavailable {
			t.Error(err)
		}
		release()
		if err := sign(t.Context(), tok); err != nil {
			t.Error(err)
		}
	})
}

// Whoever goes away in the middle of a call costs nobody a session.
func TestACallIsCarriedToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		tok, _ := open(t, d, func(c *Config) { c.Sessions = 1 })
		ctx, cancel := context.WithCancel(t.Context())
		d.with(func() {
			d.fail = func(_ *run, c *pkcs11.Call) error {
				if c.Function == pkcs11.FnSign {
					cancel()
					time.Sleep(time.Second)
				}
				return nil
			}
		})
		if err := sign(ctx, tok); err != nil {
			t.Error(err)
		}
		if h := tok.Health(); h.Sessions != 1 || h.Busy != 0 || h.Failures != 0 {
			t.Errorf("%+v", h)
		}
	})
}

// A token that allows fewer sessions than are configured serves with those.
func TestATokenMayAllowFewSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		d.maximum = 2
		tok, _ := open(t, d, func(c *Config) { c.Sessions = 10 })
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if err := tok.Do(t.Context(), func(context.Context, *pkcs11.Session) error {
					time.Sleep(time.Second)
					return nil
				}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if h := tok.Health(); h.Sessions != 2 || h.State != StateOK {
			t.Errorf("%+v", h)
		}
	})
}

// What panics in a caller's function takes no session with it.
func TestAPanicLosesNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tok, _ := open(t, newDevice(), func(c *Config) { c.Sessions = 1 })
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			_ = tok.Do(t.Context(), func(context.Context, *pkcs11.Session) error { panic("bug") })
		}()
		if err := sign(t.Context(), tok); err != nil {
			t.Error(err)
		}
	})
}

func TestSessionsAreSpreadOverProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		tok, _ := open(t, d, func(c *Config) { c.Sessions, c.Workers = 4, 2 })
		for range 4 {
			defer hold(t, tok)()
		}
		d.with(func() {
			for _, r := range d.live {
				if len(r.sessions) != 2 {
					t.Errorf("process %d has %d sessions", r.number, len(r.sessions))
				}
			}
		})
	})
}

func TestAWrongConfigurationIsRefused(t *testing.T) {
	slot := uint64(1)
	for name, change := range map[string]func(*Config){
		"no name":                func(c *Config) { c.Name = "" },
		"no token":               func(c *Config) { c.Token = "" },
		"two tokens":             func(c *Config) { c.Slot = &slot },
		"no module":              func(c *Config) { c.Module = "" },
		"a relative path":        func(c *Config) { c.Module = "x.so" },
		"a preset without files": func(c *Config) { c.Module, c.Preset = "", preset.Preset{Name: "x", Modules: []string{"/none.so"}} },
		"too many sessions":      func(c *Config) { c.Sessions = 5000 },
		"no such module":         func(c *Config) { c.Module, c.Launch = "/no/such/module.so", nil },
	} {
		c, _ := newDevice().config()
		change(&c)
		if _, err := Open(t.Context(), c); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnAddressNamesOneObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		tok, _ := open(t, d, nil)
		twice := Address{Label: "twice", ID: []byte{1}, Class: pkcs11.ClassSecretKey}
		d.add(twice)
		d.add(twice)
		for at, want := range map[*Address]fault.Kind{
			{Label: "none", Class: pkcs11.ClassPrivateKey}: fault.NotFound,
			{Class: pkcs11.ClassPrivateKey}:                fault.InvalidArgument,
			&twice:                                         fault.Conflict,
		} {
			if _, err := tok.Sign(t.Context(), *at, ecdsaFake, nil); fault.KindOf(err) != want {
				t.Errorf("%s: %v", at, err)
			}
		}
		if err := tok.Destroy(t.Context(), Address{Class: pkcs11.ClassSecretKey}); fault.KindOf(err) != fault.InvalidArgument {
			t.Error(err)
		}
		if err := tok.Destroy(t.Context(), twice); err != nil {
			t.Error(err)
		}
		if _, err := tok.Sign(t.Context(), twice, ecdsaFake, nil); fault.KindOf(err) != fault.NotFound {
			t.Error(err)
		}
		if err := tok.Destroy(t.Context(), twice); err != nil {
			t.Error(err)
		}
	})
}

var ecdsaFake = pkcs11.Mechanism{Type: pkcs11.MechECDSA}

// A key that somebody has destroyed is not found; that it was there before must
// not be taken for a fault of the token for ever.
func TestAKeyIsDestroyedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		tok, _ := open(t, d, nil)
		if err := sign(t.Context(), tok); err != nil {
			t.Fatal(err)
		}
		d.with(func() { clear(d.objects) })
		for range 3 {
			if err := sign(t.Context(), tok); fault.KindOf(err) != fault.NotFound {
				t.Error(err)
			}
		}
		if h := tok.Health(); h.State != StateOK || h.Restarts > 1 {
			t.Errorf("%+v", h)
		}
	})
}

func TestCapabilities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tok, _ := open(t, newDevice(), func(c *Config) {
			c.Preset = preset.Preset{Avoid: []pkcs11.MechanismType{pkcs11.MechRSAPKCS}, Omit: []pkcs11.AttributeType{pkcs11.AttrModifiable}}
		})
		c, err := tok.Capabilities(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for what, ok := range map[string]bool{
			"ECDSA":          c.Has(pkcs11.MechECDSA, pkcs11.CanSign),
			"P-256":          c.Fits(pkcs11.MechECDSA, pkcs11.CanSign, 256),
			"not decryption": !c.Has(pkcs11.MechECDSA, pkcs11.CanDecrypt),
			"not 128 bits":   !c.Fits(pkcs11.MechECDSA, pkcs11.CanSign, 128),
			"not avoided":    !c.Has(pkcs11.MechRSAPKCS, pkcs11.CanSign),
		} {
			if !ok {
				t.Error(what)
			}
		}
		got := c.Template(pkcs11.Bool(pkcs11.AttrToken, true), pkcs11.Bool(pkcs11.AttrModifiable, false))
		if diff := cmp.Diff([]pkcs11.Attribute{pkcs11.Bool(pkcs11.AttrToken, true)}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestInitialise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice()
		tok, source := open(t, d, func(c *Config) { c.Workers = 2 })
		if err := tok.Initialise(t.Context(), "other", []byte("5678"), []byte("9")); fault.KindOf(err) != fault.InvalidArgument {
			t.Error(err)
		}
		if err := tok.Initialise(t.Context(), "", []byte("wrong"), []byte("9")); fault.KindOf(err) != fault.PermissionDenied {
			t.Error(err)
		}
		synctest.Wait()
		if err := sign(t.Context(), tok); err != nil {
			t.Errorf("after an officer's wrong PIN: %v", err)
		}
		if err := tok.Initialise(t.Context(), "", []byte("5678"), []byte("9")); err != nil {
			t.Fatal(err)
		}
		source.set("9")
		d.add(testKey)
		time.Sleep(2 * maxBackOff)
		if err := sign(t.Context(), tok); err != nil {
			t.Error(err)
		}
	})
}
