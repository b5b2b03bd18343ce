package keyless_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-kms/holdfast/internal/front/keyless"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// eventually waits until something is so.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not after 20 s: %s", what)
		}
	}
}

// TestOutOfOrder: answers come when they are there, over both versions of TLS.
func TestOutOfOrder(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			hold := make(chan struct{})
			r := serve(t, &fake{do: func(ctx context.Context, r *keyless.Request) ([]byte, error) {
				if string(r.Payload) == "slow" {
					<-hold
				}
				return turn(ctx, r)
			}}, keyless.Limits{})
			p, err := r.tryDial(t, nil, version)
			if err != nil {
				t.Fatal(err)
			}
			slow := p.send(sign(wire.OpECDSASignSHA256, "slow"))
			fast := p.send(sign(wire.OpECDSASignSHA256, "fast"))
			if id, a := p.answer(); id != fast || string(a.Payload) != "tsaf" {
				t.Errorf("%d %q", id, a.Payload)
			}
			close(hold)
			if id, a := p.answer(); id != slow || string(a.Payload) != "wols" {
				t.Errorf("%d %q", id, a.Payload)
			}
		})
	}
}

// TestLanes: a flood of RSA that fills its lane delays nobody else's signatures,
// and is not read any further.
func TestLanes(t *testing.T) {
	hold := make(chan struct{})
	var served atomic.Int64
	r := serve(t, &fake{do: func(ctx context.Context, r *keyless.Request) ([]byte, error) {
		if r.Opcode == wire.OpRSASignSHA256 {
			<-hold
			served.Add(1)
		}
		return turn(ctx, r)
	}}, keyless.Limits{Workers: 4, RSAWorkers: 2, Queue: 8, InFlight: 64})
	flooding := r.dial(t, nil)
	go func() { // more than is read: the end of the test ends it
		for range 200 {
			b, _ := sign(wire.OpRSASignSHA256, "x").Append(nil, 1)
			if _, err := flooding.Write(b); err != nil {
				return
			}
		}
	}()
	// Two with the workers, eight in the lane, and the one for which there is no room.
	eventually(t, "the lane is full", func() bool { s := r.Stats(); return s.QueuedRSA == 8 && s.BlockedRSA == 1 })
	if s := r.Stats(); s.InFlight != 11 || s.Queued != 0 {
		t.Errorf("%+v", s)
	}
	other := r.dial(t, nil)
	for range 100 {
		if a := other.ask(sign(wire.OpECDSASignSHA256, "ab")); string(a.Payload) != "ba" {
			t.Fatalf("%s %x", a.Opcode, a.Payload)
		}
	}
	close(hold)
	for range 200 {
		flooding.answer()
	}
	if n := served.Load(); n != 200 {
		t.Errorf("%d are served", n)
	}
}

// TestPanic: our own bug costs one request.
func TestPanic(t *testing.T) {
	r := serve(t, &fake{do: func(ctx context.Context, r *keyless.Request) ([]byte, error) {
		if string(r.Payload) == "panic" {
			panic("a test")
		}
		return turn(ctx, r)
	}}, keyless.Limits{})
	p := r.dial(t, nil)
	p.fails(sign(wire.OpECDSASignSHA256, "panic"), wire.ErrInternal)
	if got := p.want(sign(wire.OpECDSASignSHA256, "ab")); string(got) != "ba" {
		t.Errorf("%q", got)
	}
}

