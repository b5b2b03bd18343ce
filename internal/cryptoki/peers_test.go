package cryptoki_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cryptoki"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/cryptokitest"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/wire/p11kit"
)

// closed waits until the server has closed a connection.
func closed(t *testing.T, what string, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err := io.Copy(io.Discard, conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s: the connection is still open", what)
	}
}

// TestMisbehaving has peers that break the protocol in many ways. Each loses its
// own connection and no more.
func TestMisbehaving(t *testing.T) {
	a := serve(t, func(o *cryptoki.Options) { o.MessageTimeout = 50 * time.Millisecond })
	good, s := user(t, a)
	begin := func(b ...byte) []byte { return append([]byte{0}, b...) }
	header := func(code, options, body uint32) []byte {
		return p11kit.Header{Code: code, Options: options, Body: body}.Append(nil)
	}
	for name, bytes := range map[string][]byte{
		"nothing":             nil,
		"only a greeting":     begin(),
		"half a header":       begin(header(16, 0, 8)[:5]...),
		"half a body":         begin(append(header(16, 0, 20), 1, 2, 3)...),
		"a huge body":         begin(header(16, 0, 1<<31)...),
		"huge options":        begin(header(16, 1<<31, 8)...),
		"code 0":              begin(header(0, 0, 8)...),
		"half options":        begin(append(header(16, 100, 8), 1, 2, 3)...),
		"an unknown call":     begin(append(header(16, 0, 8), 0, 0, 9, 9, 0, 0, 0, 0)...),
		"another signature":   begin(append(header(16, 0, 8), 0, 0, 0, 3, 0, 0, 0, 1)...),
		"a response":          begin(append(header(16, 0, 17), 0, 0, 0, 0, 0, 0, 0, 1, 'u', 0, 0, 0, 0, 0, 0, 0, 5)...),
		"a large body's half": begin(append(header(16, 0, p11kit.MaxMessage), make([]byte, 100_000)...)...),
		"HTTP":                []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
	} {
		conn, err := net.Dial("unix", a.path) //nolint:noctx // a test's socket, which answers at once
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(bytes); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name != "only a greeting" { // which may go on at any time
			closed(t, name, conn)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := good.Find(s); err != nil {
		t.Errorf("another application: %v", err)
	}
	wrong := good.Call(p11kit.CallLogin, func(w *p11kit.Writer) { w.Uint(s) }, nil)
	refused(t, "a call that lacks arguments", wrong, pkcs11.RVArgumentsBad)
	much := good.Call(p11kit.CallLogout, func(w *p11kit.Writer) {
		w.Uint(s)
		w.Uint(s)
	}, nil)
	refused(t, "a call with too many arguments", much, pkcs11.RVArgumentsBad)
	if _, err := good.Find(s); err != nil {
		t.Errorf("the connection after malformed arguments: %v", err)
	}
}

func TestTooMany(t *testing.T) {
	a := serve(t, func(o *cryptoki.Options) { o.Connections = 2 })
	dial(t, a)
	second := dial(t, a)
	if _, err := cryptokitest.Dial(a.path, 0); err == nil {
		t.Error("a third connection is served")
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	for {
		if c, err := cryptokitest.Dial(a.path, 0); err == nil {
			_ = c.Close() // the test is over
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("no connection after one has gone")
		}
	}
}

func TestUsers(t *testing.T) {
	uid := uint32(os.Getuid())
	a := serve(t, func(o *cryptoki.Options) { o.UIDs = []uint32{uid + 1} })
	if _, err := cryptokitest.Dial(a.path, 0); err == nil {
		t.Error("a user who may not connect is served")
	}
	b := serve(t, func(o *cryptoki.Options) { o.UIDs = []uint32{uid} })
	dial(t, b)
}

func TestIdle(t *testing.T) {
	a := serve(t, func(o *cryptoki.Options) { o.IdleTimeout = 20 * time.Millisecond })
	closed(t, "an idle application", dial(t, a).Conn())
}

// slow is a token whose keys wait.
type slow struct {
	*cryptokitest.Token

	waiting chan struct{}
	release chan struct{}
}

func (s slow) Login(ctx context.Context, pin []byte) (token.Holder, error) {
	if string(pin) == "slow" {
		s.waiting <- struct{}{}
		select {
		case <-s.release:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		pin = []byte("1234")
	}
	return s.Token.Login(ctx, pin)
}

// serveSlow starts a server whose login with the PIN "slow" waits.
func serveSlow(t *testing.T, change func(*cryptoki.Options)) (*agent, slow) {
	t.Helper()
	s := slow{waiting: make(chan struct{}, 10), release: make(chan struct{})}
	return serve(t, func(o *cryptoki.Options) {
		s.Token = o.Slots[0].(*cryptokitest.Token)
		o.Slots[0] = s
		if change != nil {
			change(o)
		}
	}), s
}

// TestThreads has a call that waits on a connection where others are made
// meanwhile.
func TestThreads(t *testing.T) {
	a, held := serveSlow(t, nil)
	c := dial(t, a)
	s := must[uint64](t)(c.Session(""))
	other := must[uint64](t)(c.Session(""))
	var w p11kit.Writer
	w.Request(7777, p11kit.CallLogin)
	w.Uint(s)
	w.Uint(uint64(pkcs11.UserNormal))
	w.Bytes([]byte("slow"))
	if _, err := c.Conn().Write(w.Frame()); err != nil {
		t.Fatal(err)
	}
	<-held.waiting
	for range 3 { // on the same connection
		if err := c.Begin(p11kit.CallDigestInit, other, mech(pkcs11.MechSHA256), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do(p11kit.CallDigest, other, nil, p11kit.Room{Size: 32}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := dial(t, a).Session(""); err != nil { // and on another one
		t.Fatal(err)
	}
	close(held.release)
	header := make([]byte, p11kit.HeaderSize)
	if _, err := io.ReadFull(c.Conn(), header); err != nil {
		t.Fatal(err)
	}
	if h, err := p11kit.ParseHeader(header); err != nil || h.Code != 7777 {
		t.Errorf("%+v, %v", h, err)
	}
}

// TestDrain ends a server while a call runs: it is still answered.
func TestDrain(t *testing.T) {
	a, held := serveSlow(t, nil)
	c := dial(t, a)
	s := must[uint64](t)(c.Session(""))
	answered := make(chan error, 1)
	go func() { answered <- c.Login(s, "slow") }()
	<-held.waiting
	idle := dial(t, a)
	ended := make(chan error, 1)
	go func() { ended <- a.stop() }()
	closed(t, "an application that does nothing", idle.Conn())
	close(held.release)
	if err := <-answered; err != nil {
		t.Errorf("the call that ran: %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestDrainGivesUp ends a server while a call runs that does not end.
func TestDrainGivesUp(t *testing.T) {
	a, held := serveSlow(t, func(o *cryptoki.Options) { o.Drain = 10 * time.Millisecond })
	c := dial(t, a)
	s := must[uint64](t)(c.Session(""))
	answered := make(chan error, 1)
	go func() { answered <- c.Login(s, "slow") }()
	<-held.waiting
	if err := a.stop(); err != nil {
		t.Error(err)
	}
	if err := <-answered; err == nil {
		t.Error("the call that was given up succeeded")
	}
}

func TestCallTimeout(t *testing.T) {
	a, held := serveSlow(t, func(o *cryptoki.Options) { o.CallTimeout = 10 * time.Millisecond })
	c := dial(t, a)
	s := must[uint64](t)(c.Session(""))
	refused(t, "a call that takes too long", c.Login(s, "slow"), pkcs11.RVDeviceError)
	<-held.waiting
	if err := c.Login(s, pin); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

// TestConcurrent has applications that do everything at once, for the race
// detector.
func TestConcurrent(t *testing.T) {
	a := serve(t, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := work(a, i); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func work(a *agent, i int) error {
	c, err := cryptokitest.Dial(a.path, byte(i%3))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	s, err := c.Session(pin)
	if err != nil {
		return err
	}
	public, private, err := c.GeneratePair(s, mech(pkcs11.MechECKeyPairGen), ec("p256", i%2 == 0), tokenKey(i%2 == 0))
	if err != nil {
		return err
	}
	for range 20 {
		signature, err := c.Sign(s, mech(pkcs11.MechECDSASHA256), private, []byte("message"))
		if err != nil {
			return fmt.Errorf("signing: %w", err)
		}
		if err := c.Verify(s, mech(pkcs11.MechECDSASHA256), public, []byte("message"), signature); err != nil {
			return fmt.Errorf("verifying: %w", err)
		}
		if _, err := c.Find(s); err != nil {
			return fmt.Errorf("finding: %w", err)
		}
	}
	return nil
}

// BenchmarkSign is a P-256 signature as an application makes it: C_SignInit and
// C_Sign, the client's part included.
func BenchmarkSign(b *testing.B) {
	a := serve(b, nil)
	c, s := user(b, a)
	_, private, err := c.GeneratePair(s, mech(pkcs11.MechECKeyPairGen), ec("p256", true), tokenKey(true))
	if err != nil {
		b.Fatal(err)
	}
	digest := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Sign(s, mech(pkcs11.MechECDSA), private, digest); err != nil {
			b.Fatal(err)
		}
	}
}
