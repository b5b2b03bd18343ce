package socket_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cryptoki/cryptokitest"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/socket"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/wire/p11kit"
)

// agent is a server that is being tested. It does what an application asks for
// at once, but for these: C_Login waits, and C_Logout panics.
type agent struct {
	path    string
	stop    func() error
	waiting chan struct{} // has one element for each login that waits
	release chan struct{} // closed when they are to go on
	begun   atomic.Int64  // applications
	ended   atomic.Int64
}

// Call implements socket.Application.
func (a *agent) Call(ctx context.Context, id p11kit.Call, _ *p11kit.Reader, results *p11kit.Writer) pkcs11.RV {
	switch id { //nolint:exhaustive // the others are done
	case p11kit.CallLogin:
		a.waiting <- struct{}{}
		select {
		case <-a.release:
		case <-ctx.Done():
			return pkcs11.RVDeviceError
		}
	case p11kit.CallLogout:
		panic("as the test wants it")
	case p11kit.CallOpenSession:
		results.Uint(1)
		return pkcs11.RVSessionCount
	}
	return pkcs11.RVOK
}

// Close implements socket.Application.
func (a *agent) Close(context.Context) { a.ended.Add(1) }

// serve starts a server.
func serve(t *testing.T, o socket.Options) *agent {
	t.Helper()
	a := &agent{path: filepath.Join(t.TempDir(), "p11"), waiting: make(chan struct{}, 10), release: make(chan struct{})}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", a.path)
	if err != nil {
		t.Fatal(err)
	}
	o.Log = slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- socket.Serve(ctx, l, o, func(socket.Peer) socket.Application {
			a.begun.Add(1)
			return a
		})
	}()
	stopped := false
	a.stop = func() error {
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() {
		if !stopped {
			if err := a.stop(); err != nil {
				t.Errorf("serving ended with %v", err)
			}
		}
		if begun, ended := a.begun.Load(), a.ended.Load(); begun != ended {
			t.Errorf("%d applications began, %d ended", begun, ended)
		}
	})
	return a
}

func dial(t *testing.T, a *agent) *cryptokitest.Client {
	t.Helper()
	c, err := cryptokitest.Dial(a.path, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// call makes a call that waits for nothing.
func call(c *cryptokitest.Client) error { return c.Call(p11kit.CallFinalize, nil, nil) }

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
	a := serve(t, socket.Options{MessageTimeout: 50 * time.Millisecond})
	good := dial(t, a)
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
	if err := call(good); err != nil {
		t.Errorf("another application: %v", err)
	}
}

// TestAnswers has calls that do not end well: the connection goes on.
func TestAnswers(t *testing.T) {
	c := dial(t, serve(t, socket.Options{}))
	if _, err := c.Session(""); !errors.Is(err, pkcs11.RVSessionCount) {
		t.Errorf("a call that is refused after a result was written: %v", err)
	}
	err := c.Call(p11kit.CallLogout, func(w *p11kit.Writer) { w.Uint(1) }, nil)
	if !errors.Is(err, pkcs11.RVGeneralError) {
		t.Errorf("a call that panics: %v", err)
	}
	if err := call(c); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestTooMany(t *testing.T) {
	a := serve(t, socket.Options{Connections: 2})
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
	a := serve(t, socket.Options{UIDs: []uint32{uid + 1}})
	if _, err := cryptokitest.Dial(a.path, 0); err == nil {
		t.Error("a user who may not connect is served")
	}
	b := serve(t, socket.Options{UIDs: []uint32{uid}})
	dial(t, b)
}

func TestIdle(t *testing.T) {
	a := serve(t, socket.Options{IdleTimeout: 20 * time.Millisecond})
	closed(t, "an idle application", dial(t, a).Conn())
}

// TestThreads has a call that waits on a connection where others are made
// meanwhile.
func TestThreads(t *testing.T) {
	a := serve(t, socket.Options{})
	c := dial(t, a)
	var w p11kit.Writer
	w.Request(7777, p11kit.CallLogin)
	login(&w)
	if _, err := c.Conn().Write(w.Frame()); err != nil {
		t.Fatal(err)
	}
	<-a.waiting
	for range 3 { // on the same connection
		if err := call(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := call(dial(t, a)); err != nil { // and on another one
		t.Fatal(err)
	}
	close(a.release)
	header := make([]byte, p11kit.HeaderSize)
	if _, err := io.ReadFull(c.Conn(), header); err != nil {
		t.Fatal(err)
	}
	if h, err := p11kit.ParseHeader(header); err != nil || h.Code != 7777 {
		t.Errorf("%+v, %v", h, err)
	}
}

// login writes the arguments of C_Login.
func login(w *p11kit.Writer) {
	w.Uint(1)
	w.Uint(uint64(pkcs11.UserNormal))
	w.Bytes([]byte("1234"))
}

// begin makes a call that waits, and returns where its answer comes.
func begin(t *testing.T, a *agent) <-chan error {
	t.Helper()
	c := dial(t, a)
	answered := make(chan error, 1)
	go func() { answered <- c.Call(p11kit.CallLogin, login, nil) }()
	<-a.waiting
	return answered
}

// TestDrain ends a server while a call runs: it is still answered.
func TestDrain(t *testing.T) {
	a := serve(t, socket.Options{})
	answered := begin(t, a)
	idle := dial(t, a)
	ended := make(chan error, 1)
	go func() { ended <- a.stop() }()
	closed(t, "an application that does nothing", idle.Conn())
	close(a.release)
	if err := <-answered; err != nil {
		t.Errorf("the call that ran: %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestDrainGivesUp ends a server while a call runs that does not end.
func TestDrainGivesUp(t *testing.T) {
	a := serve(t, socket.Options{Drain: 10 * time.Millisecond})
	answered := begin(t, a)
	if err := a.stop(); err != nil {
		t.Error(err)
	}
	if err := <-answered; err == nil {
		t.Error("the call that was given up succeeded")
	}
}

func TestCallTimeout(t *testing.T) {
	a := serve(t, socket.Options{CallTimeout: 10 * time.Millisecond})
	if err := <-begin(t, a); !errors.Is(err, pkcs11.RVDeviceError) {
		t.Errorf("a call that takes too long: %v", err)
	}
}