// TestDraining: what was read is answered, what comes later is not read.
func TestDraining(t *testing.T) {
	hold := make(chan struct{})
	r := serve(t, &fake{do: func(ctx context.Context, r *keyless.Request) ([]byte, error) {
		<-hold
		return turn(ctx, r)
	}}, keyless.Limits{})
	p := r.dial(t, nil)
	for range 100 {
		p.send(sign(wire.OpECDSASignSHA256, "ab"))
	}
	eventually(t, "all are in flight", func() bool { return r.Stats().InFlight == 100 })
	stopped := make(chan error, 1)
	go func() { stopped <- r.Shutdown(t.Context()) }()
	eventually(t, "no connection is taken", func() bool {
		_, err := r.tryDial(t, nil, tls.VersionTLS13)
		return err != nil
	})
	close(hold)
	for range 100 {
		if _, a := p.answer(); string(a.Payload) != "ba" {
			t.Fatalf("%s %x", a.Opcode, a.Payload)
		}
	}
	if _, _, err := p.read(); !errors.Is(err, io.EOF) { // TLS says that nothing is missing
		t.Errorf("at the end: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestShutdownCuts: a server does not wait for ever for what hangs.
func TestShutdownCuts(t *testing.T) {
	hold := make(chan struct{})
	r := serve(t, &fake{do: func(context.Context, *keyless.Request) ([]byte, error) {
		<-hold
		return nil, nil
	}}, keyless.Limits{})
	p := r.dial(t, nil)
	p.send(sign(wire.OpECDSASignSHA256, "ab"))
	eventually(t, "it is in flight", func() bool { return r.Stats().InFlight == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- r.Shutdown(ctx) }()
	if !p.ended() {
		t.Error("the connection is not cut")
	}
	close(hold) // nothing outlives the server, also not what hangs
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestHangup: connections end, and others begin.
func TestHangup(t *testing.T) {
	r := serve(t, &fake{do: turn}, keyless.Limits{})
	p := r.dial(t, nil)
	p.want(sign(wire.OpECDSASignSHA256, "ab"))
	r.Hangup()
	if !p.ended() {
		t.Error("the connection goes on")
	}
	r.dial(t, nil).want(sign(wire.OpECDSASignSHA256, "ab"))
}

// TestSlowReader: a client that sends and never reads is not read any further,
// and cut after a while. What it costs is bounded, and nobody else's.
func TestSlowReader(t *testing.T) {
	r := serve(t, &fake{do: turn}, keyless.Limits{InFlight: 512, Write: 200 * time.Millisecond})
	slow := r.dial(t, nil)
	go func() {
		for range 100_000 {
			b, _ := sign(wire.OpECDSASignSHA256, "ab").Append(nil, 1)
			if _, err := slow.Write(b); err != nil {
				return
			}
		}
	}()
	other := r.dial(t, nil)
	eventually(t, "it is cut", func() bool {
		other.want(sign(wire.OpECDSASignSHA256, "ab"))
		if n := r.Stats().InFlight; n > 513 {
			t.Errorf("%d are in flight", n)
		}
		return r.Stats().Cut == 1
	})
	eventually(t, "its places are free", func() bool { s := r.Stats(); return s.InFlight == 0 && s.Connections == 1 })
}

// TestTimes: who says nothing, or half of something, is cut, each after its time.
func TestTimes(t *testing.T) {
	for name, test := range map[string]struct {
		strangers bool
		limits    keyless.Limits
		send      [][]byte
	}{
		"no handshake":             {false, keyless.Limits{Handshake: 50 * time.Millisecond}, nil},
		"no request":               {false, keyless.Limits{First: 50 * time.Millisecond}, [][]byte{}},
		"half a header":            {false, keyless.Limits{First: 50 * time.Millisecond}, [][]byte{{1, 0, 0}}},
		"half a packet":            {false, keyless.Limits{First: 50 * time.Millisecond}, [][]byte{{1, 0, 0, 9, 0, 0, 0, 0, 0x11, 0}}},
		"half a packet, later":     {false, keyless.Limits{First: 200 * time.Millisecond}, [][]byte{ping(), {1, 0, 0, 9, 0, 0, 0, 0}}},
		"silence after a request":  {false, keyless.Limits{Idle: 50 * time.Millisecond}, [][]byte{ping()}},
		"nobody knows who it is":   {true, keyless.Limits{Handshake: 200 * time.Millisecond}, [][]byte{ping(), ping()}},
		"and it asks all the time": {true, keyless.Limits{}, [][]byte{signed(), signed(), signed(), signed(), signed(), signed(), signed(), signed()}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := serve(t, &fake{do: turn, strangers: test.strangers}, test.limits)
			if test.send == nil {
				n, err := (&net.Dialer{}).DialContext(t.Context(), "unix", r.path)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := n.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
					t.Errorf("%v", err)
				}
				return
			}
			p := r.dial(t, nil)
			for _, b := range test.send {
				if _, err := p.Write(b); err != nil {
					t.Fatal(err)
				}
			}
			for i := 0; !p.ended(); i++ {
				if i > len(test.send) {
					t.Fatal("the connection goes on")
				}
			}
		})
	}
}

func ping() []byte {
	b, _ := (&wire.Operation{Opcode: wire.OpPing}).Append(nil, 1)
	return b
}

func signed() []byte {
	b, _ := sign(wire.OpECDSASignSHA256, "ab").Append(nil, 1)
	return b
}

// TestStranger: before a client has proved who it is, it is answered pings.
func TestStranger(t *testing.T) {
	keys := &fake{do: turn, strangers: true}
	r := serve(t, keys, keyless.Limits{Handshake: time.Hour})
	p := r.dial(t, nil)
	if a := p.ask(&wire.Operation{Opcode: wire.OpPing}); a.Opcode != wire.OpPong {
		t.Errorf("%s", a.Opcode)
	}
	p.fails(sign(wire.OpECDSASignSHA256, "ab"), wire.ErrUnexpectedOpcode)
	p.fails(&wire.Operation{Opcode: wire.OpCustom, Function: []byte("other")}, wire.ErrBadOpcode)
	if n := keys.refused.Load(); n != 2 {
		t.Errorf("%d are refused", n)
	}
	p.want(&wire.Operation{Opcode: wire.OpCustom, Function: []byte(keyless.Authenticate), Payload: []byte("secret")})
	if got := p.want(sign(wire.OpECDSASignSHA256, "ab")); string(got) != "ba" {
		t.Errorf("%q", got)
	}
	p.want(sign(wire.OpECDSASignSHA256, "ab"))
}

// TestTooManyConnections: those above the limit are closed at once.
func TestTooManyConnections(t *testing.T) {
	r := serve(t, &fake{do: turn}, keyless.Limits{Connections: 2})
	first, second := r.dial(t, nil), r.dial(t, nil)
	if _, err := r.tryDial(t, nil, tls.VersionTLS13); err == nil {
		t.Error("a third one")
	}
	second.want(sign(wire.OpECDSASignSHA256, "ab"))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "there is room", func() bool {
		p, err := r.tryDial(t, nil, tls.VersionTLS13)
		return err == nil && p.ask(sign(wire.OpECDSASignSHA256, "ab")).Opcode == wire.OpResponse
	})
	if s := r.Stats(); s.Refused == 0 || s.Connections > 2 {
		t.Errorf("%+v", s)
	}
}

// inUse returns the memory in use, in bytes.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// TestIdleConnections: 10,000 connections that say nothing, a part of them after
// their handshake, cost little, and harm nobody.
func TestIdleConnections(t *testing.T) {
	const silent, shaken, each = 9_840, 160, 64 << 10
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	r := serve(t, &fake{do: turn}, keyless.Limits{Connections: silent + shaken + 1})
	served := make(chan error, 1)
	go func() { served <- r.Serve(l) }()
	before := inUse()
	for range silent {
		l.connect(t)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range shaken / 8 {
				c := tls.Client(l.connect(t), &tls.Config{RootCAs: r.trust, ServerName: "key-server"})
				go func() { _ = c.HandshakeContext(t.Context()); _, _ = c.Read(make([]byte, 1)) }() // reads what the server sends by itself
			}
		})
	}
	all.Wait()
	eventually(t, "all are connected", func() bool { return r.Stats().Connections >= shaken/8*8 })
	if used := inUse() - before; used > (silent+shaken)*each {
		t.Errorf("%d connections take %d bytes each", silent+shaken, used/(silent+shaken))
	}
	if got := r.dial(t, nil).want(sign(wire.OpECDSASignSHA256, "ab")); string(got) != "ba" {
		t.Errorf("%q", got)
	}
	r.Hangup()
	eventually(t, "all have ended", func() bool { return r.Stats().Connections <= 1 })
	if err := r.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// pipes is a listener in memory, which needs no file descriptors.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) connect(t testing.TB) net.Conn {
	a, b := net.Pipe()
	t.Cleanup(func() { _ = a.Close() }) // it may be closed
	p.conns <- b
	return a
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

// TestFlood: as much as the connections give, on more of them than one would
// have. What the server holds is bounded by its limits, and so is its memory.
func TestFlood(t *testing.T) {
	limits := keyless.Limits{InFlight: 64, Queue: 128, Workers: 16, RSAWorkers: 8}
	r := serve(t, &fake{do: func(ctx context.Context, r *keyless.Request) ([]byte, error) {
		time.Sleep(100 * time.Microsecond) // what the audit log takes
		return turn(ctx, r)
	}}, limits)
	const conns, requests = 8, 1500
	var peers []*peer
	for range conns {
		p := r.dial(t, nil)
		for range 50 {
			p.want(sign(wire.OpECDSASignSHA256, "ab"))
		}
		peers = append(peers, p)
	}
	runtime.GC() // twice, for what finalizers keep of other tests
	before := inUse()
	var readers sync.WaitGroup
	for _, p := range peers {
		two, _ := sign(wire.OpECDSASignSHA256, "ab").Append(nil, 1)
		two, _ = sign(wire.OpRSASignSHA256, "ab").Append(two, 2)
		go func() {
			for range requests / 2 {
				if _, err := p.Write(two); err != nil {
					return
				}
			}
		}()
		readers.Go(func() { // without taking memory itself
			if _, err := io.CopyN(io.Discard, p, requests*wire.PadTo); err != nil {
				t.Error(err)
			}
		})
	}
	done := make(chan struct{})
	go func() { readers.Wait(); close(done) }()
	var most uint64
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(20 * time.Millisecond):
		}
		s := r.Stats()
		if s.InFlight > conns*limits.InFlight || s.Queued > limits.Queue || s.QueuedRSA > limits.Queue {
			t.Errorf("%+v", s)
		}
		most = max(most, inUse())
	}
	if most > before+(16<<20) {
		t.Errorf("%d bytes at first, %d in the flood", before, most)
	}
	if s := r.Stats(); s.InFlight != 0 || s.Batches >= conns*requests {
		t.Errorf("answers do not go out together: %+v", s)
	}
}

// TestDeadline: an operation has a time, and a request that is served later has
// one of its own.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left []time.Duration
		keys := &fake{do: func(ctx context.Context, _ *keyless.Request) ([]byte, error) {
			end, ok := ctx.Deadline()
			if !ok {
				return nil, errors.New("no deadline")
			}
			left = append(left, time.Until(end))
			return []byte("x"), nil
		}}
		identity := certify(t, "key-server")
		s := keyless.New(keyless.Config{
			Keys: keys, Limits: keyless.Limits{Workers: 1, Request: 10 * time.Second},
			TLS: func() *tls.Config {
				return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{identity}, SessionTicketsDisabled: true}
			},
		})
		l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		p := &peer{Conn: tls.Client(l.connect(t), &tls.Config{InsecureSkipVerify: true}), t: t}
		for range 8 {
			p.want(sign(wire.OpECDSASignSHA256, "ab"))
			time.Sleep(3 * time.Second)
		}
		for i, d := range left {
			if d < 10*time.Second || d > 15*time.Second {
				t.Errorf("request %d has %v", i, d)
			}
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}
