package hsm

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// device is a token that does what a test wants it to: it can be taken away,
// refuse PINs, fail calls, hang, and lose its module's processes.
type device struct {
	mu       sync.Mutex
	label    string
	pin      string
	sopin    string
	flags    pkcs11.TokenFlags
	present  bool
	broken   error // why no module starts
	maximum  int   // sessions of one process, 0 for any number
	objects  map[pkcs11.Object][]pkcs11.Attribute
	next     pkcs11.Object
	live     []*run
	launches int
	logins   int // attempts
	changes  int // calls that changed the token
	// fail decides what becomes of a call before it is made.
	fail func(r *run, c *pkcs11.Call) error
	// after decides what a call answers after it was made.
	after func(r *run, c *pkcs11.Call) error
}

// run is one process of the device's module.
type run struct {
	d        *device
	number   int
	sessions map[pkcs11.SessionHandle]bool
	next     pkcs11.SessionHandle
	loggedIn pkcs11.UserType
	killed   chan struct{}
	once     sync.Once
}

const nobody pkcs11.UserType = 99

func newDevice() *device {
	d := &device{label: "fake", pin: "1234", sopin: "5678", present: true, objects: map[pkcs11.Object][]pkcs11.Attribute{}}
	d.flags = pkcs11.TokenInitialized | pkcs11.TokenLoginRequired | pkcs11.TokenUserPINInitialized
	d.add(testKey)
	return d
}

var testKey = Address{Label: "key", Class: pkcs11.ClassPrivateKey}

func (d *device) add(a Address) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next++
	d.objects[d.next] = append(a.template(), pkcs11.Bool(pkcs11.AttrPrivate, true), pkcs11.Bool(pkcs11.AttrToken, true))
}

// with runs f while nobody else uses the device.
func (d *device) with(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *device) launch(context.Context, string, map[string]string) (pkcs11.Module, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.launches++
	if d.broken != nil {
		return nil, d.broken
	}
	r := &run{d: d, number: d.launches, sessions: map[pkcs11.SessionHandle]bool{}, loggedIn: nobody, killed: make(chan struct{})}
	d.live = append(d.live, r)
	return r, nil
}

// open returns how many sessions and processes there are.
func (d *device) open() (sessions, processes int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.live {
		sessions += len(r.sessions)
	}
	return sessions, len(d.live)
}

func (r *run) Close() error {
	r.kill()
	return nil
}

// kill ends the process.
func (r *run) kill() {
	r.once.Do(func() {
		r.d.mu.Lock()
		defer r.d.mu.Unlock()
		close(r.killed)
		r.d.live = slices.DeleteFunc(r.d.live, func(other *run) bool { return other == r })
	})
}

// Call makes a call, unless the script says otherwise.
func (r *run) Call(ctx context.Context, c *pkcs11.Call) (*pkcs11.Result, error) {
	if _, ok := ctx.Deadline(); !ok {
		return nil, errors.New("a call without a deadline")
	}
	r.d.mu.Lock()
	fail, after := r.d.fail, r.d.after
	r.d.mu.Unlock()
	if fail != nil {
		if err := fail(r, c); err == errHang { //nolint:errorlint // the test's own
			select {
			case <-ctx.Done():
				return nil, pkcs11.ErrHung
			case <-r.killed:
				return nil, pkcs11.ErrGone
			}
		} else if err != nil {
			return nil, err
		}
	}
	select {
	case <-r.killed:
		return nil, pkcs11.ErrGone
	default:
	}
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	res, err := r.do(c)
	if err == nil && changes(c) {
		r.d.changes++
	}
	if err == nil && after != nil {
		if err := after(r, c); err != nil {
			return nil, err
		}
	}
	return res, err
}

// errHang makes a call hang.
var errHang = errors.New("hang")

func (r *run) do(c *pkcs11.Call) (*pkcs11.Result, error) {
	d := r.d
	switch c.Function {
	case pkcs11.FnInfo:
		return &pkcs11.Result{Info: &pkcs11.Info{Manufacturer: "test"}}, nil
	case pkcs11.FnSlots:
		if !d.present {
			return &pkcs11.Result{}, nil
		}
		return &pkcs11.Result{Handles: []uint64{7}}, nil
	default:
	}
	if !d.present {
		if c.Session != 0 {
			return nil, pkcs11.RVDeviceRemoved
		}
		return nil, pkcs11.RVTokenNotPresent
	}
	switch c.Function {
	case pkcs11.FnTokenInfo:
		return &pkcs11.Result{Token: &pkcs11.TokenInfo{Label: d.label, Serial: "1", Flags: d.flags}}, nil
	case pkcs11.FnMechanisms:
		return &pkcs11.Result{Mechanisms: []pkcs11.MechanismInfo{
			{Type: pkcs11.MechECDSA, Min: 256, Max: 521, Flags: pkcs11.CanSign | pkcs11.CanVerify},
			{Type: pkcs11.MechRSAPKCS, Min: 2048, Max: 4096, Flags: pkcs11.CanSign},
		}}, nil
	case pkcs11.FnInitToken:
		if len(r.sessions) > 0 {
			return nil, pkcs11.RVSessionExists
		}
		if string(c.Extra) != d.sopin {
			return nil, pkcs11.RVPINIncorrect
		}
		d.label, d.objects = string(c.Data), map[pkcs11.Object][]pkcs11.Attribute{}
		return &pkcs11.Result{}, nil
	case pkcs11.FnOpenSession:
		if d.maximum > 0 && len(r.sessions) >= d.maximum {
			return nil, pkcs11.RVSessionCount
		}
		r.next++
		r.sessions[r.next] = true
		return &pkcs11.Result{Handle: uint64(r.next)}, nil
	default:
	}
	if !r.sessions[c.Session] {
		return nil, pkcs11.RVSessionHandleInvalid
	}
	return r.inSession(c)
}

