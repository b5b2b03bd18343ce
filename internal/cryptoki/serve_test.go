package cryptoki_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cryptoki"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/cryptokitest"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/wire/p11kit"
)

const pin = "1234"

// agent is a server that is being tested.
type agent struct {
	path  string
	token *cryptokitest.Token
	stop  func() error
}

// serve starts a server over a token in memory. Slots are added to by change.
func serve(t testing.TB, change func(*cryptoki.Options)) *agent {
	t.Helper()
	memory, err := cryptokitest.New("memory", pin)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "p11")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	o := cryptoki.Options{Slots: []token.Token{memory}, LoginDelay: time.Millisecond}
	o.Log = slog.New(slog.NewTextHandler(logs{t}, nil))
	if change != nil {
		change(&o)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- cryptoki.Serve(ctx, l, o) }()
	stopped := false
	a := &agent{path, memory, func() error {
		stopped = true
		cancel()
		return <-done
	}}
	t.Cleanup(func() {
		if !stopped {
			if err := a.stop(); err != nil {
				t.Errorf("serving ended with %v", err)
			}
		}
		if err := memory.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// logs writes to a test's log.
type logs struct{ t testing.TB }

func (l logs) Write(b []byte) (int, error) {
	l.t.Logf("%s", b)
	return len(b), nil
}

func dial(t testing.TB, a *agent) *cryptokitest.Client {
	t.Helper()
	c, err := cryptokitest.Dial(a.path, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// user returns a client with a session that is logged in.
func user(t testing.TB, a *agent) (*cryptokitest.Client, uint64) {
	t.Helper()
	c := dial(t, a)
	s, err := c.Session(pin)
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

// refused checks that a call had an answer.
func refused(t *testing.T, what string, err error, want pkcs11.RV) {
	t.Helper()
	if got, ok := errors.AsType[pkcs11.RV](err); !ok || got != want {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// must returns a value of which there must be no error.
func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func mech(m pkcs11.MechanismType) p11kit.Mechanism { return p11kit.Mechanism{Type: m} }

func TestSessions(t *testing.T) {
	a := serve(t, func(o *cryptoki.Options) { o.Sessions = 3 })
	c := dial(t, a)
	s := must[uint64](t)(c.Session(""))
	state := func(s uint64) (state uint64) {
		err := c.Call(p11kit.CallGetSessionInfo, func(w *p11kit.Writer) { w.Uint(s) }, func(r *p11kit.Reader) {
			r.Uint()
			state = r.Uint()
			r.Uint()
			r.Uint()
		})
		if err != nil {
			t.Fatal(err)
		}
		return state
	}
	if got := state(s); got != pkcs11.StateReadWritePublic {
		t.Errorf("state %d before the login", got)
	}
	refused(t, "another PIN", c.Login(s, "4321"), pkcs11.RVPINIncorrect)
	if err := c.Login(s, pin); err != nil {
		t.Fatal(err)
	}
	refused(t, "a second login", c.Login(s, pin), pkcs11.RVUserAlreadyLoggedIn)
	if got := state(s); got != pkcs11.StateReadWriteUser {
		t.Errorf("state %d after the login", got)
	}
	var reading uint64
	open := func(slot, flags uint64) error {
		return c.Call(p11kit.CallOpenSession, func(w *p11kit.Writer) {
			w.Uint(slot)
			w.Uint(flags)
		}, func(r *p11kit.Reader) { reading = r.Uint() })
	}
	if err := open(0, pkcs11.SessionSerial); err != nil {
		t.Fatal(err)
	}
	if got := state(reading); got != pkcs11.StateReadOnlyUser {
		t.Errorf("state %d of a session that reads", got)
	}
	_, _, err := c.GeneratePair(reading, mech(pkcs11.MechECKeyPairGen), ec("p256", true), tokenKey(true))
	refused(t, "a key in a session that reads", err, pkcs11.RVSessionReadOnly)
	refused(t, "no such slot", open(1, pkcs11.SessionSerial), pkcs11.RVSlotIDInvalid)
	refused(t, "a parallel session", open(0, 0), pkcs11.RVSessionParallelNotSupported)
	must[uint64](t)(c.Session(""))
	refused(t, "a fourth session", open(0, pkcs11.SessionSerial), pkcs11.RVSessionCount)

	if err := c.Call(p11kit.CallCloseAllSessions, func(w *p11kit.Writer) { w.Uint(0) }, nil); err != nil {
		t.Fatal(err)
	}
	refused(t, "a closed session", c.Login(s, pin), pkcs11.RVSessionHandleInvalid)
	if got := state(must[uint64](t)(c.Session(""))); got != pkcs11.StateReadWritePublic {
		t.Errorf("state %d: the last session that closes logs out", got)
	}
}

func TestLoginExpires(t *testing.T) {
	a := serve(t, nil)
	c, s := user(t, a)
	a.token.Expire()
	_, err := c.Find(s)
	refused(t, "looking after the login is over", err, pkcs11.RVUserNotLoggedIn)
	if err := c.Login(s, pin); err != nil {
		t.Errorf("logging in again: %v", err)
	}
}

func TestNoLogin(t *testing.T) {
	open, err := cryptokitest.New("open", "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := open.Close(); err != nil {
			t.Error(err)
		}
	}()
	a := serve(t, func(o *cryptoki.Options) { o.Slots = []token.Token{open} })
	c := dial(t, a)
	s := must[uint64](t)(c.Session(""))
	if _, _, err := c.GeneratePair(s, mech(pkcs11.MechECKeyPairGen), ec("p256", true), tokenKey(true)); err != nil {
		t.Fatal(err)
	}
	if found := must[[]uint64](t)(c.Find(s)); len(found) != 2 {
		t.Errorf("%d objects", len(found))
	}
	if err := c.Login(s, "anything"); err != nil {
		t.Errorf("a login that nobody asks for: %v", err)
	}
	if found := must[[]uint64](t)(c.Find(s)); len(found) != 2 {
		t.Errorf("%d objects after it", len(found))
	}
}

func TestRefusedFunctions(t *testing.T) {
	a := serve(t, nil)
	c, s := user(t, a)
	number := func(v uint64) func(*p11kit.Writer) { return func(w *p11kit.Writer) { w.Uint(v) } }
	for id, args := range map[p11kit.Call]func(*p11kit.Writer){
		p11kit.CallWaitForSlotEvent: number(0),
		p11kit.CallInitPIN: func(w *p11kit.Writer) {
			w.Uint(s)
			w.Bytes([]byte("new"))
		},
		p11kit.CallGetOperationState: func(w *p11kit.Writer) {
			w.Uint(s)
			w.Room(p11kit.Room{Null: true})
		},
		p11kit.CallSignRecover: func(w *p11kit.Writer) {
			w.Uint(s)
			w.Bytes(nil)
			w.Room(p11kit.Room{Null: true})
		},
	} {
		refused(t, id.String(), c.Call(id, args, nil), pkcs11.RVFunctionNotSupported)
	}
	err := c.Call(p11kit.CallSeedRandom, func(w *p11kit.Writer) {
		w.Uint(s)
		w.Bytes([]byte("seed"))
	}, nil)
	refused(t, "C_SeedRandom", err, pkcs11.RVRandomSeedNotSupported)
	err = c.Call(p11kit.CallLogin, func(w *p11kit.Writer) {
		w.Uint(s)
		w.Uint(uint64(pkcs11.UserSecurityOfficer))
		w.Bytes([]byte(pin))
	}, nil)
	refused(t, "the security officer", err, pkcs11.RVUserTypeInvalid)
}
