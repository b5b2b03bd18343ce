package remotetest

import (
	"errors"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// Config says what to test.
type Config struct {
	// New returns an engine with Settings, and its service without any key.
	New func(t *testing.T) (engine.Engine, Service)
	// Spec is a spec of the engine that signs.
	Spec alg.Spec
	// Expires says that the engine gets a new credential where one has expired,
	// so that the call succeeds; else it fails until somebody renews it.
	Expires bool
}

// Settings are those of an engine under test: short ones. The circuit opens
// after more failures than one call's attempts.
func Settings(name string) remote.Settings {
	return remote.Settings{Name: name, Timeout: 5 * time.Second, Attempt: 400 * time.Millisecond, Retries: 3, Trip: 8, Rest: 300 * time.Millisecond}
}

// bound is how long a call may take, whatever happens.
const bound = 8 * time.Second

// Test has a service misbehave, and asserts that calls end in bounded time,
// with what they asked for or with a clear error, that no key is made twice,
// and that all is well again when the service is.
func Test(t *testing.T, c Config) {
	for name, f := range map[string]Fault{"throttled": Throttle, "failing": Fail, "slow": Slow, "cut": Cut, "dropped": Drop} {
		t.Run(name, func(t *testing.T) {
			t.Run("sign", func(t *testing.T) { testSign(t, c, f) })
			t.Run("make", func(t *testing.T) { testMake(t, c, f) })
			t.Run("for good", func(t *testing.T) { testForGood(t, c, f) })
		})
	}
	t.Run("expired credential", func(t *testing.T) { testExpired(t, c) })
	t.Run("circuit", func(t *testing.T) { testCircuit(t, c) })
}

func refOf(n key.VersionNumber) engine.Ref {
	return engine.Ref{Realm: key.DefaultRealm, ID: "11111111-1111-4111-8111-111111111111", Version: n}
}

// sign signs with a key and verifies the signature.
func sign(spec alg.Spec, m engine.Material, k *engine.Key) error {
	a := spec.For(alg.SignVerify)[0]
	msg := engine.Message{Form: alg.Raw, Bytes: []byte("a message")}
	signature, err := engine.Sign(k.Signer, a, msg)
	if err != nil {
		return err
	}
	public, err := engine.ParsePublic(spec, m.Public)
	if err != nil {
		return err
	}
	return public.Verify(a, msg, signature)
}

func made(t *testing.T, e engine.Engine, ref engine.Ref, spec alg.Spec) (engine.Material, *engine.Key) {
	t.Helper()
	m, err := e.Generate(t.Context(), ref, engine.Kind{Spec: spec, Usage: alg.SignVerify})
	if err != nil {
		t.Fatalf("Generate: %v", err)
	}
	k, err := e.Open(t.Context(), ref, spec, m.Wrapped)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return m, k
}

// timely runs f and asserts that it ends in time.
func timely(t *testing.T, f func() error) error {
	t.Helper()
	began := time.Now()
	err := f()
	if took := time.Since(began); took > bound {
		t.Errorf("the call took %v", took)
	}
	return err
}

// clearError asserts that an error says that trying again may help, in words of its
// own and with the service's beneath.
func clearError(t *testing.T, err error) {
	t.Helper()
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Kind != fault.Unavailable && e.Kind != fault.LimitExceeded || e.Public == "" || e.Err == nil {
		t.Errorf("the error is %#v (%v)", err, err)
	}
}

// testSign: two bad answers, and the signature is there.
func testSign(t *testing.T, c Config, f Fault) {
	e, s := c.New(t)
	m, k := made(t, e, refOf(1), c.Spec)
	s.Inject(f, 0, 2)
	if err := timely(t, func() error { return sign(c.Spec, m, k) }); err != nil {
		t.Errorf("Sign: %v", err)
	}
}

// testMake: whatever happens to the request that makes a key, one call or two
// make one key.
func testMake(t *testing.T, c Config, f Fault) {
	for at := range 4 { // which of an engine's requests makes the key is its own affair
		e, s := c.New(t)
		before := s.Requests()
		made(t, e, refOf(1), c.Spec)
		each := s.Requests() - before
		if at >= each {
			return
		}
		s.Inject(f, at, 1)
		var m engine.Material
		err := timely(t, func() (err error) {
			m, err = e.Generate(t.Context(), refOf(2), engine.Kind{Spec: c.Spec, Usage: alg.SignVerify})
			return err
		})
		if err != nil {
			clearError(t, err)
			s.Inject(None, 0, 0)
			if m, err = e.Generate(t.Context(), refOf(2), engine.Kind{Spec: c.Spec, Usage: alg.SignVerify}); err != nil {
				t.Fatalf("Generate once more: %v", err)
			}
		}
		if n := s.Keys(); n != 2 {
			t.Errorf("two versions are %d keys in the service", n)
		}
		k, err := e.Open(t.Context(), refOf(2), c.Spec, m.Wrapped)
		if err != nil {
			t.Fatal(err)
		}
		if err := sign(c.Spec, m, k); err != nil {
			t.Errorf("the key does not sign: %v", err)
		}
	}
}

// testForGood: a service that does nothing else any more.
func testForGood(t *testing.T, c Config, f Fault) {
	e, s := c.New(t)
	m, k := made(t, e, refOf(1), c.Spec)
	s.Inject(f, 0, 1<<30)
	before := s.Requests()
	err := timely(t, func() error { return sign(c.Spec, m, k) })
	if err == nil {
		t.Fatal("it signs")
	}
	clearError(t, err)
	if n := s.Requests() - before; n > 5 {
		t.Errorf("one call sent %d requests", n)
	}
	s.Inject(None, 0, 0)
	time.Sleep(400 * time.Millisecond) // longer than the circuit rests
	if err := sign(c.Spec, m, k); err != nil {
		t.Errorf("all is well again, and: %v", err)
	}
}

// testExpired: a credential that has expired is renewed, or told of.
func testExpired(t *testing.T, c Config) {
	e, s := c.New(t)
	m, k := made(t, e, refOf(1), c.Spec)
	s.Inject(Expire, 0, 1)
	err := timely(t, func() error { return sign(c.Spec, m, k) })
	if c.Expires && err != nil {
		t.Errorf("an expired credential is not renewed: %v", err)
	}
	if !c.Expires {
		clearError(t, err)
	}
	s.Inject(None, 0, 0)
	if err := sign(c.Spec, m, k); err != nil {
		t.Errorf("all is well again, and: %v", err)
	}
}

// testCircuit: a service that fails all the time is left alone, and tried again
// later.
func testCircuit(t *testing.T, c Config) {
	e, s := c.New(t)
	m, k := made(t, e, refOf(1), c.Spec)
	s.Inject(Fail, 0, 1<<30)
	for range 6 {
		clearError(t, sign(c.Spec, m, k))
	}
	before := s.Requests()
	for range 20 {
		clearError(t, sign(c.Spec, m, k))
	}
	if n := s.Requests() - before; n > 4 {
		t.Errorf("the circuit is open, and %d requests were sent", n)
	}
	s.Inject(None, 0, 0)
	time.Sleep(400 * time.Millisecond)
	if err := sign(c.Spec, m, k); err != nil {
		t.Errorf("all is well again, and: %v", err)
	}
}