func (r *run) inSession(c *pkcs11.Call) (*pkcs11.Result, error) {
	d := r.d
	switch c.Function {
	case pkcs11.FnCloseSession:
		delete(r.sessions, c.Session)
		return &pkcs11.Result{}, nil
	case pkcs11.FnLogin:
		d.logins++
		want := map[pkcs11.UserType]string{pkcs11.UserNormal: d.pin, pkcs11.UserSecurityOfficer: d.sopin}[c.User]
		switch {
		case r.loggedIn != nobody:
			return nil, pkcs11.RVUserAlreadyLoggedIn
		case string(c.Data) != want:
			return nil, pkcs11.RVPINIncorrect
		}
		r.loggedIn = c.User
		return &pkcs11.Result{}, nil
	case pkcs11.FnLogout:
		r.loggedIn = nobody
		return &pkcs11.Result{}, nil
	case pkcs11.FnInitPIN:
		if r.loggedIn != pkcs11.UserSecurityOfficer {
			return nil, pkcs11.RVUserNotLoggedIn
		}
		d.pin = string(c.Data)
		return &pkcs11.Result{}, nil
	case pkcs11.FnFind:
		return r.find(c), nil
	case pkcs11.FnRandom:
		return &pkcs11.Result{Data: bytes.Repeat([]byte{7}, c.Limit)}, nil
	default:
	}
	if r.loggedIn != pkcs11.UserNormal {
		return nil, pkcs11.RVUserNotLoggedIn
	}
	switch c.Function {
	case pkcs11.FnSign:
		if d.objects[r.object(c.Key)] == nil {
			return nil, pkcs11.RVKeyHandleInvalid
		}
		return &pkcs11.Result{Data: append([]byte("signed "), c.Data...)}, nil
	case pkcs11.FnGenerateKey:
		d.next++
		d.objects[d.next] = c.Template
		return &pkcs11.Result{Handle: uint64(r.handle(d.next))}, nil
	case pkcs11.FnDestroyObject:
		if d.objects[r.object(c.Subject)] == nil {
			return nil, pkcs11.RVObjectHandleInvalid
		}
		delete(d.objects, r.object(c.Subject))
		return &pkcs11.Result{}, nil
	default:
		return nil, pkcs11.RVFunctionNotSupported
	}
}

// Handles differ between processes.
func (r *run) handle(o pkcs11.Object) pkcs11.Object { return o + pkcs11.Object(1000*r.number) }
func (r *run) object(h pkcs11.Object) pkcs11.Object { return h - pkcs11.Object(1000*r.number) }

func (r *run) find(c *pkcs11.Call) *pkcs11.Result {
	res := &pkcs11.Result{}
	for o, has := range r.d.objects {
		matches := r.loggedIn == pkcs11.UserNormal
		for _, want := range c.Template {
			matches = matches && slices.ContainsFunc(has, func(a pkcs11.Attribute) bool {
				return a.Type == want.Type && bytes.Equal(a.Value, want.Value)
			})
		}
		if matches && len(res.Handles) < c.Limit {
			res.Handles = append(res.Handles, uint64(r.handle(o)))
		}
	}
	return res
}

// pinSource is where a token's PIN is read from.
type pinSource struct {
	mu    sync.Mutex
	pin   string
	reads int
}

func (s *pinSource) read() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.pin == "" {
		return nil, errors.New("no file")
	}
	return []byte(s.pin), nil
}

func (s *pinSource) set(pin string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pin = pin
}

// config is of a token on the device.
func (d *device) config() (Config, *pinSource) {
	pin := &pinSource{pin: "1234"}
	return Config{
		Name: "t1", Module: "/fake.so", Token: "fake", PIN: pin.read, Launch: d.launch,
		Log: slog.New(slog.DiscardHandler), Sessions: 4, Timeout: 2 * time.Second,
	}, pin
}

// open opens a token on the device; when the test ends it is closed, and nothing
// may be left of it.
func open(t *testing.T, d *device, change func(*Config)) (*Token, *pinSource) {
	t.Helper()
	c, pin := d.config()
	if change != nil {
		change(&c)
	}
	tok, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tok.Close(); err != nil {
			t.Error(err)
		}
		if sessions, processes := d.open(); processes != 0 || sessions != 0 {
			t.Errorf("%d sessions and %d processes are left", sessions, processes)
		}
	})
	return tok, pin
}

// sign signs with the device's key.
func sign(ctx context.Context, p Place) error {
	out, err := p.Sign(ctx, testKey, pkcs11.Mechanism{Type: pkcs11.MechECDSA}, []byte("x"))
	if err == nil && string(out) != "signed x" {
		return errors.New("a wrong signature")
	}
	return err
}
